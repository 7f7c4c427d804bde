// Package consul is due's registry.Registry on Consul: the records, the checks and the heartbeats of due's module registry/consul, which
// no proxy has.
package consul

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/dobyte/due/v2/registry"
	"github.com/hashicorp/consul/api"
)

const (
	heartbeat = 5 * time.Second // half of what Consul waits for one
	passed    = "passed"        // with each
)

// A Registry is on one Consul agent. Any goroutine may use it.
type Registry struct {
	client *api.Client

	mutex    sync.Mutex
	kept     map[string]context.CancelFunc // by record id: ends its heartbeats
	watching map[string]*list              // by service
}

var _ registry.Registry = (*Registry)(nil)

// New takes the agent's host:port; nothing is sent yet.
func New(address string) (*Registry, error) {
	config := api.DefaultConfig()
	config.Address = address
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &Registry{client: client, kept: make(map[string]context.CancelFunc), watching: make(map[string]*list)}, nil
}

func (r *Registry) Name() string { return "consul" }

// Register enters an instance, or enters it anew with another state, and keeps it passing.
func (r *Registry) Register(_ context.Context, instance *registry.ServiceInstance) error {
	wanted, err := record(instance)
	if err != nil {
		return err
	}
	if err := r.client.Agent().ServiceRegister(wanted); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.replaceHeartbeats(wanted.ID, cancel)
	go r.beat(ctx, wanted.ID)
	return nil
}

// Deregister takes an instance out.
func (r *Registry) Deregister(_ context.Context, instance *registry.ServiceInstance) error {
	r.replaceHeartbeats(recordID(instance), nil)
	return r.client.Agent().ServiceDeregister(recordID(instance))
}

// replaceHeartbeats ends those of a record.
func (r *Registry) replaceHeartbeats(id string, with context.CancelFunc) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if end := r.kept[id]; end != nil {
		end()
	}
	r.kept[id] = with
}

// beat says at once that the record passes its check, and then again and again.
func (r *Registry) beat(ctx context.Context, id string) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := r.client.Agent().UpdateTTL(checkID(id), passed, api.HealthPassing); err != nil {
			log.Print("consul: heartbeat: ", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// Services answers with the passing instances, as far as known when they are watched.
func (r *Registry) Services(_ context.Context, service string) ([]*registry.ServiceInstance, error) {
	r.mutex.Lock()
	watched := r.watching[service]
	r.mutex.Unlock()
	if watched != nil {
		instances, _ := watched.get()
		return instances, nil
	}
	instances, _, err := r.query(context.Background(), service, 0)
	return instances, err
}

// query asks for the passing instances; with an index it waits up to a minute for another one.
func (r *Registry) query(ctx context.Context, service string, index uint64) ([]*registry.ServiceInstance, uint64, error) {
	options := &api.QueryOptions{WaitIndex: index, WaitTime: time.Minute}
	entries, meta, err := r.client.Health().Service(service, "", true, options.WithContext(ctx))
	if err != nil {
		return nil, 0, err
	}
	instances := make([]*registry.ServiceInstance, 0, len(entries))
	for _, entry := range entries {
		instances = append(instances, instance(entry.Service.Service, entry.Service.Meta))
	}
	return instances, meta.LastIndex, nil
}
