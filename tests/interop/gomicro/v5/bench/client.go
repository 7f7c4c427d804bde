package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go-micro.dev/v5"
	"go-micro.dev/v5/client"
	"interop/helloworld"
)

// load is what the client does: calls of one node, without discovery.
type load struct {
	address, contentType  string
	inFlight, size, calls int
	seconds               float64
	stay                  bool
}

func (l *load) flags() *flag.FlagSet {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.StringVar(&l.address, "address", "", "host:port of the server")
	set.StringVar(&l.contentType, "content_type", "", "application/protobuf or application/json; the wire's own when empty")
	set.IntVar(&l.inFlight, "inflight", 1, "calls at a time")
	set.IntVar(&l.size, "size", 32, "of the payload, in bytes")
	set.Float64Var(&l.seconds, "seconds", 1, "how long it measures, after a quarter as long of warming up")
	set.IntVar(&l.calls, "calls", 0, "make this many calls instead, and measure all")
	set.BoolVar(&l.stay, "stay", true, "wait to be killed, so that the CPU time can be read from outside")
	return set
}

// run prints "measured CALLS_WITH_WARM_UP CALLS SECONDS P50_NS P99_NS FAILED", and the same for people with the CPU time per call.
func (l *load) run(service micro.Service) error {
	if l.contentType != "" {
		if err := service.Client().Init(client.ContentType(l.contentType)); err != nil {
			return err
		}
	}
	peer := helloworld.NewGreeterService("helloworld", service.Client())
	request := &helloworld.EchoMessage{Payload: bytes.Repeat([]byte("x"), l.size)}
	echo := func() error {
		response, err := peer.Echo(context.Background(), request, client.WithAddress(l.address))
		if err == nil && !bytes.Equal(response.Payload, request.Payload) {
			err = fmt.Errorf("the echo of %d bytes is another one", l.size)
		}
		return err
	}
	if err := echo(); err != nil {
		return err
	}

	var taken, made, failed atomic.Int64
	var firstError atomic.Value
	latencies := make([][]time.Duration, l.inFlight)
	before := cpuTime()
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	begin := time.Now().Add(second(l.seconds / 4))
	end := begin.Add(second(l.seconds))
	if l.calls > 0 {
		begin, end = time.Now(), begin.Add(second(1e9))
	}
	var group sync.WaitGroup
	for slot := range l.inFlight {
		group.Add(1)
		go func() {
			defer group.Done()
			for start := time.Now(); start.Before(end); start = time.Now() {
				if number := taken.Add(1); l.calls > 0 && number > int64(l.calls) {
					return
				}
				if err := echo(); err != nil {
					failed.Add(1)
					firstError.CompareAndSwap(nil, err.Error())
				}
				made.Add(1)
				if start.After(begin) {
					latencies[slot] = append(latencies[slot], time.Since(start))
				}
			}
		}()
	}
	group.Wait()
	seconds := time.Since(begin).Seconds()
	cpu := (cpuTime() - before).Seconds() * 1e6 / float64(made.Load())

	all := slices.Concat(latencies...)
	if len(all) == 0 {
		return fmt.Errorf("no call was measured; give more --seconds or --calls")
	}
	slices.Sort(all)
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	fmt.Printf("calls=%d failed=%d p50_us=%.1f p99_us=%.1f qps=%.0f cpu_us_per_call=%.2f\n", len(all), failed.Load(),
		float64(p50.Nanoseconds())/1e3, float64(p99.Nanoseconds())/1e3, float64(len(all))/seconds, cpu)
	if text := firstError.Load(); text != nil {
		fmt.Printf("first error: %s\n", text)
	}
	fmt.Printf("measured %d %d %f %d %d %d\n", made.Load(), len(all), seconds, p50.Nanoseconds(), p99.Nanoseconds(), failed.Load())
	if l.stay {
		ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		<-ended.Done()
	}
	return nil
}
