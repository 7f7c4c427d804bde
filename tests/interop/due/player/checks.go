package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	due "github.com/dobyte/due/v2/errors"
	"github.com/dobyte/due/v2/packet"
)

// What an echo server is asked.
var echoChecks = []check{
	{"sizes", onOne(sizes), nil},
	{"limits of route and seq", onOne(limits), nil},
	{"heartbeats", onOne(heartbeats), nil},
	{"empty packets", onOne(emptyPackets), nil},
	{"reserved bits of the header", onOne(reservedBits), nil},
	{"a packet without a route", onOne(shortPacket), nil},
	{"packets in pieces", onOne(inPieces), nil},
	{"packets in one write", onOne(inOneWrite), nil},
	{"packets in order", onOne(inOrder), nil},
	{"connections at once", atOnce, nil},
	{"heartbeats keep a connection", onOne(stays), hasFastHeartbeats},
	{"a silent connection ends", silent, hasFastHeartbeats},
	{"frames of WebSocket", frames, overWebSocket},
	{"garbage in WebSocket", webSocketGarbage, overWebSocket},
	{"garbage in datagrams", datagrams, overKCP},
	{"the largest packet", onOne(largest), isCapped},
	{"a packet that is too large", tooLarge, isCapped},
	{"garbage", garbage, isCapped},
}

func overWebSocket(p *player) bool { return p.network == "ws" }
func overKCP(p *player) bool       { return p.network == "kcp" }
func isCapped(p *player) bool      { return p.limit > 0 }

func hasFastHeartbeats(p *player) bool { return p.heartbeat <= time.Second }

// onOne is a check that needs one connection, which is usable at its end.
func onOne(check func(*link) error) func(*player) error {
	return func(p *player) error {
		l, err := p.dial()
		if err != nil {
			return err
		}
		defer l.close()
		if err := check(l); err != nil {
			return err
		}
		if err := l.ask(message{1, 0, "still there"}); err != nil {
			return fmt.Errorf("afterwards: %w", err)
		}
		return nil
	}
}

func sizes(l *link) error {
	for _, size := range []int{0, 1, 2, 3, 100, 1000, 1371, 1400, 4096, 5000, 65000} {
		if size > l.packets.BufferBytes {
			size = l.packets.BufferBytes
		}
		if err := l.ask(message{1, 0, text(size)}); err != nil {
			return err
		}
	}
	return nil
}

// text is unlike itself at any other place.
func text(size int) string {
	var made strings.Builder
	for made.Len() < size {
		fmt.Fprintf(&made, "%d ", made.Len())
	}
	return made.String()[:size]
}

