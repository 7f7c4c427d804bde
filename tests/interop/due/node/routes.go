package main

import (
	"log"

	due "github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/node"

	"micro-cpp/tests/interop/due/game"
)

// A service is what the node does. All of it is called by the node's dispatcher, one by one.
type service struct {
	*node.Proxy
	seen map[whose][]due.Event
}

// offer gives the node its routes and events.
func offer(proxy *node.Proxy, raw bool) {
	s := &service{Proxy: proxy, seen: make(map[whose][]due.Event)}
	for _, event := range []due.Event{due.Connect, due.Reconnect, due.Disconnect} {
		proxy.AddEventHandler(event, s.notice)
	}
	for route, does := range map[int32]func(node.Context, *game.Body) error{
		game.Echo:        nothing,
		game.Bind:        s.bind,
		game.Stateful:    s.say,
		game.PushSelf:    s.pushSelf,
		game.Broadcast:   s.broadcast,
		game.Multicast:   s.multicast,
		game.Subscribe:   s.subscribe,
		game.Disconnect:  s.disconnect,
		game.Info:        s.info,
		game.BindNode:    s.bindNode,
		game.UnbindNode:  s.unbindNode,
		game.UnbindGate:  s.unbindGate,
		game.Authorized:  s.say,
		game.Internal:    s.say,
		game.Publish:     s.publish,
		game.Unsubscribe: s.unsubscribe,
		game.PushClose:   s.pushClose,
		game.Events:      s.events,
		game.Large:       large,
		game.Forward:     s.forward,
		game.Forwarded:   s.forwarded,
	} {
		proxy.AddRouteHandler(route, handler(does, !withoutAnswer[route]), flags[route])
	}
	if raw {
		proxy.AddRouteHandler(game.Echo, echoBytes)
	}
}

var flags = map[int32]node.RouteOptions{
	game.Stateful:   node.StatefulRoute,
	game.PushSelf:   node.AuthorizedRoute,
	game.BindNode:   node.AuthorizedRoute,
	game.UnbindNode: node.AuthorizedRoute,
	game.Authorized: node.AuthorizedRoute,
	game.Internal:   node.InternalRoute,
	game.Forward:    node.AuthorizedRoute,
	game.Forwarded:  node.InternalRoute,
}

var withoutAnswer = map[int32]bool{game.Disconnect: true, game.PushClose: true, game.Forwarded: true}

// handler answers with what came and what was filled in.
func handler(does func(node.Context, *game.Body) error, answers bool) node.RouteHandler {
	return func(ctx node.Context) {
		body := new(game.Body)
		err := ctx.Parse(body)
		if err == nil {
			err = does(ctx, body)
		}
		if err != nil {
			body.Code, body.Error = 1, err.Error()
		}
		if answers {
			err = ctx.Response(body)
		}
		if err != nil {
			log.Printf("node: route %d: %v", ctx.Route(), err)
		}
	}
}

func nothing(node.Context, *game.Body) error { return nil }

func echoBytes(ctx node.Context) {
	var data []byte
	err := ctx.Parse(&data)
	if err == nil {
		err = ctx.Response(data)
	}
	if err != nil {
		log.Print("node: echo: ", err)
	}
}
