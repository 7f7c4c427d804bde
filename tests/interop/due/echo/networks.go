package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/dobyte/due/v2/packet"
	"github.com/gorilla/websocket"
	"github.com/xtaci/kcp-go/v5"

	"micro-cpp/tests/interop/due/wire"
)

// Queues as long as due's defaults.
const (
	tcpQueue       = 512
	webSocketQueue = 1024
)

// A server's settings.
type server struct {
	secured   *tls.Config // or nil
	tuning    *wire.KCP
	heartbeat time.Duration // between a client's; 0: none is wanted
	shift     int32
}

// serve begins to take connections, and says where.
func (s *server) serve(network, address string) (string, error) {
	if network == "kcp" {
		if s.secured != nil {
			return "", errors.New("kcp has no TLS")
		}
		// No error correction, though due's client sends with it: the sides need not agree.
		listener, err := s.tuning.Listen(address, 0, 0)
		if err != nil {
			return "", err
		}
		go s.acceptSessions(listener)
		return listener.Addr().String(), nil
	}
	if network != "tcp" && network != "ws" {
		return "", fmt.Errorf("--network is %q, not tcp, ws or kcp", network)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	if s.secured != nil {
		listener = tls.NewListener(listener, s.secured)
	}
	if network == "ws" {
		go func() { log.Print(http.Serve(listener, s.upgrade())) }()
	} else {
		go s.accept(listener)
	}
	return listener.Addr().String(), nil
}

func (s *server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal("echo: accept: ", err)
		}
		s.start(stream{conn}, nil, make(chan []byte, tcpQueue))
	}
}

func (s *server) acceptSessions(listener *kcp.Listener) {
	for {
		session, err := listener.AcceptKCP()
		if err != nil {
			log.Fatal("echo: accept: ", err)
		}
		s.tuning.Tune(session)
		s.start(stream{session}, nil, nil)
	}
}

func (s *server) upgrade() http.HandlerFunc {
	upgrader := websocket.Upgrader{ReadBufferSize: 4096, WriteBufferSize: 4096, CheckOrigin: func(*http.Request) bool { return true }}
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			log.Print("echo: upgrade: ", err)
			return
		}
		s.start(messages{conn}, make(chan []byte, webSocketQueue), make(chan []byte, webSocketQueue))
	}
}

// stream: TCP and KCP carry packets one behind the other. Read without a buffer, as due does: size first, then the rest.
type stream struct{ net.Conn }

func (s stream) read() ([]byte, error) { return packet.ReadMessage(s.Conn) }

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
