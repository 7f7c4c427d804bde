// Both sides of an echo on go-micro, for comparisons: `bench server` and `bench client`. Neither uses a registry.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"go-micro.dev/v5"
	_ "go-micro.dev/v5/client/grpc"
	_ "go-micro.dev/v5/server/grpc"
)

func main() {
	var l load
	flags := l.flags()
	if len(os.Args) < 2 || os.Args[1] != "server" && os.Args[1] != "client" {
		fmt.Fprintln(os.Stderr, "usage: bench server|client FLAGS; flags of the client beside go-micro's:")
		flags.PrintDefaults()
		os.Exit(2)
	}
	role := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	// As flags that are not given: options in code would be for the server that --server replaces.
	os.Setenv("MICRO_SERVER_NAME", "helloworld")
	os.Setenv("MICRO_REGISTRY", "memory")
	var options []cli.Flag
	flags.VisitAll(func(f *flag.Flag) {
		options = append(options, &cli.GenericFlag{Name: f.Name, Usage: f.Usage, Value: f.Value})
	})
	var service micro.Service
	service = micro.NewService(micro.Flags(options...), micro.AfterStart(func() error { return printReady(service) }))
	service.Init()
	var err error
	if role == "server" {
		err = serve(service)
	} else {
		err = l.run(service)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// cpuTime is what this process has used, in user and system mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
