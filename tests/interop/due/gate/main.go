// A gate of due, with the flags of the interop contract. Prints a line when it can be used, and ends on SIGTERM.
package main

import (
	"flag"
	"time"

	due "github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/gate"

	"micro-cpp/tests/interop/due/cluster"
	"micro-cpp/tests/interop/due/cluster/server"
	"micro-cpp/tests/interop/due/wire"
)

func main() {
	member := cluster.MemberFlags(due.Gate)
	options := server.Options{Packets: member.Packets, KCP: wire.KCPFlags()}
	flag.StringVar(&options.Network, "network", "tcp", "tcp, ws or kcp")
	flag.StringVar(&options.Address, "listen", "127.0.0.1:3553", "host:port for clients; port 0: a free one")
	flag.DurationVar(&options.Heartbeat, "heartbeat", 10*time.Second, "between a client's heartbeats; 0s: none are wanted")
	flag.Parse()
	if err := member.Prepare(); err != nil {
		cluster.Exit(err)
	}
	clients, err := cluster.NewServer(options)
	if err != nil {
		cluster.Exit(err)
	}
	member.Serve(gate.NewGate(
		gate.WithID(member.ID),
		gate.WithName(member.Name),
		gate.WithAddr(member.Link),
		gate.WithDispatch(member.Dispatch),
		gate.WithRegistry(member.Registry),
		gate.WithLocator(member.Locator),
		gate.WithServer(clients),
	), clients.Addr)
}
