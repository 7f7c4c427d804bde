package main

import (
	"fmt"
	"strings"

	due "github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/node"
	"github.com/dobyte/due/v2/session"

	"micro-cpp/tests/interop/due/game"
)

// push is the packet that a route causes.
func push(ctx node.Context, body *game.Body) *due.Message {
	return &due.Message{Route: game.Push(ctx.Route()), Data: &game.Body{Message: body.Message, UID: ctx.UID()}}
}

func (s *service) pushSelf(ctx node.Context, body *game.Body) error {
	return s.Push(ctx.Context(), &due.PushArgs{Kind: session.User, Target: ctx.UID(), Message: push(ctx, body), Ack: body.Ack})
}

func (s *service) broadcast(ctx node.Context, body *game.Body) (err error) {
	body.Total, err = s.Broadcast(ctx.Context(), &due.BroadcastArgs{Kind: session.Conn, Message: push(ctx, body), Ack: body.Ack})
	return err
}

func (s *service) multicast(ctx node.Context, body *game.Body) (err error) {
	body.Total, err = s.Multicast(ctx.Context(), &due.MulticastArgs{
		GID: body.GID, Kind: session.User, Targets: body.UIDs, Message: push(ctx, body), Ack: body.Ack})
	return err
}

func (s *service) subscribe(ctx node.Context, body *game.Body) error {
	return ctx.Subscribe(body.Channel)
}

func (s *service) unsubscribe(ctx node.Context, body *game.Body) error {
	return ctx.Unsubscribe(body.Channel)
}

func (s *service) publish(ctx node.Context, body *game.Body) (err error) {
	body.Total, err = s.Publish(ctx.Context(), &due.PublishArgs{Channel: body.Channel, Message: push(ctx, body), Ack: body.Ack})
	return err
}

// pushClose ends this connection behind the push, and one that does not exist.
func (s *service) pushClose(ctx node.Context, body *game.Body) error {
	_, err := s.Multicast(ctx.Context(), &due.MulticastArgs{
		GID: ctx.GID(), Kind: session.Conn, Targets: []int64{ctx.CID(), ctx.CID() + 1<<40}, Message: push(ctx, body), Disconnect: true})
	return err
}

func large(_ node.Context, body *game.Body) error {
	if body.N < 0 || body.N > 1<<24 {
		return fmt.Errorf("n is %d, not 0 to %d", body.N, 1<<24)
	}
	body.Message = strings.Repeat("x", body.N)
	return nil
}

// forward goes to the node named, or to whoever has the route.
func (s *service) forward(ctx node.Context, body *game.Body) error {
	return s.Deliver(ctx.Context(), &due.DeliverArgs{
		NID: body.NID, UID: ctx.UID(), Message: &due.Message{Route: game.Forwarded, Data: &game.Body{Message: body.Message}}})
}

func (s *service) forwarded(ctx node.Context, body *game.Body) error {
	message := push(ctx, body)
	message.Data.(*game.Body).NID = s.GetID()
	return s.Push(ctx.Context(), &due.PushArgs{Kind: session.User, Target: ctx.UID(), Message: message})
}
