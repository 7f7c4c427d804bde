// Package cluster has what the gate and the node share: their flags, due's settings and its container, and where they get the parts that
// due leaves open. Those are due's own in a build with the tag source, else ours, which do the same.
package cluster

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/dobyte/due/v2"
	"github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/component"
	"github.com/dobyte/due/v2/etc"
	"github.com/dobyte/due/v2/locate"
	"github.com/dobyte/due/v2/log"
	"github.com/dobyte/due/v2/mode"
	"github.com/dobyte/due/v2/utils/xuuid"

	"micro-cpp/tests/interop/due/wire"
)

// A Member of the cluster is one process: a gate or a node.
type Member struct {
	Kind              cluster.Kind
	ID, Name, Link    string
	Dispatch          cluster.Dispatch
	Locator           locate.Locator
	Registry          *Entry
	Packets           *wire.Packets
	registry, locator string // which
	registryAt        string
	locatorAt, prefix string
	drain             time.Duration
	dispatch          string
	stdout            *os.File
}

// MemberFlags are set once the flags are parsed.
func MemberFlags(kind cluster.Kind) *Member {
	m := &Member{Kind: kind, Packets: wire.PacketFlags()}
	flag.StringVar(&m.ID, "id", xuuid.UUID(), "of this instance; at most 48 letters, which due prints in a box")
	flag.StringVar(&m.Name, "name", kind.String(), "of all instances that do the same")
	flag.StringVar(&m.Link, "link", "127.0.0.1:0", "host:port for the cluster; port 0: a free one")
	flag.StringVar(&m.dispatch, "dispatch", "random", "random, rr or wrr: who of several nodes gets a packet; due's nodes always choose at random")
	flag.StringVar(&m.registry, "registry", "consul", "the only one")
	flag.StringVar(&m.registryAt, "registry_address", "127.0.0.1:8500", "host:port of Consul")
	flag.StringVar(&m.locator, "locator", "redis", "the only one")
	flag.StringVar(&m.locatorAt, "locator_address", "127.0.0.1:6379", "host:port of Redis")
	flag.StringVar(&m.prefix, "locator_prefix", "due:locate", "that keys and channels in Redis begin with")
	flag.DurationVar(&m.drain, "drain", 5*time.Second, "after SIGTERM, wait so long for players to go; 0s: for ever, as due does")
	return m
}

// Prepare checks what was asked for, and makes due so. What due prints goes to stderr from here on.
func (m *Member) Prepare() error {
	m.Dispatch = cluster.Dispatch(m.dispatch)
	switch {
	case m.registry != "consul":
		return fmt.Errorf("--registry is %q, not consul", m.registry)
	case m.locator != "redis":
		return fmt.Errorf("--locator is %q, not redis", m.locator)
	case m.ID == "" || len(m.ID) > 48:
		return errors.New("--id is not 1 to 48 letters")
	case m.Dispatch != cluster.Random && m.Dispatch != cluster.RoundRobin && m.Dispatch != cluster.WeightRoundRobin:
		return fmt.Errorf("--dispatch is %q, not random, rr or wrr", m.dispatch)
	}
	m.stdout, os.Stdout = os.Stdout, os.Stderr
	log.SetLogger(log.NewLogger(log.WithTerminals(log.TerminalConsole), log.WithLevel(log.LevelWarn), log.WithStackLevel(log.LevelPanic)))
	mode.SetMode(mode.TestMode) // debug tells of each packet
	if err := etc.Set("etc.shutdownMaxWaitTime", m.drain.String()); err != nil {
		return err
	}
	if err := m.Packets.UseInDue(); err != nil {
		return err
	}
	found, err := NewRegistry(m.registryAt)
	if err != nil {
		return err
	}
	m.Registry = &Entry{Registry: found}
	m.Locator = NewLocator(m.locatorAt, m.prefix)
	return nil
}

// Serve runs the gate or node in due's container until SIGTERM. The line that it can be used tells where its clients come to, once all has
// started.
func (m *Member) Serve(part component.Component, address func() string) {
	container := due.NewContainer()
	container.Add(part, &herald{member: m, address: address})
	container.Serve()
}

// Exit ends a program that cannot be.
func Exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
