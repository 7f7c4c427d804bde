package consul

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/dobyte/due/v2/registry"
)

// A list is what is known of one service, for all who watch it.
type list struct {
	mutex     sync.Mutex
	instances []*registry.ServiceInstance
	changed   chan struct{} // closed, and replaced, by a new list
}

func (l *list) get() ([]*registry.ServiceInstance, <-chan struct{}) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.instances, l.changed
}

func (l *list) set(instances []*registry.ServiceInstance) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.instances = instances
	close(l.changed)
	l.changed = make(chan struct{})
}

// Watch answers with the list that there is at once, and with each later one whole. It asks Consul at most once a second, and goes on until
// the process ends; the context does not matter, as due's watches ends it at once.
func (r *Registry) Watch(_ context.Context, service string) (registry.Watcher, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	watched := r.watching[service]
	if watched == nil {
		instances, index, err := r.query(context.Background(), service, 0)
		if err != nil {
			return nil, err
		}
		watched = &list{instances: instances, changed: make(chan struct{})}
		r.watching[service] = watched
		go r.follow(service, watched, index)
	}
	first := make(chan struct{})
	close(first)
	ctx, cancel := context.WithCancel(context.Background())
	return &watcher{list: watched, ctx: ctx, cancel: cancel, changed: first}, nil
}

func (r *Registry) follow(service string, watched *list, index uint64) {
	for range time.Tick(time.Second) {
		instances, next, err := r.query(context.Background(), service, index)
		if err != nil {
			log.Print("consul: ", err)
			continue
		}
		if next != index {
			index = next
			watched.set(instances)
		}
	}
}

// A watcher is for one goroutine; Stop for any.
type watcher struct {
	list    *list
	ctx     context.Context
	cancel  context.CancelFunc
	changed <-chan struct{}
}

// Next waits for a list that this watcher has not had; context.Canceled once it was stopped.
func (w *watcher) Next() (instances []*registry.ServiceInstance, err error) {
	select {
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	case <-w.changed:
		instances, w.changed = w.list.get()
		return instances, nil
	}
}

func (w *watcher) Stop() error {
	w.cancel()
	return nil
}
