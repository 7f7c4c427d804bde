// Package server is due's network.Server over TCP, WebSocket and KCP. due has it in modules that no proxy has; this one reads, queues,
// writes and closes as they do: two reads a packet, a goroutine that writes, one write a packet.
package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"sync"
	"time"

	"github.com/dobyte/due/v2/network"

	"micro-cpp/tests/interop/due/wire"
)

const maxConnections = 5000 // due's default

// Options of a server.
type Options struct {
	Network, Address string        // tcp, ws or kcp; host:port, port 0: a free one
	Cert, Key        string        // PEM files, both: TLS
	Heartbeat        time.Duration // between a client's; 0: none is wanted
	Packets          *wire.Packets
	KCP              *wire.KCP
}

// A Server is one listener and its connections. Its handlers are set before it starts.
type Server struct {
	Options
	secured                 *tls.Config
	started                 network.StartHandler
	stopped                 network.CloseHandler
	connected, disconnected func(network.Conn)
	received                network.ReceiveHandler
	listener                io.Closer

	mutex sync.Mutex
	last  int64 // cid
	conns map[int64]*conn
}

var _ network.Server = (*Server)(nil)

// New checks the options. The server does not listen yet.
func New(options Options) (*Server, error) {
	s := &Server{
		Options:      options,
		conns:        make(map[int64]*conn),
		connected:    func(network.Conn) {},
		disconnected: func(network.Conn) {},
		received:     func(network.Conn, []byte) {},
	}
	if options.Cert != "" {
		pair, err := tls.LoadX509KeyPair(options.Cert, options.Key)
		if err != nil {
			return nil, err
		}
		s.secured = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	switch {
	case options.Network != "tcp" && options.Network != "ws" && options.Network != "kcp":
		return nil, fmt.Errorf("--network is %q, not tcp, ws or kcp", options.Network)
	case options.Network == "kcp" && s.secured != nil:
		return nil, fmt.Errorf("kcp has no TLS")
	}
	return s, nil
}

// Addr is where it listens; its port is known from Start on.
func (s *Server) Addr() string     { return s.Address }
func (s *Server) Protocol() string { return s.Network }

func (s *Server) OnStart(handler network.StartHandler)           { s.started = handler }
func (s *Server) OnStop(handler network.CloseHandler)            { s.stopped = handler }
func (s *Server) OnConnect(handler network.ConnectHandler)       { s.connected = handler }
func (s *Server) OnReceive(handler network.ReceiveHandler)       { s.received = handler }
func (s *Server) OnDisconnect(handler network.DisconnectHandler) { s.disconnected = handler }

// Start listens.
func (s *Server) Start() error {
	if err := s.listen(); err != nil {
		return err
	}
	if s.started != nil {
		s.started()
	}
	return nil
}

// Stop ends the listener, and gracefully all connections.
func (s *Server) Stop() error {
	if err := s.listener.Close(); err != nil {
		return err
	}
	s.mutex.Lock()
	var rest sync.WaitGroup
	for _, c := range s.conns {
		rest.Go(func() { c.Close() })
	}
	s.mutex.Unlock()
	rest.Wait()
	if s.stopped != nil {
		s.stopped()
	}
	return nil
}

// take begins a connection.
func (s *Server) take(over carrier) {
	s.mutex.Lock()
	if len(s.conns) >= maxConnections {
		s.mutex.Unlock()
		log.Print("server: too many connections")
		over.Close()
		return
	}
	s.last++
	c := newConn(s, s.last, over)
	s.conns[c.id] = c
	s.mutex.Unlock()
	// Before anything is read: what the first packet leads to finds the connection.
	s.connected(c)
	go c.writeAll()
	c.readAll()
}

func (s *Server) forget(c *conn) {
	s.mutex.Lock()
	delete(s.conns, c.id)
	s.mutex.Unlock()
}
