package main

import (
	"errors"
	"fmt"
	"math/rand"
	"strings"

	"micro-cpp/tests/interop/due/game"
)

// What a gate is asked before a node with the contract's routes.
var gameChecks = []check{
	{"ready", inRoom(ready), nil},
	{"echo", inRoom(echoes), nil},
	{"echo in order", inRoom(echoesInOrder), nil},
	{"echo on many connections", inRoom(echoesAtOnce), nil},
	{"sizes", inRoom(echoSizes), nil},
	{"bind", inRoom(bind), nil},
	{"bind again", inRoom(bindAgain), nil},
	{"bind another user", inRoom(bindAnother), nil},
	{"authorized needs a user", inRoom(authorizedNeedsUser), nil},
	{"authorized", inRoom(authorized), nil},
	{"stateful needs a node", inRoom(statefulNeedsNode), nil},
	{"stateful", inRoom(stateful), nil},
	{"stateful in order", inRoom(statefulInOrder), nil},
	{"unbind node", inRoom(unbindNode), nil},
	{"unbind gate", inRoom(unbindGate), nil},
	{"internal is refused", inRoom(internal), nil},
	{"unknown route", inRoom(unknown), nil},
	{"push to oneself", inRoom(pushToOneself), hasPushes},
	{"push by user from anywhere", inRoom(pushFromAnywhere), hasPushes},
	{"broadcast", inRoom(broadcast), hasPushes},
	{"multicast", inRoom(multicast), hasPushes},
	{"channels", inRoom(channels), hasPushes},
	{"a channel nobody has", inRoom(emptyChannel), nil},
	{"disconnect", inRoom(disconnect), nil},
	{"push and close", inRoom(pushAndClose), hasPushes},
	{"info", inRoom(info), nil},
	{"info of another", inRoom(infoOfAnother), nil},
	{"events", inRoom(events), nil},
	{"large", inRoom(large), nil},
	{"too large an answer", inRoom(tooLargeAnswer), nil},
	{"forward by route", inRoom(forwardByRoute), hasPushes},
	{"forward to a node", inRoom(forwardToNode), hasNodes},
	{"duplicate login", inRoom(duplicateLogin), hasPushes},
	{"late end of an old login", inRoom(lateEnd), hasPushes},
	{"duplicate login elsewhere", inRoom(duplicateElsewhere), hasGates},
	{"across gates", inRoom(acrossGates), hasGates},
	{"garbage", inRoom(gameGarbage), nil},
}

// hasPushes: they have routes above 1000, which one byte does not hold.
func hasPushes(p *player) bool { return p.packets.RouteBytes > 1 }
func hasNodes(p *player) bool  { return hasPushes(p) && p.nodes > 1 }
func hasGates(p *player) bool  { return hasPushes(p) && p.otherAddress != "" }

func echoes(r *room) {
	s := r.sit()
	for _, text := range []string{"", "hello", `"quotes" and \ and ü and 世`, strings.Repeat("z", 1000)} {
		s.echo(text)
	}
}

// echoesInOrder has 16 on their way. Several nodes answer in any order.
func echoesInOrder(r *room) {
	s := r.sit()
	missing := make(map[string]bool)
	for i := range r.count + 16 {
		if i < r.count {
			text := fmt.Sprint("number ", i)
			missing[text] = true
			s.post(game.Echo, game.Body{Message: text})
		}
		if i < 16 {
			continue
		}
		got := s.next()
		if r.nodes == 1 && got != fmt.Sprint("number ", i-16) {
			fail("%q came as the %dth", got, i-16)
		}
		if !missing[got] {
			fail("%q came twice, or was not sent", got)
		}
		delete(missing, got)
	}
}

// next is the message of the next packet, whatever its seq.
func (s *seat) next() string {
	return s.await(game.Echo, anySeq).Message
}

func echoesAtOnce(r *room) {
	var seats []*seat
	for range r.connections {
		seats = append(seats, r.sit())
	}
	results := make(chan error, len(seats))
	for i, s := range seats {
		go func() {
			results <- attempt(func() {
				for round := range 20 {
					s.echo(fmt.Sprintf("connection %d, round %d", i, round))
				}
			})
		}()
	}
	var all error
	for range seats {
		all = errors.Join(all, <-results)
	}
	failIf(all)
}

// echoSizes up to what is just allowed: around the message are 14 bytes of JSON.
func echoSizes(r *room) {
	s := r.sit()
	most := r.packets.BufferBytes - len(`{"message":""}`)
	for _, size := range []int{0, 1, 100, 1371, 1400, 4096, most - 1, most} {
		s.echo(strings.Repeat("s", min(size, most)))
	}
}

// gameGarbage: others are served on. due's gate takes memory for whatever size a packet tells, so it is told of small ones.
func gameGarbage(r *room) {
	good := r.sit()
	sizes := []string{"\xff\xff\xff\xff", "\xff\xff\xff\xf0", "\xf0\xff\xff\xff", "\x7f\xff\xff\xff"}
	if r.dueGate {
		sizes = []string{"\x00\x01\x01\x00"}
	}
	source := rand.New(rand.NewSource(1))
	for i := range 20 {
		noise := make([]byte, 2000)
		source.Read(noise)
		if i < len(sizes) || r.dueGate {
			copy(noise, sizes[i%len(sizes)])
		}
		l := r.dialRaw()
		defer l.close()
		l.write(noise)
	}
	good.echo("after garbage of others")
	r.sit()
}

func internal(r *room) {
	s := r.sit()
	s.unanswered(game.Internal, game.Body{})
	s.bind(r.newUser()).unanswered(game.Internal, game.Body{})
}

func unknown(r *room) { r.sit().unanswered(game.Unknown, game.Body{}) }

func large(r *room) {
	n := min(4000, r.packets.BufferBytes-len(`{"message":"","n":4000}`))
	if got := r.sit().ask(game.Large, game.Body{N: n}).Message; got != strings.Repeat("x", n) {
		fail("%d bytes came, %.40q, not %d letters x", len(got), got, n)
	}
}

func tooLargeAnswer(r *room) {
	r.sit().unanswered(game.Large, game.Body{N: r.packets.BufferBytes + 1})
}