func limits(l *link) error {
	for _, route := range l.edges(l.packets.RouteBytes) {
		for _, seq := range l.edges(l.packets.SeqBytes) {
			if err := l.ask(message{route, seq, "at the edge"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// edges of a signed integer of so many bytes, and of its answer.
func (l *link) edges(bytes int) []int32 {
	if bytes == 0 {
		return []int32{0}
	}
	largest := int32(1)<<(8*bytes-1) - 1
	return []int32{0, 1, -1, 2, -2, largest - l.shift, -largest - 1}
}

// heartbeats in either form are answered in the form of the options.
func heartbeats(l *link) error {
	ours, err := packet.PackHeartbeat()
	if err != nil {
		return err
	}
	plain := l.sized([]byte{0x80})
	timed := l.sized(append([]byte{0x80}, make([]byte, 8)...))
	for _, sent := range [][]byte{ours, plain, timed} {
		if err := l.write(sent); err != nil {
			return err
		}
		got, err := l.read()
		if err != nil {
			return err
		}
		if err := l.checkHeartbeat(got); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) checkHeartbeat(got []byte) error {
	if is, err := packet.CheckHeartbeat(got); err != nil || !is {
		return fmt.Errorf("no heartbeat (%v): %x", err, got)
	}
	if !l.packets.HeartbeatTime {
		if len(got) != 5 {
			return fmt.Errorf("not a heartbeat of 5 bytes: %x", got)
		}
		return nil
	}
	if len(got) != 13 {
		return fmt.Errorf("not a heartbeat of 13 bytes: %x", got)
	}
	told := time.Unix(0, int64(l.packets.Order().Uint64(got[5:])))
	if off := time.Since(told); off.Abs() > time.Minute {
		return fmt.Errorf("a heartbeat tells %v, %v from now", told, off)
	}
	return nil
}

// sized puts its size before what a packet holds.
func (l *link) sized(content []byte) []byte {
	data := make([]byte, 4, 4+len(content))
	l.packets.Order().PutUint32(data, uint32(len(content)))
	return append(data, content...)
}

func emptyPackets(l *link) error {
	for range 3 {
		if err := l.write(l.sized(nil)); err != nil {
			return err
		}
	}
	return l.ask(message{2, 0, "after three empty packets"})
}

// reservedBits: only the highest of the header means something.
func reservedBits(l *link) error {
	wanted := message{3, 0, "with all reserved bits"}
	data, err := packet.PackMessage(&packet.Message{Route: wanted.route, Buffer: []byte(wanted.body)})
	if err != nil {
		return err
	}
	data[4] = 0x7f
	if err := l.write(data); err != nil {
		return err
	}
	return l.expect(wanted)
}

// shortPacket: what is too short for its route is dropped, or comes back as it is; the connection stays.
func shortPacket(l *link) error {
	short := l.sized([]byte{0})
	if err := l.write(short); err != nil {
		return err
	}
	wanted := message{4, 0, "after a short packet"}
	if err := l.send(wanted); err != nil {
		return err
	}
	err := l.expect(wanted)
	if errors.Is(err, due.ErrInvalidMessage) {
		err = l.expect(wanted)
	}
	return err
}

func inPieces(l *link) error {
	for _, size := range []int{1, 3, 7} {
		l.raw.size = size
		if err := l.ask(message{5, 0, text(50)}, message{6, 0, ""}); err != nil {
			return fmt.Errorf("%d bytes a write: %w", size, err)
		}
	}
	l.raw.size = 0
	return nil
}

func inOneWrite(l *link) error {
	var wanted []message
	l.raw.hold = true
	for i := range 100 {
		wanted = append(wanted, message{int32(i), 0, text(i)})
		if err := l.send(wanted[i]); err != nil {
			return err
		}
	}
	if err := l.raw.release(); err != nil {
		return err
	}
	for _, m := range wanted {
		if err := l.expect(m); err != nil {
			return err
		}
	}
	return nil
}

// inOrder has 16 packets on their way at a time.
func inOrder(l *link) error { return l.converse("in order", l.count, 16) }

func (l *link) converse(label string, count, window int) error {
	at := func(i int) message {
		seq := int32(i)
		switch l.packets.SeqBytes {
		case 0:
			seq = 0
		case 1:
			seq %= 100
		}
		return message{int32(i % 100), seq, fmt.Sprintf("%s %d", label, i)}
	}
	for i := range count + window {
		if i >= window {
			if err := l.expect(at(i - window)); err != nil {
				return err
			}
		}
		if i < count {
			if err := l.send(at(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func atOnce(p *player) error {
	links := make([]*link, p.connections)
	for i := range links {
		l, err := p.dial()
		if err != nil {
			return err
		}
		defer l.close()
		links[i] = l
	}
	results := make(chan error, len(links))
	for i, l := range links {
		go func() { results <- l.converse(fmt.Sprintf("of connection %d", i), 20, 4) }()
	}
	var first error
	for range links {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// stays for five intervals, each with a heartbeat and its answer.
func stays(l *link) error {
	for range 5 {
		time.Sleep(l.heartbeat)
		ours, err := packet.PackHeartbeat()
		if err == nil {
			err = l.write(ours)
		}
		var got []byte
		if err == nil {
			got, err = l.read()
		}
		if err == nil {
			err = l.checkHeartbeat(got)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
