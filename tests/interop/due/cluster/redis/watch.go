package redis

import (
	"context"
	"encoding/json"
	"log"

	"github.com/dobyte/due/v2/locate"
	"github.com/redis/go-redis/v9"
)

// Watch subscribes to the events of gates, nodes or both, and returns when Redis has said that it did.
func (l *Locator) Watch(ctx context.Context, kinds ...string) (locate.Watcher, error) {
	var channels []string
	for _, kind := range kinds {
		channels = append(channels, l.eventChannel(kind))
	}
	subscription := l.client.Subscribe(ctx, channels...)
	if _, err := subscription.Receive(ctx); err != nil {
		subscription.Close()
		return nil, err
	}
	return &watcher{subscription: subscription, messages: subscription.Channel()}, nil
}

// A watcher is for one goroutine; Stop for any.
type watcher struct {
	subscription *redis.PubSub
	messages     <-chan *redis.Message
}

// Next waits for an event; context.Canceled once the watcher was stopped.
func (w *watcher) Next() ([]*locate.Event, error) {
	for message := range w.messages {
		event := new(locate.Event)
		if err := json.Unmarshal([]byte(message.Payload), event); err != nil {
			log.Printf("redis: no event: %q", message.Payload)
			continue
		}
		return []*locate.Event{event}, nil
	}
	return nil, context.Canceled
}

func (w *watcher) Stop() error { return w.subscription.Close() }
