package cluster

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/dobyte/due/v2/component"
	"github.com/dobyte/due/v2/log"
	"github.com/dobyte/due/v2/registry"
)

// An Entry is the registry, which keeps in mind what this process has registered: due does not tell on which port its link listens.
type Entry struct {
	registry.Registry
	endpoint atomic.Value
}

func (e *Entry) Register(ctx context.Context, instance *registry.ServiceInstance) error {
	e.endpoint.Store(instance.Endpoint)
	return e.Registry.Register(ctx, instance)
}

// link is the host:port that was registered.
func (e *Entry) link() string {
	text, _ := e.endpoint.Load().(string)
	endpoint, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return endpoint.Host
}

// A herald is the last component to start, and says that all have.
type herald struct {
	component.Base
	member  *Member
	address func() string // host:port for clients
}

// Start waits for the link, which due begins in the background.
func (h *herald) Start() {
	link := h.member.Registry.link()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", link)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			log.Fatalf("the link does not listen: %v", err)
		}
	}
	address := link
	if h.address != nil {
		address = h.address()
	}
	fmt.Fprintf(h.member.stdout, "ready kind=%v id=%s addr=%s link=%s pid=%d\n", h.member.Kind, h.member.ID, address, link, os.Getpid())
}
