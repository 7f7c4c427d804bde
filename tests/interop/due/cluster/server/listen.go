package server

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/xtaci/kcp-go/v5"
)

// listen begins to take connections.
func (s *Server) listen() error {
	if s.Network == "kcp" {
		// No error correction, though due's client sends with it: the sides need not agree.
		listener, err := s.KCP.Listen(s.Address, 0, 0)
		if err != nil {
			return err
		}
		s.listener, s.Address = listener, listener.Addr().String()
		go s.acceptSessions(listener)
		return nil
	}
	listener, err := net.Listen("tcp", s.Address)
	if err != nil {
		return err
	}
	if s.secured != nil {
		listener = tls.NewListener(listener, s.secured)
	}
	s.listener, s.Address = listener, listener.Addr().String()
	if s.Network == "ws" {
		go http.Serve(listener, s.upgrade())
	} else {
		go s.accept(listener)
	}
	return nil
}

func (s *Server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Print("server: accept: ", err) // also when it was stopped
			return
		}
		go s.take(stream{conn, s.Packets.Order()})
	}
}

func (s *Server) acceptSessions(listener *kcp.Listener) {
	for {
		session, err := listener.AcceptKCP()
		if err != nil {
			log.Print("server: accept: ", err)
			return
		}
		s.KCP.Tune(session)
		go s.take(stream{session, s.Packets.Order()})
	}
}

func (s *Server) upgrade() http.HandlerFunc {
	upgrader := websocket.Upgrader{ReadBufferSize: 4096, WriteBufferSize: 4096, CheckOrigin: func(*http.Request) bool { return true }}
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			log.Print("server: upgrade: ", err)
			return
		}
		conn.SetReadLimit(mostBytes)
		go s.take(messages{conn}) // its own goroutine: that of the request keeps its buffers
	}
}
