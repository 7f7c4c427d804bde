package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"micro-cpp/tests/interop/due/game"
)

// A room is where one check happens: its connections, which end with it. Whatever is not as it should be ends the check.
type room struct {
	*player
	mark  string // begins what is broadcast here, and names channels
	seats []*seat
}

// A failure is what a check panics with.
type failure struct{ error }

func fail(format string, arguments ...any) { panic(failure{fmt.Errorf(format, arguments...)}) }

func failIf(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// attempt answers with the failure.
func attempt(what func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			failed, is := cause.(failure)
			if !is {
				panic(cause)
			}
			err = failed.error
		}
	}()
	what()
	return nil
}

// inRoom is a check at whose end nothing has come but what was awaited.
func inRoom(check func(*room)) func(*player) error {
	return func(p *player) error {
		r := &room{player: p}
		r.mark = fmt.Sprintf("room %d: ", r.newUser())
		defer func() {
			for _, s := range r.seats {
				s.close()
			}
		}()
		return attempt(func() {
			check(r)
			time.Sleep(quiet)
			for _, s := range r.seats {
				s.nothing()
			}
		})
	}
}

// firstUser is one that no player before or beside this one uses, and so are some hundred behind it.
func firstUser() *atomic.Int64 {
	first := new(atomic.Int64)
	first.Store(time.Now().Unix()%1e6*1e9 + int64(os.Getpid())%1e6*1e3)
	return first
}

// newUser is one that nobody has used.
func (r *room) newUser() int64 { return r.users.Add(1) }

// sit connects, and returns when a node has answered: the gate knows the connection by then.
func (r *room) sit() *seat { return r.sitAt(r.address) }

func (r *room) sitAt(address string) *seat {
	s := r.connect(address)
	// due's own servers read before their gate has the connection: an answer that is faster is lost.
	if r.dueGate {
		eventually(func() bool {
			_, came := s.takeWithin(time.Second, game.Echo, s.post(game.Echo, game.Body{}))
			return came
		}, func(came bool) bool { return came })
		s.unasked = nil // what was slow
	}
	s.echo("here")
	return s
}

func (r *room) connect(address string) *seat {
	there := *r.player
	there.address = address
	l, err := there.dial()
	failIf(err)
	s := &seat{link: l, mark: r.mark, inbox: make(chan delivery, 10000)}
	r.seats = append(r.seats, s)
	go s.listen()
	return s
}

// user sits down and is bound to a user of its own.
func (r *room) user() *seat { return r.sit().bind(r.newUser()) }

func (s *seat) bind(uid int64) *seat {
	s.bound = s.ask(game.Bind, game.Body{UID: uid})
	s.uid = uid
	return s
}

// dialRaw is a connection that no seat reads.
func (r *room) dialRaw() *link {
	l, err := r.dial()
	failIf(err)
	return l
}

// eventually asks until the answer is as wanted.
func eventually[Answer any](ask func() Answer, wanted func(Answer) bool) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := ask()
		if wanted(got) {
			return
		}
		if time.Now().After(end) {
			fail("after %v it still is %+v", patience, got)
		}
	}
}
