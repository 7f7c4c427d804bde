// The service of the interop contract on go-micro: prints one line when it can be found, and ends on SIGTERM.
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"go-micro.dev/v5"
	"interop/greeter"
	"interop/helloworld"
)

func main() {
	// Defaults through the environment, which flags override: micro.Name would name the server that --server replaces.
	setDefault("MICRO_SERVER_NAME", "helloworld")
	setDefault("MICRO_SERVER_VERSION", "1.0.0")

	var service micro.Service
	service = micro.NewService(micro.AfterStart(func() error { return printReady(service) }))
	service.Init()
	if err := helloworld.RegisterGreeterHandler(service.Server(), new(greeter.Greeter)); err != nil {
		log.Fatal(err)
	}
	if err := service.Run(); err != nil {
		log.Fatal(err)
	}
}

func setDefault(variable, value string) {
	if os.Getenv(variable) == "" {
		os.Setenv(variable, value)
	}
}

// printReady waits until others can find this node: a registration that failed is only logged by go-micro.
func printReady(service micro.Service) error {
	server := service.Server().Options()
	registry := service.Options().Registry
	id := server.Name + "-" + server.Id
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		records, _ := registry.GetService(server.Name)
		for _, record := range records {
			for _, node := range record.Nodes {
				if node.Id == id {
					fmt.Printf("ready name=%s node=%s addr=%s wire=%s registry=%s pid=%d\n", record.Name, node.Id, node.Address,
						node.Metadata["server"], registry.String(), os.Getpid())
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%s is not in the registry %s", id, registry.String())
}
