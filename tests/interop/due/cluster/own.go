//go:build !source

package cluster

import (
	"github.com/dobyte/due/v2/locate"
	"github.com/dobyte/due/v2/network"
	"github.com/dobyte/due/v2/registry"

	"micro-cpp/tests/interop/due/cluster/consul"
	"micro-cpp/tests/interop/due/cluster/redis"
	"micro-cpp/tests/interop/due/cluster/server"
)

// NewServer of ours does what due's network modules do.
func NewServer(options server.Options) (network.Server, error) { return server.New(options) }

// NewRegistry of ours does what due's module registry/consul does.
func NewRegistry(address string) (registry.Registry, error) { return consul.New(address) }

// NewLocator of ours does what due's module locate/redis does.
func NewLocator(address, prefix string) locate.Locator { return redis.New(address, prefix) }
