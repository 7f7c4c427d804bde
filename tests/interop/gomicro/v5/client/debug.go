package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go-micro.dev/v5/client"
	debug "go-micro.dev/v5/debug/proto"
)

// askDebug asks the debug handler of a service, by go-micro's own generated client, and tells what of each answer is as it should be.
func askDebug(ctx context.Context, service string, c client.Client) ([]string, error) {
	peer := debug.NewDebugService(service, c)
	health, err := peer.Health(ctx, &debug.HealthRequest{Service: service})
	if err != nil {
		return nil, err
	}
	stats, err := peer.Stats(ctx, &debug.StatsRequest{Service: service})
	if err != nil {
		return nil, err
	}
	now := uint64(time.Now().Unix())
	recent := stats.Started <= stats.Timestamp && stats.Timestamp <= now+1 && stats.Timestamp+60 > now
	stream, err := peer.Log(ctx, &debug.LogRequest{Service: service, Count: 5})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	records := 0
	for ; ; records++ {
		record, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if record.Message == "" || record.Metadata["level"] == "" || record.Timestamp == 0 {
			return nil, fmt.Errorf("an empty record: %v", record)
		}
	}
	return []string{
		"health " + health.Status,
		fmt.Sprintf("stats %t %t %t", recent, stats.Memory > 1<<20 && stats.Threads > 1, stats.Requests > 0),
		fmt.Sprintf("log %t", records <= 5),
	}, nil
}
