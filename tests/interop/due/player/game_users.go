package main

import (
	"fmt"
	"strings"
	"time"

	"micro-cpp/tests/interop/due/game"
)

// isOnline says what a node says of a user.
func (s *seat) isOnline(uid int64, wanted bool) game.Body {
	got := s.ask(game.Info, game.Body{UID: uid})
	if got.UID != uid || got.Online != wanted {
		fail("info of user %d: %+v, wanted online %v", uid, got, wanted)
	}
	return got
}

// isUser: the gate takes it for this user.
func (s *seat) isUser(uid int64) game.Body {
	got := s.ask(game.Authorized, game.Body{})
	if got.UID != uid || got.NID == "" {
		fail("user %d of node %q, not user %d", got.UID, got.NID, uid)
	}
	return got
}

func bind(r *room) {
	s := r.user()
	if s.bound.UID != s.uid || s.bound.CID <= 0 || s.bound.GID == "" || s.bound.NID == "" {
		fail("bound to %+v", s.bound)
	}
	s.isOnline(s.uid, true)
}

func bindAgain(r *room) {
	s := r.user()
	s.bind(s.uid).isUser(s.uid)
	s.isOnline(s.uid, true)
}

func bindAnother(r *room) {
	s := r.user()
	old := s.uid
	s.bind(r.newUser()).isUser(s.uid)
	s.isOnline(s.uid, true)
	s.isOnline(old, false)
}

func authorizedNeedsUser(r *room) {
	s := r.sit()
	s.unanswered(game.Authorized, game.Body{})
	s.unanswered(game.PushSelf, game.Body{Message: "to nobody"})
}

func authorized(r *room) {
	s := r.user()
	s.isUser(s.uid)
}

func statefulNeedsNode(r *room) { r.user().unanswered(game.Stateful, game.Body{}) }

// bindNode to whichever node answers.
func (s *seat) bindNode() string {
	nid := s.ask(game.BindNode, game.Body{}).NID
	if nid == "" {
		fail("bound to a node without an id")
	}
	return nid
}

func stateful(r *room) {
	s := r.user()
	nid := s.bindNode()
	for range 20 {
		if got := s.ask(game.Stateful, game.Body{}); got.UID != s.uid || got.NID != nid {
			fail("stateful: %+v, not user %d at node %s", got, s.uid, nid)
		}
	}
}

// statefulInOrder has 16 on their way; all come to the one node.
func statefulInOrder(r *room) {
	s := r.user()
	s.bindNode()
	for i := range 200 + 16 {
		if i < 200 {
			s.post(game.Stateful, game.Body{Message: fmt.Sprint(i)})
		}
		if i < 16 {
			continue
		}
		if got := s.await(game.Stateful, anySeq).Message; got != fmt.Sprint(i-16) {
			fail("%q came as the %dth", got, i-16)
		}
	}
}

// unbindNode: with several nodes the request may come to one that the user is not bound to, which does nothing.
func unbindNode(r *room) {
	s := r.user()
	s.bindNode()
	for range 30 {
		s.ask(game.UnbindNode, game.Body{})
		seq := s.post(game.Stateful, game.Body{})
		s.echo("behind it")
		time.Sleep(quiet)
		if s.drain(); len(s.unasked) == 0 {
			return
		}
		s.await(game.Stateful, seq)
		if r.nodes == 1 {
			break
		}
	}
	fail("the user still is bound to a node")
}

func unbindGate(r *room) {
	s := r.user()
	s.ask(game.UnbindGate, game.Body{})
	s.unanswered(game.Authorized, game.Body{})
	s.isOnline(s.uid, false)
}

func info(r *room) {
	s := r.user()
	nid := s.bindNode()
	got := s.ask(game.Info, game.Body{})
	wanted := s.bound
	if got.UID != s.uid || got.CID != wanted.CID || got.GID != wanted.GID || got.NID != nid || got.IP != "127.0.0.1" || !got.Online {
		fail("info is %+v, not of user %d, connection %d at gate %s and node %s", got, s.uid, wanted.CID, wanted.GID, nid)
	}
	if got.Total < 1 && !r.dueNode { // due's node reads the count from the wrong place, and has 0
		fail("%d connections", got.Total)
	}
}

func infoOfAnother(r *room) {
	a, b := r.user(), r.user()
	if got := b.isOnline(a.uid, true); got.GID != a.bound.GID {
		fail("the gate is %q, not %q", got.GID, a.bound.GID)
	}
	b.isOnline(r.newUser(), false)
}

// sees waits until the events of a user, or of a connection, are so.
func (s *seat) sees(of game.Body, wanted func(seen string) bool) {
	eventually(func() game.Body { return s.ask(game.Events, of) }, func(got game.Body) bool { return wanted(got.Message) })
}

// hasEnded: nodes have heard of a connection's end.
func (s *seat) hasEnded(other *seat) {
	s.sees(game.Body{CID: other.bound.CID}, func(seen string) bool { return strings.HasSuffix(seen, "3") })
}

func events(r *room) {
	s, other := r.sit(), r.sit()
	s.sees(game.Body{CID: s.ask(game.Info, game.Body{}).CID}, func(seen string) bool { return seen == "1" })
	s.bind(r.newUser())
	s.sees(game.Body{UID: s.uid}, func(seen string) bool { return seen == "1,2" || seen == "2" })
	s.leave()
	other.sees(game.Body{UID: s.uid}, func(seen string) bool { return seen == "1,2,3" || seen == "2,3" })
}
