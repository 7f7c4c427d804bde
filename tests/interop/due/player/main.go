// A player on due's own packets, over what due's clients use: checks an echo server or a game's cluster, and prints `PASS name` or
// `FAIL name: why` a line each; exit code 1 on a failure.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"micro-cpp/tests/interop/due/wire"
)

// A check opens connections of its own; wanted says whether it is one for this server.
type check struct {
	name   string
	run    func(*player) error
	wanted func(*player) bool
}

// The suites, and how many checks of each run at once. Those of a game mostly wait for what is not to come.
var suites = map[string]struct {
	checks []check
	atOnce int
}{
	"echo": {echoChecks, 1},
	"game": {gameChecks, 8},
}

func main() {
	p := &player{packets: wire.PacketFlags(), tuning: wire.KCPFlags(), users: firstUser()}
	flag.StringVar(&p.network, "network", "tcp", "tcp, ws or kcp")
	flag.StringVar(&p.address, "address", "127.0.0.1:3553", "host:port of the server")
	flag.StringVar(&p.fec, "fec", "10/3", "kcp: data and parity shards of what is sent, as due's client has them; 0/0: none")
	flag.StringVar(&p.authority, "tls_ca", "", "PEM file; TLS with this authority")
	flag.StringVar(&p.serverName, "tls_server_name", "", "that the certificate bears; empty: the host")
	flag.IntVar(&p.count, "packets", 1000, "to be sent with some on their way")
	flag.IntVar(&p.connections, "connections", 50, "at once")
	flag.IntVar(&p.limit, "cap", 0, "of the server: what a packet may hold behind its size; 0: it has none")
	flag.DurationVar(&p.heartbeat, "heartbeat", 10*time.Second, "that the server wants; up to 1s: what it does about silence is checked")
	shift := flag.Int("shift", 0, "that the server adds to route and seq of each answer")
	only := flag.String("only", "", "the one check that is run")
	kind := flag.String("check", "echo", "what the server is: echo, or game: a gate of a cluster whose node answers the contract's routes")
	flag.StringVar(&p.otherAddress, "other_address", "", "game: host:port of a second gate, over the same network")
	flag.IntVar(&p.nodes, "nodes", 1, "game: in the cluster")
	flag.BoolVar(&p.dueGate, "due_gate", false, "game: the gates are due's own, whose defects are not held against them")
	flag.BoolVar(&p.dueNode, "due_node", false, "game: the nodes are due's own")
	flag.Parse()
	p.shift = int32(*shift)
	if err := p.packets.UseInDue(); err != nil {
		fmt.Fprintln(os.Stderr, "player:", err)
		os.Exit(2)
	}
	suite, known := suites[*kind]
	if !known {
		fmt.Fprintf(os.Stderr, "player: --check is %q, not echo or game\n", *kind)
		os.Exit(2)
	}
	var chosen []check
	for _, check := range suite.checks {
		if (*only == "" || check.name == *only) && (check.wanted == nil || check.wanted(p)) {
			chosen = append(chosen, check)
		}
	}
	if !run(p, chosen, suite.atOnce) {
		os.Exit(1)
	}
}

// run prints the results in the order of the checks. Whether all passed.
func run(p *player, checks []check, atOnce int) bool {
	results := make([]chan error, len(checks))
	places := make(chan struct{}, atOnce)
	for i := range checks {
		results[i] = make(chan error, 1)
	}
	go func() {
		for i, check := range checks {
			places <- struct{}{}
			go func() {
				results[i] <- check.run(p)
				<-places
			}()
		}
	}()
	passed := true
	for i, check := range checks {
		if err := <-results[i]; err != nil {
			fmt.Printf("FAIL %s: %v\n", check.name, err)
			passed = false
		} else {
			fmt.Println("PASS", check.name)
		}
	}
	return passed
}
