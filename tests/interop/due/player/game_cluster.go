package main

import (
	"fmt"
	"time"

	"micro-cpp/tests/interop/due/game"
)

const startup = 30 * time.Second // Consul takes 10 s to find that a new member lives

// ready: each gate reaches as many nodes as there are, which reach it. Until then gates drop what they are sent.
func ready(r *room) {
	for _, address := range []string{r.address, r.otherAddress} {
		if address == "" {
			continue
		}
		s := r.connect(address)
		uid, found := r.newUser(), make(map[string]bool)
		for end := time.Now().Add(startup); len(found) < r.nodes; {
			if time.Now().After(end) {
				fail("after %v, of %d nodes only %v have answered at %s", startup, r.nodes, found, address)
			}
			if answer, came := s.takeWithin(quiet, game.Bind, s.post(game.Bind, game.Body{UID: uid})); came && answer.Code == 0 {
				found[answer.NID] = true
			}
		}
		s.unasked = nil // what was late
	}
}

func forwardByRoute(r *room) {
	s := r.user()
	s.ask(game.Forward, game.Body{Message: "to any node"})
	if got := s.pushed(game.Forwarded, "to any node", s.uid); got.NID == "" {
		fail("forwarded by a node without an id")
	}
}

// forwardToNode goes to each node there is. Who is asked to forward to itself may refuse.
func forwardToNode(r *room) {
	s := r.user()
	found := make(map[string]bool)
	for range 1000 {
		if found[s.isUser(s.uid).NID] = true; len(found) == r.nodes {
			break
		}
	}
	if len(found) != r.nodes {
		fail("only the nodes %v have answered", found)
	}
	for nid := range found {
		text := "to " + nid
		eventually(func() game.Body { return s.request(game.Forward, game.Body{Message: text, NID: nid}) },
			func(got game.Body) bool { return got.Code == 0 })
		if got := s.pushed(game.Forwarded, text, s.uid); got.NID != nid {
			fail("forwarded by %s, not %s", got.NID, nid)
		}
	}
}

// twice is a user who has come twice: the old login is nobody's any more.
func twice(r *room) (old, current *seat) {
	old = r.user()
	current = r.sit().bind(old.uid)
	return old, current
}

func duplicateLogin(r *room) {
	old, current := twice(r)
	other := r.user()
	current.reaches(other, current.uid, "to whom came last")
	current.ask(game.PushSelf, game.Body{Message: "to myself"})
	current.pushed(game.PushSelf, "to myself", current.uid)
	old.unanswered(game.Authorized, game.Body{})
}

func lateEnd(r *room) {
	old, current := twice(r)
	other := r.user()
	old.leave()
	other.hasEnded(old)
	other.isOnline(current.uid, true)
	current.reaches(other, current.uid, "still here")
}

// isKnownAt: all nodes know at which gate the user is. Which of them answers is chance.
func (r *room) isKnownAt(from *seat, uid int64, gid string) {
	needed := 1
	if r.nodes > 1 {
		needed = 20
	}
	right := 0
	eventually(func() game.Body { return from.ask(game.Info, game.Body{UID: uid}) }, func(got game.Body) bool {
		right++
		if !got.Online || got.GID != gid {
			right = 0
		}
		return right >= needed
	})
}

func duplicateElsewhere(r *room) {
	old := r.user()
	current := r.sitAt(r.otherAddress).bind(old.uid)
	if current.bound.GID == old.bound.GID {
		fail("--other_address is of the same gate, %s", old.bound.GID)
	}
	here, there := r.user(), r.sitAt(r.otherAddress).bind(r.newUser())
	for i, from := range []*seat{here, there} {
		r.isKnownAt(from, current.uid, current.bound.GID)
		current.reaches(from, current.uid, fmt.Sprint("from gate ", i))
	}
	old.leave()
	here.hasEnded(old)
	for i, from := range []*seat{here, there} {
		r.isKnownAt(from, current.uid, current.bound.GID)
		current.reaches(from, current.uid, fmt.Sprint("after the end, from gate ", i))
	}
}

func acrossGates(r *room) {
	a, b := r.user(), r.sitAt(r.otherAddress).bind(r.newUser())
	text := r.mark + "to all gates"
	if got := a.ask(game.Broadcast, game.Body{Message: text, Ack: true}); got.Total < 2 {
		fail("it reached %d", got.Total)
	}
	channel := r.mark + "on both"
	for _, s := range []*seat{a, b} {
		s.pushed(game.Broadcast, text, a.uid)
		s.ask(game.Subscribe, game.Body{Channel: channel})
	}
	r.publish(b, channel, "to both", 2)
	for _, s := range []*seat{a, b} {
		s.pushed(game.Publish, "to both", b.uid)
	}
}
