// Package wire has what the programs of this module share: the flags of packets and of KCP.
package wire

import (
	"encoding/binary"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/dobyte/due/v2/packet"
)

// Packets says how packets look: what the two sides agree on.
type Packets struct {
	ByteOrder     string
	RouteBytes    int
	SeqBytes      int
	BufferBytes   int
	HeartbeatTime bool
}

// PacketFlags are set once the flags are parsed.
func PacketFlags() *Packets {
	p := new(Packets)
	flag.StringVar(&p.ByteOrder, "byte_order", "big", "big or little")
	flag.IntVar(&p.RouteBytes, "route_bytes", 2, "1, 2 or 4")
	flag.IntVar(&p.SeqBytes, "seq_bytes", 2, "0, 1, 2 or 4")
	flag.IntVar(&p.BufferBytes, "buffer_bytes", 5000, "of a message that is sent, at most")
	flag.BoolVar(&p.HeartbeatTime, "heartbeat_time", false, "heartbeats tell the time")
	return p
}

func (p *Packets) Order() binary.ByteOrder {
	if strings.EqualFold(p.ByteOrder, "little") {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// UseInDue makes these the options of due's package packet.
func (p *Packets) UseInDue() error {
	if !strings.EqualFold(p.ByteOrder, "big") && !strings.EqualFold(p.ByteOrder, "little") {
		return fmt.Errorf("--byte_order is %q, not big or little", p.ByteOrder)
	}
	if !slices.Contains([]int{1, 2, 4}, p.RouteBytes) || !slices.Contains([]int{0, 1, 2, 4}, p.SeqBytes) {
		return fmt.Errorf("--route_bytes=%d --seq_bytes=%d: 1, 2 or 4 and 0, 1, 2 or 4", p.RouteBytes, p.SeqBytes)
	}
	packet.SetPacker(packet.NewPacker(packet.WithByteOrder(p.Order()), packet.WithRouteBytes(p.RouteBytes),
		packet.WithSeqBytes(p.SeqBytes), packet.WithBufferBytes(p.BufferBytes), packet.WithHeartbeatTime(p.HeartbeatTime)))
	return nil
}
