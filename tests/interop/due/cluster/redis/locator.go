// Package redis is due's locate.Locator on Redis: the keys, the scripts' effects and the events of due's module locate/redis, which no
// proxy has.
package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/locate"
	"github.com/redis/go-redis/v9"
)

// Deletes KEYS[1], or of a hash the field ARGV[2], when it holds ARGV[1]. Answers with 1 when it did.
var (
	deleteValue = redis.NewScript(`
		if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
		return redis.call('DEL', KEYS[1])`)
	deleteField = redis.NewScript(`
		if redis.call('HGET', KEYS[1], ARGV[2]) ~= ARGV[1] then return 0 end
		return redis.call('HDEL', KEYS[1], ARGV[2])`)
)

// A Locator is on one Redis server. Any goroutine may use it.
type Locator struct {
	client *redis.Client
	prefix string
}

var _ locate.Locator = (*Locator)(nil)

// New takes the server's host:port and what keys and channels begin with; nothing is sent yet.
func New(address, prefix string) *Locator {
	return &Locator{client: redis.NewClient(&redis.Options{Addr: address}), prefix: prefix}
}

func (l *Locator) Name() string { return "redis" }

func (l *Locator) gateKey(uid int64) string {
	return fmt.Sprintf("%s:locate:user:%d:gate", l.prefix, uid)
}
func (l *Locator) nodesKey(uid int64) string {
	return fmt.Sprintf("%s:locate:user:%d:node", l.prefix, uid)
}
func (l *Locator) eventChannel(kind string) string {
	return fmt.Sprintf("%s:locate:cluster:%s:event", l.prefix, kind)
}

// LocateGate answers with "" when nothing is known.
func (l *Locator) LocateGate(ctx context.Context, uid int64) (string, error) {
	return known(l.client.Get(ctx, l.gateKey(uid)).Result())
}

// LocateNode answers with "" when nothing is known.
func (l *Locator) LocateNode(ctx context.Context, uid int64, name string) (string, error) {
	return known(l.client.HGet(ctx, l.nodesKey(uid), name).Result())
}

func known(id string, err error) (string, error) {
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return id, err
}

func (l *Locator) LocateNodes(ctx context.Context, uid int64) (map[string]string, error) {
	return l.client.HGetAll(ctx, l.nodesKey(uid)).Result()
}

func (l *Locator) BindGate(ctx context.Context, uid int64, gid string) error {
	if err := l.client.Set(ctx, l.gateKey(uid), gid, redis.KeepTTL).Err(); err != nil {
		return err
	}
	l.tell(ctx, cluster.Gate, locate.Event{UID: uid, Type: locate.BindGate, InsID: gid})
	return nil
}

func (l *Locator) BindNode(ctx context.Context, uid int64, name, nid string) error {
	if err := l.client.HSet(ctx, l.nodesKey(uid), name, nid).Err(); err != nil {
		return err
	}
	l.tell(ctx, cluster.Node, locate.Event{UID: uid, Type: locate.BindNode, InsID: nid, InsName: name})
	return nil
}

// UnbindGate does nothing when the user is at another gate by now.
func (l *Locator) UnbindGate(ctx context.Context, uid int64, gid string) error {
	did, err := deleteValue.Run(ctx, l.client, []string{l.gateKey(uid)}, gid).Bool()
	if did {
		l.tell(ctx, cluster.Gate, locate.Event{UID: uid, Type: locate.UnbindGate, InsID: gid})
	}
	return err
}

// UnbindNode does nothing when the user is at another node of that name by now.
func (l *Locator) UnbindNode(ctx context.Context, uid int64, name, nid string) error {
	did, err := deleteField.Run(ctx, l.client, []string{l.nodesKey(uid)}, nid, name).Bool()
	if did {
		l.tell(ctx, cluster.Node, locate.Event{UID: uid, Type: locate.UnbindNode, InsID: nid, InsName: name})
	}
	return err
}

// tell publishes an event. That nobody could be told is no failure of what was done.
func (l *Locator) tell(ctx context.Context, kind cluster.Kind, event locate.Event) {
	event.InsKind = kind.String()
	text, err := json.Marshal(event)
	if err == nil {
		err = l.client.Publish(ctx, l.eventChannel(event.InsKind), text).Err()
	}
	if err != nil {
		log.Print("redis: event: ", err)
	}
}
