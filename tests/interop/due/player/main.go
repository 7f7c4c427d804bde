// A player on due's own packets, over what due's clients use: checks an echo server, and prints `PASS name` or `FAIL name: why` a line
// each; exit code 1 on a failure.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"micro-cpp/tests/interop/due/wire"
)

func main() {
	p := &player{packets: wire.PacketFlags(), tuning: wire.KCPFlags()}
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
	flag.String("check", "echo", "what the server is: echo")
	flag.Parse()
	p.shift = int32(*shift)
	if err := p.packets.UseInDue(); err != nil {
		fmt.Fprintln(os.Stderr, "player:", err)
		os.Exit(2)
	}
	failed := false
	for _, check := range echoChecks {
		if *only != "" && check.name != *only || check.wanted != nil && !check.wanted(p) {
			continue
		}
		if err := check.run(p); err != nil {
			fmt.Printf("FAIL %s: %v\n", check.name, err)
			failed = true
		} else {
			fmt.Println("PASS", check.name)
		}
	}
	if failed {
		os.Exit(1)
	}
}
