package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dobyte/due/v2/packet"

	"micro-cpp/tests/interop/due/game"
)

const (
	quiet  = 300 * time.Millisecond // in which nothing comes that is not to come
	anySeq = -1
)

// A seat is a connection to a gate, and what came over it. Its methods fail as a room's do.
type seat struct {
	*link
	mark    string // of its room
	seq     int32
	inbox   chan delivery // closed at the connection's end
	unasked []delivery    // came, and nobody has waited for it yet
	gone    bool          // it has ended, as it should
	uid     int64         // that it was bound to last
	bound   game.Body     // the answer
}

// A delivery is a packet whose body is the contract's.
type delivery struct {
	route, seq int32
	body       game.Body
	err        error // or none of these
}

func (d delivery) String() string {
	if d.err != nil {
		return d.err.Error()
	}
	text, _ := json.Marshal(d.body)
	return fmt.Sprintf("route %d seq %d %.200s", d.route, d.seq, text)
}

func (s *seat) listen() {
	defer close(s.inbox)
	for {
		data, err := s.receive()
		if err != nil {
			return
		}
		if d := unpack(data); !s.isOfOthers(d) {
			s.inbox <- d
		}
	}
}

func unpack(data []byte) delivery {
	message, err := packet.UnpackMessage(data)
	if err != nil {
		return delivery{err: fmt.Errorf("%w: %.40x", err, data)}
	}
	d := delivery{route: message.Route, seq: message.Seq}
	if err := json.Unmarshal(message.Buffer, &d.body); err != nil {
		d.err = fmt.Errorf("route %d seq %d: %w: %.200q", d.route, d.seq, err, message.Buffer)
	}
	return d
}

// isOfOthers: what is broadcast in other rooms, and by other players, comes to all.
func (s *seat) isOfOthers(d delivery) bool {
	return d.route == game.Push(game.Broadcast) && !strings.HasPrefix(d.body.Message, s.mark)
}

// post sends a request, and says which seq its answer will have.
func (s *seat) post(route int32, body game.Body) int32 {
	text, err := json.Marshal(body)
	failIf(err)
	if s.packets.SeqBytes > 0 {
		s.seq = s.seq%100 + 1
	}
	failIf(s.send(message{route, s.seq, string(text)}))
	return s.seq
}

// request waits for the answer, which may say that it failed.
func (s *seat) request(route int32, body game.Body) game.Body {
	return s.await(route, s.post(route, body))
}

// ask waits for the answer of what went well.
func (s *seat) ask(route int32, body game.Body) game.Body {
	answer := s.request(route, body)
	if answer.Code != 0 {
		fail("route %d: code %d, %s", route, answer.Code, answer.Error)
	}
	return answer
}

// await waits for a packet with this route and seq.
func (s *seat) await(route, seq int32) game.Body {
	if body, came := s.take(route, seq); came {
		return body
	}
	end := time.After(patience)
	for {
		select {
		case d, open := <-s.inbox:
			if !open {
				fail("the connection ended before route %d seq %d came, with %v before", route, seq, s.unasked)
			}
			if d.is(route, seq) {
				return d.body
			}
			s.unasked = append(s.unasked, d)
		case <-end:
			fail("route %d seq %d has not come, only %v", route, seq, s.unasked)
		}
	}
}

// take is await for what has come before.
func (s *seat) take(route, seq int32) (body game.Body, came bool) {
	for i, d := range s.unasked {
		if d.is(route, seq) {
			s.unasked = slices.Delete(s.unasked, i, i+1)
			return d.body, true
		}
	}
	return body, false
}

// takeWithin is await for what need not come.
func (s *seat) takeWithin(patience time.Duration, route, seq int32) (body game.Body, came bool) {
	for end := time.Now().Add(patience); !came && time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.drain()
		body, came = s.take(route, seq)
	}
	return body, came
}

func (d delivery) is(route, seq int32) bool {
	return d.err == nil && d.route == route && (d.seq == seq || seq == anySeq)
}

// pushed waits for what a route makes the node push: this message, in this user's name.
func (s *seat) pushed(route int32, message string, uid int64) game.Body {
	got := s.await(game.Push(route), 0)
	if got.Message != message || got.UID != uid {
		fail("route %d: message %q uid %d, not %q and %d", game.Push(route), got.Message, got.UID, message, uid)
	}
	return got
}

func (s *seat) echo(message string) {
	if got := s.ask(game.Echo, game.Body{Message: message}).Message; got != message {
		fail("an echo is %.40q (%d bytes), not %.40q (%d)", got, len(got), message, len(message))
	}
}

// drain takes what has come. Whether the connection has ended.
func (s *seat) drain() (ended bool) {
	for {
		select {
		case d, open := <-s.inbox:
			if !open {
				return true
			}
			s.unasked = append(s.unasked, d)
		default:
			return false
		}
	}
}

// nothing came that was not awaited.
func (s *seat) nothing() {
	ended := s.drain()
	if len(s.unasked) > 0 {
		fail("came without being asked for: %v", s.unasked)
	}
	if ended && !s.gone {
		fail("the connection ended")
	}
}

// unanswered: the request has no answer, and the connection works on.
func (s *seat) unanswered(route int32, body game.Body) {
	s.post(route, body)
	s.echo("still there")
	time.Sleep(quiet)
	s.nothing()
}

// ends: the connection does, and nothing comes before. Nothing tells so over KCP: there, nothing is answered any more.
func (s *seat) ends() {
	s.gone = true
	if s.session != nil {
		for range 10 {
			seq := s.post(game.Echo, game.Body{Message: "too late"})
			time.Sleep(2 * quiet)
			s.drain()
			if _, answered := s.take(game.Echo, seq); !answered {
				s.nothing()
				return
			}
		}
		fail("the connection has not ended")
	}
	select {
	case d, open := <-s.inbox:
		if open {
			fail("instead of the end came %v", d)
		}
	case <-time.After(patience):
		fail("the connection has not ended")
	}
}

// leave ends the connection so that its gate notices, which over KCP it would not.
func (s *seat) leave() {
	s.gone = true
	if s.session != nil {
		s.post(game.Disconnect, game.Body{Force: true})
		return
	}
	s.close()
}
