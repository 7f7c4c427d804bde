package server

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/gorilla/websocket"
)

// mostBytes of a packet that is taken. due has no limit, and takes the memory before the bytes come: garbage to a few connections would
// take all that the machine has.
const mostBytes = 16 << 20

// A carrier is what packets come and go over. One goroutine reads, one writes; over TCP and KCP several may write.
type carrier interface {
	read() ([]byte, error) // the next packet, whole; nothing for an empty one
	write([]byte) error
	Close() error
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// stream: TCP and KCP carry packets one behind the other. Read without a buffer, as due does: size first, then the rest.
type stream struct {
	net.Conn
	order binary.ByteOrder
}

func (s stream) read() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(s.Conn, head); err != nil {
		return nil, err
	}
	size := s.order.Uint32(head)
	if size == 0 {
		return nil, nil
	}
	if size > mostBytes {
		return nil, fmt.Errorf("a packet of %d bytes", size)
	}
	data := make([]byte, 4+size)
	copy(data, head)
	_, err := io.ReadFull(s.Conn, data[4:])
	return data, err
}

func (s stream) write(data []byte) error {
	_, err := s.Conn.Write(data)
	return err
}

// messages: WebSocket carries a packet a message.
type messages struct{ *websocket.Conn }

func (m messages) read() ([]byte, error) {
	for {
		kind, data, err := m.ReadMessage()
		if err != nil || kind == websocket.BinaryMessage {
			return data, err
		}
	}
}

func (m messages) write(data []byte) error { return m.WriteMessage(websocket.BinaryMessage, data) }
