//go:build source

package cluster

import (
	"errors"
	"fmt"
	"net"

	"github.com/dobyte/due/locate/redis/v2"
	"github.com/dobyte/due/network/kcp/v2"
	"github.com/dobyte/due/network/tcp/v2"
	"github.com/dobyte/due/network/ws/v2"
	"github.com/dobyte/due/registry/consul/v2"
	"github.com/dobyte/due/v2/locate"
	"github.com/dobyte/due/v2/network"
	"github.com/dobyte/due/v2/registry"

	"micro-cpp/tests/interop/due/cluster/server"
)

// NewServer is that of due's network modules. They do not say which port they got, so it is chosen before.
func NewServer(options server.Options) (network.Server, error) {
	address, err := freePort(options.Network, options.Address)
	if err != nil {
		return nil, err
	}
	secured := options.Cert != ""
	switch options.Network {
	case "tcp":
		wanted := []tcp.ServerOption{tcp.WithServerAddr(address), tcp.WithServerHeartbeatInterval(options.Heartbeat)}
		if secured {
			wanted = append(wanted, tcp.WithServerCredentials(options.Cert, options.Key))
		}
		return tcp.NewServer(wanted...), nil
	case "ws":
		wanted := []ws.ServerOption{ws.WithServerAddr(address), ws.WithServerHeartbeatInterval(options.Heartbeat)}
		if secured {
			wanted = append(wanted, ws.WithServerCredentials(options.Cert, options.Key))
		}
		return ws.NewServer(wanted...), nil
	case "kcp":
		tuning := options.KCP
		if secured || tuning.Rough > 0 {
			return nil, errors.New("due's kcp has neither TLS nor a rough line")
		}
		return kcp.NewServer(kcp.WithServerListenAddr(address), kcp.WithServerHeartbeatInterval(options.Heartbeat),
			kcp.WithServerMtu(tuning.MTU), kcp.WithServerNoDelay(tuning.NoDelay()), kcp.WithServerWindowSize(tuning.Window()),
			kcp.WithServerAckNoDelay(tuning.AckNoDelay), kcp.WithServerWriteDelay(tuning.DelayWrites)), nil
	}
	return nil, fmt.Errorf("--network is %q, not tcp, ws or kcp", options.Network)
}

// freePort puts a free port where the address has 0.
func freePort(network, address string) (string, error) {
	if network == "kcp" {
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return conn.LocalAddr().String(), nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// NewRegistry is that of due's module registry/consul.
func NewRegistry(address string) (registry.Registry, error) {
	return consul.NewRegistry(consul.WithAddr(address)), nil
}

// NewLocator is that of due's module locate/redis.
func NewLocator(address, prefix string) locate.Locator {
	return redis.NewLocator(redis.WithAddrs(address), redis.WithPrefix(prefix))
}
