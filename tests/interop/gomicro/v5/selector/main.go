// What it costs go-micro's own selector to choose a node, as its client does for each call: Select, the function that it returns, Mark.
// Prints `picked strategy=random nodes=10 threads=1 cpu_ns=… wall_ns=…` for each, CPU time of the whole process, garbage included.
package main

import (
	"flag"
	"fmt"
	"log"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/selector"
)

const service = "greeter"

func main() {
	testing.Init()
	seconds := flag.Float64("seconds", 1, "of each measurement")
	flag.Parse()
	if err := flag.Set("test.benchtime", fmt.Sprintf("%gs", *seconds)); err != nil {
		log.Fatal(err)
	}
	strategies := map[string]selector.Strategy{"random": selector.Random, "roundrobin": selector.RoundRobin}
	for _, name := range []string{"random", "roundrobin"} {
		for _, nodes := range []int{10, 100, 1000} {
			chooser := newSelector(strategies[name], nodes)
			for _, threads := range []int{1, 2} {
				cpu, wall := measure(chooser, threads)
				fmt.Printf("picked strategy=%s nodes=%d threads=%d cpu_ns=%.1f wall_ns=%.1f\n", name, nodes, threads, cpu, wall)
			}
		}
	}
}

// newSelector is go-micro's default selector with its cache, over a service of so many nodes.
func newSelector(strategy selector.Strategy, nodes int) selector.Selector {
	memory := registry.NewMemoryRegistry()
	record := &registry.Service{Name: service, Version: "1.0.0"}
	for i := range nodes {
		record.Nodes = append(record.Nodes, &registry.Node{Id: fmt.Sprintf("greeter-%d", i),
			Address: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250+1), Metadata: map[string]string{"protocol": "grpc"}})
	}
	if err := memory.Register(record); err != nil {
		log.Fatal(err)
	}
	return selector.NewSelector(selector.Registry(memory), selector.SetStrategy(strategy))
}

// measure returns CPU and wall nanoseconds for one pick.
func measure(chooser selector.Selector, threads int) (cpu, wall float64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	result := testing.Benchmark(func(b *testing.B) {
		var running sync.WaitGroup
		before := cpuTime()
		for range threads {
			running.Add(1)
			go func() {
				defer running.Done()
				for range b.N / threads {
					pick(chooser)
				}
			}()
		}
		running.Wait()
		cpu = float64(cpuTime()-before) / float64(b.N) // of the last and longest run in the end
	})
	return cpu, float64(result.T) / float64(result.N)
}

func pick(chooser selector.Selector) {
	next, err := chooser.Select(service)
	if err != nil {
		log.Fatal(err)
	}
	node, err := next()
	if err != nil {
		log.Fatal(err)
	}
	chooser.Mark(service, node, nil)
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
