package wire

import (
	"net"
	"sync"
)

// rough is a socket on a bad line: of so many datagrams that go out, one is lost, one comes twice and one late; of those that come in, one is
// lost.
type rough struct {
	net.PacketConn
	every int

	mutex   sync.Mutex
	out, in int
	late    []byte
	to      net.Addr
}

func (r *rough) WriteTo(data []byte, to net.Addr) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.out++
	switch r.out % r.every {
	case 0:
		return len(data), nil
	case 1:
		r.PacketConn.WriteTo(data, to)
	case 2:
		r.late, r.to = append([]byte(nil), data...), to
		return len(data), nil
	case 3:
		defer func() { r.PacketConn.WriteTo(r.late, r.to) }()
	}
	return r.PacketConn.WriteTo(data, to)
}

func (r *rough) ReadFrom(space []byte) (int, net.Addr, error) {
	for {
		n, from, err := r.PacketConn.ReadFrom(space)
		if err != nil {
			return n, from, err
		}
		if r.in++; r.in%r.every != 0 {
			return n, from, nil
		}
	}
}
