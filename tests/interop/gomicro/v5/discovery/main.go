// How soon a new node is called with go-micro's own registry, cache and selector: the time from the start of a registration to the end
// of the first call that reaches the node, by a client that has asked for the service before and was told that there is none.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"go-micro.dev/v5/client"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/consul"
	"go-micro.dev/v5/registry/etcd"
	"go-micro.dev/v5/registry/nats"
	"go-micro.dev/v5/selector"
	"go-micro.dev/v5/server"
	"interop/greeter"
	"interop/helloworld"
)

func main() {
	name := flag.String("registry", "mdns", "mdns, consul, etcd or nats")
	address := flag.String("registry_address", "", "of its server")
	rounds := flag.Int("rounds", 5, "the result is their median")
	flag.Parse()
	newRegistry := map[string]func(...registry.Option) registry.Registry{"mdns": registry.NewMDNSRegistry,
		"consul": consul.NewConsulRegistry, "etcd": etcd.NewEtcdRegistry, "nats": nats.NewNatsRegistry}[*name]
	if newRegistry == nil {
		log.Fatalf("--registry takes mdns, consul, etcd or nats, not %q", *name)
	}
	connect := func() registry.Registry { return newRegistry(registry.Addrs(strings.Split(*address, ",")...)) }

	node, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	registrar := connect()
	var took []time.Duration
	for round := range *rounds {
		record := &registry.Service{Name: fmt.Sprintf("discovery-%d-%d", os.Getpid(), round), Version: "1.0.0"}
		record.Nodes = []*registry.Node{{Id: record.Name + "-1", Address: node.Address, Metadata: node.Metadata}}
		t, err := discover(registrar, connect(), record)
		if err != nil {
			log.Fatal(err)
		}
		took = append(took, t)
	}
	slices.Sort(took)
	median := took[len(took)/2].Seconds() * 1e3
	fmt.Printf("figure discovery.%s.go_micro %.3f ms\n", *name, median)
	fmt.Printf("took_ms %.3f\n", median)
}

// listen starts the contract's service where no registry has it; what is measured registers it under new names.
func listen() (*registry.Node, error) {
	memory := registry.NewMemoryRegistry()
	listening := server.NewServer(server.Name("listening"), server.Address("127.0.0.1:0"), server.Registry(memory))
	if err := helloworld.RegisterGreeterHandler(listening, new(greeter.Greeter)); err != nil {
		return nil, err
	}
	if err := listening.Start(); err != nil {
		return nil, err
	}
	records, err := memory.GetService("listening")
	if err != nil {
		return nil, err
	}
	return records[0].Nodes[0], nil
}

func discover(registrar, mine registry.Registry, record *registry.Service) (time.Duration, error) {
	caller := client.NewClient(client.Registry(mine), client.Selector(selector.NewSelector(selector.Registry(mine))), client.Retries(0))
	defer caller.Options().Selector.Close()
	peer := helloworld.NewGreeterService(record.Name, caller)
	hello := func() error {
		_, err := peer.Hello(context.Background(), &helloworld.HelloRequest{})
		return err
	}
	if hello() == nil {
		return 0, fmt.Errorf("%s is there before it was registered", record.Name)
	}
	time.Sleep(50 * time.Millisecond) // for the cache's watch to be under way

	start := time.Now()
	registered := make(chan error, 1)
	go func() { registered <- registrar.Register(record, registry.RegisterTTL(30*time.Second)) }()
	for err := hello(); err != nil; err = hello() {
		if time.Since(start) > 30*time.Second {
			return 0, fmt.Errorf("%s is not found within 30 s: %w", record.Name, err)
		}
		time.Sleep(100 * time.Microsecond)
	}
	took := time.Since(start)
	if err := <-registered; err != nil {
		return 0, err
	}
	return took, registrar.Deregister(record)
}
