package main

import (
	"fmt"

	"micro-cpp/tests/interop/due/game"
)

func pushToOneself(r *room) {
	s := r.user()
	for _, ack := range []bool{true, false} {
		text := fmt.Sprint("acknowledged ", ack)
		s.ask(game.PushSelf, game.Body{Message: text, Ack: ack})
		s.pushed(game.PushSelf, text, s.uid)
	}
}

// reaches: a push to the user, from whoever sends it, comes here.
func (s *seat) reaches(from *seat, uid int64, text string) {
	from.ask(game.Multicast, game.Body{UIDs: []int64{uid}, Message: text})
	s.pushed(game.Multicast, text, from.uid)
}

func pushFromAnywhere(r *room) {
	a, b := r.user(), r.sit()
	a.reaches(b, a.uid, "from a stranger")
	if got := b.ask(game.Multicast, game.Body{UIDs: []int64{a.uid}, Message: "again", Ack: true}); got.Total != 1 {
		fail("it reached %d", got.Total)
	}
	a.pushed(game.Multicast, "again", 0)
}

func broadcast(r *room) {
	seats := []*seat{r.sit(), r.user(), r.user()}
	text := r.mark + "to all"
	if got := seats[1].ask(game.Broadcast, game.Body{Message: text, Ack: true}); got.Total < 3 {
		fail("it reached %d", got.Total)
	}
	for _, s := range seats {
		s.pushed(game.Broadcast, text, seats[1].uid)
	}
}

func multicast(r *room) {
	a, b, c := r.user(), r.user(), r.user()
	for _, wanted := range []game.Body{{Message: "through all"}, {Message: "through one", GID: a.bound.GID}, {Message: "counted", Ack: true}} {
		wanted.UIDs = []int64{a.uid, b.uid}
		got := c.ask(game.Multicast, wanted)
		if wanted.Ack && got.Total != 2 {
			fail("it reached %d", got.Total)
		}
		a.pushed(game.Multicast, wanted.Message, c.uid)
		b.pushed(game.Multicast, wanted.Message, c.uid)
	}
}

// publish to a channel. Between due's own gate and node only without acknowledgement: one gate without a subscriber breaks the link.
func (r *room) publish(from *seat, channel, text string, wanted int64) {
	ack := !r.dueGate || !r.dueNode
	got := from.ask(game.Publish, game.Body{Channel: channel, Message: text, Ack: ack})
	if ack && got.Total != wanted {
		fail("it reached %d, not %d", got.Total, wanted)
	}
}

func channels(r *room) {
	a, b, c := r.user(), r.user(), r.user()
	channel := r.mark + "room"
	for _, s := range []*seat{a, b} {
		s.ask(game.Subscribe, game.Body{Channel: channel})
	}
	r.publish(c, channel, "to two", 2)
	a.pushed(game.Publish, "to two", c.uid)
	b.pushed(game.Publish, "to two", c.uid)
	a.ask(game.Unsubscribe, game.Body{Channel: channel})
	r.publish(c, channel, "to one", 1)
	b.pushed(game.Publish, "to one", c.uid)
}

// emptyChannel: due's gate answers with a frame that is too short, of which a node must not suffer.
func emptyChannel(r *room) {
	s := r.user()
	s.request(game.Publish, game.Body{Channel: r.mark + "nobody's", Message: "to nobody", Ack: !r.dueGate || !r.dueNode})
	for range 10 {
		s.isOnline(s.uid, true)
	}
}

func disconnect(r *room) {
	for _, force := range []bool{false, true} {
		s := r.sit()
		s.post(game.Disconnect, game.Body{Force: force})
		s.ends()
	}
}

func pushAndClose(r *room) {
	s := r.user()
	s.post(game.PushClose, game.Body{Message: "the last"})
	s.pushed(game.PushClose, "the last", s.uid)
	s.ends()
}
