package wire

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"github.com/xtaci/kcp-go/v5"
)

// KCP tunes sessions as due's configuration does: what is not set stays as kcp-go has it.
type KCP struct {
	noDelay, window         numbers
	MTU                     int
	AckNoDelay, DelayWrites bool
	Rough                   int // of so many datagrams one is lost, one comes twice and one late; 0: none
}

// NoDelay and Window are nil or as many numbers as kcp-go wants.
func (k *KCP) NoDelay() []int { return k.noDelay.given }
func (k *KCP) Window() []int  { return k.window.given }

// KCPFlags are set once the flags are parsed.
func KCPFlags() *KCP {
	k := &KCP{noDelay: numbers{wanted: 4}, window: numbers{wanted: 2}}
	flag.Var(&k.noDelay, "kcp_no_delay", "nodelay,interval,resend,nc: 1,10,2,1 is fast")
	flag.Var(&k.window, "kcp_window", "send,receive: packets")
	flag.IntVar(&k.MTU, "kcp_mtu", 0, "bytes of a datagram")
	flag.BoolVar(&k.AckNoDelay, "kcp_ack_no_delay", false, "acknowledge at once")
	flag.BoolVar(&k.DelayWrites, "kcp_write_delay", false, "send at the next interval")
	flag.IntVar(&k.Rough, "rough", 0, "kcp: of so many datagrams one is lost, one comes twice and one late, at least 5; 0: none")
	return k
}

// Listen and Dial are kcp-go's own, without encryption, but for a rough line.
func (k *KCP) Listen(address string, data, parity int) (*kcp.Listener, error) {
	if k.Rough == 0 {
		return kcp.ListenWithOptions(address, nil, data, parity)
	}
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	return kcp.ServeConn(nil, data, parity, &rough{PacketConn: conn, every: k.Rough})
}

func (k *KCP) Dial(address string, data, parity int) (*kcp.UDPSession, error) {
	if k.Rough == 0 {
		return kcp.DialWithOptions(address, nil, data, parity)
	}
	peer, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp", "")
	if err != nil {
		return nil, err
	}
	return kcp.NewConn4(rand.Uint32(), peer, nil, data, parity, true, &rough{PacketConn: conn, every: k.Rough})
}

func (k *KCP) Tune(session *kcp.UDPSession) {
	if k.MTU > 0 {
		session.SetMtu(k.MTU)
	}
	if n := k.NoDelay(); n != nil {
		session.SetNoDelay(n[0], n[1], n[2], n[3])
	}
	if k.AckNoDelay {
		session.SetACKNoDelay(true)
	}
	if k.DelayWrites {
		session.SetWriteDelay(true)
	}
	if n := k.Window(); n != nil {
		session.SetWindowSize(n[0], n[1])
	}
}

// A flag of so many numbers with commas between.
type numbers struct {
	wanted int
	given  []int
}

func (n *numbers) String() string { return strings.Trim(fmt.Sprint(n.given), "[]") }

func (n *numbers) Set(text string) error {
	var given []int
	for _, word := range strings.Split(text, ",") {
		number, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		given = append(given, number)
	}
	if len(given) != n.wanted {
		return fmt.Errorf("%d numbers, not %d", len(given), n.wanted)
	}
	n.given = given
	return nil
}
