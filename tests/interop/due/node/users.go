package main

import (
	"fmt"
	"strings"

	due "github.com/dobyte/due/v2/cluster"
	"github.com/dobyte/due/v2/cluster/node"
	"github.com/dobyte/due/v2/errors"
	"github.com/dobyte/due/v2/session"

	"micro-cpp/tests/interop/due/game"
)

func (s *service) bind(ctx node.Context, body *game.Body) error {
	body.CID, body.GID, body.NID = ctx.CID(), ctx.GID(), s.GetID()
	return ctx.BindGate(body.UID)
}

// say who asked whom.
func (s *service) say(ctx node.Context, body *game.Body) error {
	body.UID, body.NID = ctx.UID(), s.GetID()
	return nil
}

func (s *service) bindNode(ctx node.Context, body *game.Body) error {
	body.NID = s.GetID()
	return ctx.BindNode()
}

func (s *service) unbindNode(ctx node.Context, _ *game.Body) error { return ctx.UnbindNode() }

func (s *service) unbindGate(ctx node.Context, _ *game.Body) error { return ctx.UnbindGate() }

func (s *service) disconnect(ctx node.Context, body *game.Body) error {
	return ctx.Disconnect(body.Force)
}

// info of a user, or of who asks: where it is, which for nobody is nowhere.
func (s *service) info(ctx node.Context, body *game.Body) error {
	var failed error
	notice := func(err error) {
		if err != nil && !errors.Is(err, errors.ErrNotFoundUserLocation) && !errors.Is(err, errors.ErrNotFoundSession) {
			failed = err
		}
	}
	var err error
	body.CID = ctx.CID()
	body.IP, err = ctx.GetIP()
	notice(err)
	body.Total, err = s.Stat(ctx.Context(), session.Conn)
	notice(err)
	if body.UID == 0 {
		body.UID = ctx.UID()
	}
	if body.UID == 0 {
		body.GID = ctx.GID()
		body.Online, err = s.IsOnline(ctx.Context(), &due.IsOnlineArgs{GID: ctx.GID(), Kind: session.Conn, Target: ctx.CID()})
		notice(err)
		return failed
	}
	body.GID, err = s.LocateGate(ctx.Context(), body.UID)
	notice(err)
	body.NID, err = s.LocateNode(ctx.Context(), body.UID, s.GetName())
	notice(err)
	body.Online, err = s.IsOnline(ctx.Context(), &due.IsOnlineArgs{Kind: session.User, Target: body.UID})
	notice(err)
	return failed
}

// whose events: those of a user, or of a connection.
type whose struct {
	uid int64
	gid string
	cid int64
}

// notice keeps an event for its connection, and for its user if it has one.
func (s *service) notice(ctx node.Context) {
	connection := whose{gid: ctx.GID(), cid: ctx.CID()}
	s.seen[connection] = append(s.seen[connection], ctx.Event())
	if user := (whose{uid: ctx.UID()}); user.uid != 0 {
		s.seen[user] = append(s.seen[user], ctx.Event())
	}
}

// events of a user, or else of a connection of the gate that asks: the one named, or who asks.
func (s *service) events(ctx node.Context, body *game.Body) error {
	of := whose{uid: body.UID}
	if of.uid == 0 {
		of = whose{gid: ctx.GID(), cid: body.CID}
		if of.cid == 0 {
			of.cid = ctx.CID()
		}
	}
	var seen []string
	for _, event := range s.seen[of] {
		seen = append(seen, fmt.Sprint(int(event)))
	}
	body.Message = strings.Join(seen, ",")
	return nil
}
