package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go-micro.dev/v5"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/errors"
	"go-micro.dev/v5/metadata"
	"google.golang.org/grpc/status"
	"interop/helloworld"
)

// caller makes the calls of the contract through one service's client.
type caller struct {
	service micro.Service
	own     string // the content type of the wire
}

// use sets the content type of the calls that follow: generated clients have no option for it.
func (c *caller) use(contentType string) error {
	if contentType == "" {
		contentType = c.own
	}
	return c.service.Client().Init(client.ContentType(contentType))
}

// call gives the lines that the call prints, with an error's line when it failed.
func (c *caller) call(ctx context.Context, s settings) (string, error) {
	if s.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.deadline)
		defer cancel()
	}
	if s.meta != "" {
		md := metadata.Metadata{}
		for _, pair := range list(s.meta) {
			key, value, _ := strings.Cut(pair, "=")
			md[key] = value
		}
		ctx = metadata.NewContext(ctx, md)
	}
	start := time.Now()
	lines, err := c.make(ctx, s)
	if s.call == "sleep" {
		lines = []string{fmt.Sprintf("returned after %d ms", time.Since(start).Milliseconds())}
	}
	if err != nil {
		if s.call != "sleep" {
			lines = nil
		}
		lines = append(lines, describe(err))
	}
	return strings.Join(lines, "\n"), err
}

func (c *caller) make(ctx context.Context, s settings) ([]string, error) {
	peer := helloworld.NewGreeterService(s.service, c.service.Client())
	switch s.call {
	case "hello":
		response, err := peer.Hello(ctx, &helloworld.HelloRequest{Name: s.name})
		return []string{response.GetGreeting()}, err
	case "fail":
		_, err := peer.Fail(ctx, &helloworld.FailRequest{})
		return nil, err
	case "sleep":
		_, err := peer.Sleep(ctx, &helloworld.SleepRequest{Ms: s.ms})
		return nil, err
	case "echo":
		payload := make([]byte, s.size)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		response, err := peer.Echo(ctx, &helloworld.EchoMessage{Payload: payload})
		return []string{fmt.Sprintf("echo %d %t", len(response.GetPayload()), slices.Equal(payload, response.GetPayload()))}, err
	case "meta":
		response, err := peer.Meta(ctx, &helloworld.MetaRequest{})
		var lines []string
		for _, key := range slices.Sorted(maps.Keys(response.GetMetadata())) {
			lines = append(lines, key+"="+response.Metadata[key])
		}
		return lines, err
	case "count":
		return count(ctx, peer, &helloworld.CountRequest{N: s.n, GapMs: s.gapMs})
	case "sum":
		return c.sum(ctx, peer, list(s.nums))
	case "chat":
		return c.chat(ctx, peer, list(s.text))
	case "list":
		return c.list(s.service)
	case "debug":
		return askDebug(ctx, s.service, c.service.Client())
	case "nosuch":
		request := c.service.Client().NewRequest(s.service, "Greeter.Nosuch", &helloworld.HelloRequest{Name: s.name})
		return nil, c.service.Client().Call(ctx, request, &helloworld.HelloResponse{})
	}
	return nil, fmt.Errorf("--call takes hello, fail, sleep, echo, meta, count, sum, chat, list or nosuch, not %q", s.call)
}

func count(ctx context.Context, peer helloworld.GreeterService, request *helloworld.CountRequest) ([]string, error) {
	stream, err := peer.Count(ctx, request)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var lines []string
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return append(lines, "EOF"), nil
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, strconv.FormatInt(response.I, 10))
	}
}

// halfCloses tells whether the wire can end the client's side of a stream alone; go-micro's HTTP RPC cannot.
func (c *caller) halfCloses() bool { return c.service.Client().String() == "grpc" }

func (c *caller) sum(ctx context.Context, peer helloworld.GreeterService, nums []string) ([]string, error) {
	stream, err := peer.Sum(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if len(nums) == 0 && !c.halfCloses() {
		nums = []string{"0"}
	}
	for i, text := range nums {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, err
		}
		last := i == len(nums)-1 && !c.halfCloses()
		if err := stream.Send(&helloworld.SumRequest{N: n, Last: last}); err != nil {
			return nil, err
		}
	}
	if c.halfCloses() {
		if err := stream.CloseSend(); err != nil {
			return nil, err
		}
	}
	var response helloworld.SumResponse
	if err := stream.RecvMsg(&response); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("total %d", response.Total)}, nil
}

func (c *caller) chat(ctx context.Context, peer helloworld.GreeterService, texts []string) ([]string, error) {
	stream, err := peer.Chat(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var lines []string
	for _, text := range texts {
		if err := stream.Send(&helloworld.ChatMessage{Text: text}); err != nil {
			return nil, err
		}
		answer, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		lines = append(lines, answer.Text)
	}
	if c.halfCloses() {
		if err := stream.CloseSend(); err != nil {
			return nil, err
		}
		if _, err := stream.Recv(); err != io.EOF {
			return nil, fmt.Errorf("after the last answer came %v, not the end of the stream", err)
		}
	}
	return lines, nil
}

func (c *caller) list(name string) ([]string, error) {
	all, err := c.service.Options().Registry.ListServices()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, service := range all {
		names[service.Name] = true
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		lines = append(lines, "service "+name)
	}
	records, err := c.service.Options().Registry.GetService(name)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		line, err := json.Marshal(record)
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(line))
	}
	return lines, nil
}

// describe is the contract's line for an error. A stream over gRPC fails with gRPC's own status, whose message is the error's text.
func describe(err error) string {
	text := err.Error()
	if _, isMicro := err.(*errors.Error); !isMicro {
		if s, isStatus := status.FromError(err); isStatus {
			text = s.Message()
		}
	}
	e := errors.Parse(text)
	return fmt.Sprintf("error id=%q code=%d detail=%q status=%q", e.Id, e.Code, e.Detail, e.Status)
}
