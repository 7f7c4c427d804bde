package server

import (
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dobyte/due/v2/errors"
	"github.com/dobyte/due/v2/network"
	"github.com/dobyte/due/v2/packet"
	"github.com/dobyte/due/v2/utils/xnet"
)

// Queues as long as due's defaults.
const (
	tcpQueue       = 512
	webSocketQueue = 1024
	kcpQueue       = 4096
)

// A conn is one client's: a goroutine that reads and hands on, and one that writes, with queues between. Heartbeats and what is sent at
// once are written where they arise; over WebSocket, which has one writer, they have a queue that overtakes the other.
type conn struct {
	carrier
	server        *Server
	id            int64
	uid           atomic.Int64
	state         atomic.Int32
	attributes    attributes
	urgent, queue chan []byte
	heard         atomic.Int64  // when something came last
	drained       chan struct{} // the writer came to the end of the queue
	ended         chan struct{}
}

var _ network.Conn = (*conn)(nil)

func newConn(s *Server, id int64, over carrier) *conn {
	c := &conn{carrier: over, server: s, id: id, drained: make(chan struct{}), ended: make(chan struct{})}
	switch s.Network {
	case "tcp":
		c.queue = make(chan []byte, tcpQueue)
	case "ws":
		c.urgent, c.queue = make(chan []byte, webSocketQueue), make(chan []byte, webSocketQueue)
	case "kcp":
		c.queue = make(chan []byte, kcpQueue)
	}
	c.state.Store(int32(network.ConnOpened))
	c.heard.Store(time.Now().UnixNano())
	return c
}

func (c *conn) ID() int64                { return c.id }
func (c *conn) UID() int64               { return c.uid.Load() }
func (c *conn) Bind(uid int64)           { c.uid.Store(uid) }
func (c *conn) Unbind()                  { c.uid.Store(0) }
func (c *conn) Attr() network.Attr       { return &c.attributes }
func (c *conn) State() network.ConnState { return network.ConnState(c.state.Load()) }

// usable answers with why it is not.
func (c *conn) usable() error {
	switch c.State() {
	case network.ConnHanged:
		return errors.ErrConnectionHanged
	case network.ConnClosed:
		return errors.ErrConnectionClosed
	}
	return nil
}

// Send writes at once.
func (c *conn) Send(data []byte) error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.urgent == nil {
		return c.write(data)
	}
	return c.put(c.urgent, data)
}

// Push queues, and waits while the queue is full.
func (c *conn) Push(data []byte) error {
	if err := c.usable(); err != nil {
		return err
	}
	return c.put(c.queue, data)
}

func (c *conn) put(queue chan<- []byte, data []byte) error {
	select {
	case queue <- data:
		return nil
	case <-c.ended:
		return errors.ErrConnectionClosed
	}
}

// Close ends the connection: gracefully, behind what is queued, or with force at once. Returns when it has ended.
func (c *conn) Close(force ...bool) error {
	if len(force) > 0 && force[0] {
		return c.end()
	}
	if !c.state.CompareAndSwap(int32(network.ConnOpened), int32(network.ConnHanged)) {
		return errors.ErrConnectionNotOpened
	}
	if err := c.put(c.queue, nil); err != nil {
		return err
	}
	select {
	case <-c.drained:
	case <-c.ended:
	}
	return c.end()
}

func (c *conn) end() error {
	if c.state.Swap(int32(network.ConnClosed)) == int32(network.ConnClosed) {
		return errors.ErrConnectionClosed
	}
	close(c.ended)
	err := c.carrier.Close()
	c.server.disconnected(c)
	c.server.forget(c)
	return err
}

func (c *conn) LocalIP() (string, error)      { return ip(c.LocalAddr()) }
func (c *conn) RemoteIP() (string, error)     { return ip(c.RemoteAddr()) }
func (c *conn) LocalAddr() (net.Addr, error)  { return c.carrier.LocalAddr(), c.usable() }
func (c *conn) RemoteAddr() (net.Addr, error) { return c.carrier.RemoteAddr(), c.usable() }
func ip(from net.Addr, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return xnet.ExtractIP(from)
}

func (c *conn) readAll() {
	defer c.end()
	for {
		data, err := c.read()
		if err != nil {
			return
		}
		c.heard.Store(time.Now().UnixNano())
		if len(data) == 0 || c.State() != network.ConnOpened {
			continue
		}
		isHeartbeat, err := packet.CheckHeartbeat(data)
		switch {
		case err != nil:
			log.Print("server: ", err)
		case isHeartbeat:
			c.answerHeartbeat()
		default:
			c.server.received(c, data)
		}
	}
}

// answerHeartbeat: errors of writing are the reader's to notice.
func (c *conn) answerHeartbeat() {
	data, err := packet.PackHeartbeat()
	if err != nil {
		log.Print("server: ", err)
		return
	}
	c.Send(data)
}

func (c *conn) writeAll() {
	var ticks <-chan time.Time
	if interval := c.server.Heartbeat; interval > 0 {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case data := <-c.urgent:
			c.write(data)
			continue
		default:
		}
		select {
		case data := <-c.urgent:
			c.write(data)
		case data := <-c.queue:
			if data == nil {
				close(c.drained)
				return
			}
			c.write(data)
		case now := <-ticks:
			if c.heard.Load() < now.Add(-2*c.server.Heartbeat).UnixNano() {
				c.end()
			}
		case <-c.ended:
			return
		}
	}
}

// attributes of a connection: due keeps the channels there that it subscribes to.
type attributes struct{ values sync.Map }

func (a *attributes) Set(key, value any)                    { a.values.Store(key, value) }
func (a *attributes) Get(key any) (any, bool)               { return a.values.Load(key) }
func (a *attributes) Visit(visit func(key, value any) bool) { a.values.Range(visit) }
func (a *attributes) Del(key any) bool {
	_, had := a.values.LoadAndDelete(key)
	return had
}
