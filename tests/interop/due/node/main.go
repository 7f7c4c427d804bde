// A node of due that answers the routes of the interop contract, with its flags. Prints a line when it can be used, and ends on SIGTERM.
package main

import (
	"flag"

	due "github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/node"

	"micro-cpp/tests/interop/due/cluster"
)

func main() {
	member := cluster.MemberFlags(due.Node)
	raw := flag.Bool("raw", false, "echo the bytes, whatever they are")
	flag.Parse()
	if err := member.Prepare(); err != nil {
		cluster.Exit(err)
	}
	n := node.NewNode(
		node.WithID(member.ID),
		node.WithName(member.Name),
		node.WithAddr(member.Link),
		node.WithRegistry(member.Registry),
		node.WithLocator(member.Locator),
		node.WithCodec(codec{}),
	)
	offer(n.Proxy(), *raw)
	member.Serve(n, nil)
}
