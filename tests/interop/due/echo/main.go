// The echo of the interop contract on due's network.Server, as due's own network benchmark does it: each packet is unpacked, packed again
// with its route and seq, and sent on its own. Prints a line when it can be used, and ends on SIGTERM.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/dobyte/due/v2/network"
	"github.com/dobyte/due/v2/packet"

	"micro-cpp/tests/interop/due/cluster"
	"micro-cpp/tests/interop/due/cluster/server"
	"micro-cpp/tests/interop/due/wire"
)

func main() {
	options := server.Options{Packets: wire.PacketFlags(), KCP: wire.KCPFlags()}
	flag.StringVar(&options.Network, "network", "tcp", "tcp, ws or kcp")
	flag.StringVar(&options.Address, "listen", "127.0.0.1:3553", "host:port; port 0: a free one")
	flag.DurationVar(&options.Heartbeat, "heartbeat", 10*time.Second, "between heartbeats; 0s: none are wanted")
	flag.StringVar(&options.Cert, "tls_cert", "", "PEM file; with --tls_key: TLS")
	flag.StringVar(&options.Key, "tls_key", "", "PEM file")
	shift := flag.Int("shift", 0, "added to route and seq of each answer: who reads them otherwise answers otherwise")
	flag.Parse()

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	err := options.Packets.UseInDue()
	var echo network.Server
	if err == nil {
		echo, err = cluster.NewServer(options)
	}
	if err == nil {
		send := network.Conn.Push
		if options.Network == "kcp" {
			send = network.Conn.Send
		}
		echo.OnReceive(func(conn network.Conn, data []byte) {
			if answer := again(data, int32(*shift)); answer != nil {
				send(conn, answer)
			}
		})
		err = echo.Start()
	}
	if err != nil {
		log.Fatal("echo: ", err)
	}
	fmt.Printf("ready kind=echo addr=%s network=%s pid=%d\n", echo.Addr(), options.Network, os.Getpid())
	<-ended
}

// again unpacks a packet and packs what it says; nil when there is nothing to say.
func again(data []byte, shift int32) []byte {
	message, err := packet.UnpackMessage(data)
	if err == nil {
		data, err = packet.PackMessage(&packet.Message{Seq: message.Seq + shift, Route: message.Route + shift, Buffer: message.Buffer})
	}
	if err != nil {
		log.Print("echo: ", err)
		return nil
	}
	return data
}
