package main

import (
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dobyte/due/v2/packet"
)

// A carrier is what packets come and go over.
type carrier interface {
	read() ([]byte, error) // the next packet, whole; nothing for an empty one
	write([]byte) error
	Close() error
}

// A connection is one client's: a goroutine that reads and one that writes, with queues between them. Without a queue the reader writes
// itself: heartbeats over TCP, and all over KCP. Over WebSocket heartbeats overtake the rest.
type connection struct {
	carrier
	*server
	urgent, queue chan []byte
	heard         atomic.Int64 // when something came last
	ended         chan struct{}
	end           sync.Once
}

func (s *server) start(over carrier, urgent, queue chan []byte) {
	c := &connection{carrier: over, server: s, urgent: urgent, queue: queue, ended: make(chan struct{})}
	c.heard.Store(time.Now().UnixNano())
	go c.readAll()
	go c.writeAll()
}

func (c *connection) close() {
	c.end.Do(func() {
		close(c.ended)
		c.Close()
	})
}

func (c *connection) readAll() {
	defer c.close()
	for {
		data, err := c.read()
		if err != nil {
			return
		}
		if c.heartbeat > 0 {
			c.heard.Store(time.Now().UnixNano())
		}
		if len(data) == 0 {
			continue
		}
		isHeartbeat, err := packet.CheckHeartbeat(data)
		if err == nil && isHeartbeat {
			data, err = packet.PackHeartbeat()
			c.send(c.urgent, data, err)
		} else if err == nil {
			data, err = c.again(data)
			c.send(c.queue, data, err)
		} else {
			log.Print("echo: ", err)
		}
	}
}

// again unpacks a packet and packs what it says.
func (s *server) again(data []byte) ([]byte, error) {
	message, err := packet.UnpackMessage(data)
	if err != nil {
		return nil, err
	}
	return packet.PackMessage(&packet.Message{Seq: message.Seq + s.shift, Route: message.Route + s.shift, Buffer: message.Buffer})
}

// send waits while the queue is full. Errors of writing are the reader's to notice.
func (c *connection) send(queue chan<- []byte, data []byte, err error) {
	if err != nil {
		log.Print("echo: ", err)
	} else if queue == nil {
		c.write(data)
	} else {
		select {
		case queue <- data:
		case <-c.ended:
		}
	}
}

func (c *connection) writeAll() {
	var ticks <-chan time.Time
	if c.heartbeat > 0 {
		ticker := time.NewTicker(c.heartbeat)
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
			c.write(data)
		case now := <-ticks:
			if c.heard.Load() < now.Add(-2*c.heartbeat).UnixNano() {
				c.close()
			}
		case <-c.ended:
			return
		}
	}
}
