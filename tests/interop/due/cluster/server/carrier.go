package server

import (
	"fmt"
	"net"

	"github.com/dobyte/due/v2/packet"
	"github.com/gorilla/websocket"
)

// A carrier is what packets come and go over. One goroutine reads, one writes; over TCP and KCP several may write.
type carrier interface {
	read() ([]byte, error) // the next packet, whole; nothing for an empty one
	write([]byte) error
	Close() error
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// stream: TCP and KCP carry packets one behind the other. Read without a buffer, as due does: size first, then the rest.
type stream struct{ net.Conn }

func (s stream) read() (data []byte, err error) {
	// A size of almost 2^32 wraps in package packet, which panics then; due's servers survive that.
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("size of a packet: %v", cause)
		}
	}()
	return packet.ReadMessage(s.Conn)
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
