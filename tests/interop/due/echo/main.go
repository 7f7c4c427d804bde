// The echo of the interop contract on due's own packets, read and written as due's network servers and their benchmark do it: each packet
// is unpacked, packed again with its route and seq, and sent on its own. Prints a line when it can be used, and ends on SIGTERM.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"micro-cpp/tests/interop/due/wire"
)

func main() {
	s := server{}
	network := flag.String("network", "tcp", "tcp, ws or kcp")
	listen := flag.String("listen", "127.0.0.1:3553", "host:port; port 0: a free one")
	flag.DurationVar(&s.heartbeat, "heartbeat", 10*time.Second, "between heartbeats; 0s: none are wanted")
	cert := flag.String("tls_cert", "", "PEM file; with --tls_key: TLS")
	key := flag.String("tls_key", "", "PEM file")
	shift := flag.Int("shift", 0, "added to route and seq of each answer: who reads them otherwise answers otherwise")
	packets := wire.PacketFlags()
	s.tuning = wire.KCPFlags()
	flag.Parse()
	s.shift = int32(*shift)

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	err := packets.UseInDue()
	if err == nil && *cert != "" {
		var pair tls.Certificate
		pair, err = tls.LoadX509KeyPair(*cert, *key)
		s.secured = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	var address string
	if err == nil {
		address, err = s.serve(*network, *listen)
	}
	if err != nil {
		log.Fatal("echo: ", err)
	}
	fmt.Printf("ready kind=echo addr=%s network=%s pid=%d\n", address, *network, os.Getpid())
	<-ended
}
