package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"go-micro.dev/v5"
	"interop/greeter"
	"interop/helloworld"
)

// counting is the contract's service, which counts its echoes.
type counting struct {
	greeter.Greeter
	echoes atomic.Int64
}

func (c *counting) Echo(ctx context.Context, request, response *helloworld.EchoMessage) error {
	c.echoes.Add(1)
	return c.Greeter.Echo(ctx, request, response)
}

func printReady(service micro.Service) error {
	records, err := service.Options().Registry.GetService(service.Server().Options().Name)
	if err != nil {
		return err
	}
	node := records[0].Nodes[0]
	fmt.Printf("ready name=%s addr=%s wire=%s pid=%d\n", records[0].Name, node.Address, node.Metadata["server"], os.Getpid())
	return nil
}

// serve echoes until SIGTERM. On SIGUSR1 and at the end it prints the CPU time used and the number of echoes since its start.
func serve(service micro.Service) error {
	handler := new(counting)
	if err := helloworld.RegisterGreeterHandler(service.Server(), handler); err != nil {
		return err
	}
	print := func() { fmt.Printf("used cpu_us=%d calls=%d\n", cpuTime().Microseconds(), handler.echoes.Load()) }
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			print()
		}
	}()
	defer print()
	return service.Run()
}
