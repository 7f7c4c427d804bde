package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

// ends waits until the server has ended the connection. Nothing tells so over KCP: there, nothing is answered any more.
func (l *link) ends() error {
	if l.session != nil {
		l.send(message{1, 0, "too late"}) // without acknowledgements there may be no room for it
		l.session.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if n, _ := l.session.Read(make([]byte, 1)); n > 0 {
			return errors.New("the server still answers")
		}
		return nil
	}
	l.stream.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(l.stream)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the connection has not ended; %d bytes came", len(got))
	}
	return nil
}

// stillServes: whatever was done, others are served.
func (p *player) stillServes() error {
	return onOne(func(*link) error { return nil })(p)
}

func silent(p *player) error {
	l, err := p.dial()
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.ask(message{1, 0, "the last word"}); err != nil {
		return err
	}
	if l.session != nil {
		time.Sleep(4 * p.heartbeat) // nothing tells when
	}
	return errors.Join(l.ends(), p.stillServes())
}

// largest is a packet that just may be.
func largest(l *link) error {
	sent := l.sized(make([]byte, l.limit))
	if err := l.write(sent); err != nil {
		return err
	}
	got, err := l.read()
	if err == nil && !bytes.Equal(got, sent) {
		err = fmt.Errorf("%d bytes came back, not the %d that were sent", len(got), len(sent))
	}
	return err
}

func tooLarge(p *player) error {
	l, err := p.dial()
	if err != nil {
		return err
	}
	defer l.close()
	l.write(l.sized(make([]byte, l.limit+1))) // the end may come while it is written
	return errors.Join(l.ends(), p.stillServes())
}

// garbage instead of packets, or of an upgrade to WebSocket.
func garbage(p *player) error {
	bare := *p
	if p.network == "ws" {
		bare.network = "tcp"
	}
	rounds := 20
	if p.network == "kcp" {
		rounds = 3 // each waits for what does not come
	}
	source := rand.New(rand.NewSource(1))
	for range rounds {
		l, err := bare.dial()
		if err != nil {
			return err
		}
		defer l.close()
		noise := make([]byte, 4+source.Intn(20000))
		source.Read(noise)
		copy(noise, "\xff\xff\xff\xff") // a size that is too large, and no HTTP
		if p.network == "ws" {
			noise = append(noise, "\r\n\r\n"...) // where a request ends
		}
		l.write(noise)
		if err := l.ends(); err != nil {
			return err
		}
	}
	return p.stillServes()
}

// frames: a message in many frames, with a ping between them; text, which is nobody's.
func frames(p *player) error {
	l, err := p.dial(16)
	if err != nil {
		return err
	}
	defer l.close()
	pongs := 0
	l.socket.SetPongHandler(func(text string) error {
		if text == "here" {
			pongs++
		}
		return nil
	})
	body := text(1000)
	if err := l.ask(message{7, 0, body}); err != nil {
		return err
	}
	content := append([]byte{0}, make([]byte, l.packets.RouteBytes+l.packets.SeqBytes)...)
	sent := l.sized(append(content, body...))
	writer, err := l.socket.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	writer.Write(sent[:500])
	if err := l.socket.WriteControl(websocket.PingMessage, []byte("here"), time.Now().Add(patience)); err != nil {
		return err
	}
	writer.Write(sent[500:])
	if err := writer.Close(); err != nil {
		return err
	}
	if err := l.expect(message{0, 0, body}); err != nil {
		return err
	}
	if pongs != 1 {
		return fmt.Errorf("%d pongs came for a ping", pongs)
	}
	// A packet in a text, which its bytes are, too.
	content = append([]byte{0}, make([]byte, l.packets.RouteBytes+l.packets.SeqBytes)...)
	if err := l.socket.WriteMessage(websocket.TextMessage, l.sized(append(content, "in a text"...))); err != nil {
		return err
	}
	return l.ask(message{8, 0, "after a text"})
}

// webSocketGarbage: messages that hold no packet are dropped; frames that WebSocket does not have end the connection.
func webSocketGarbage(p *player) error {
	l, err := p.dial()
	if err != nil {
		return err
	}
	defer l.close()
	good := l.sized([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00good"))
	for _, content := range [][]byte{{}, {1}, {0, 0, 0, 0}, good[:len(good)-1], append(good, 1), append(good, good...)} {
		if err := l.write(content); err != nil {
			return err
		}
	}
	if err := l.ask(message{9, 0, "after six that were none"}); err != nil {
		return err
	}
	for _, frame := range []string{
		"\x83\x80\x01\x02\x03\x04",                                 // of a kind that is reserved
		"\x82\x04\x00\x00\x00\x00",                                 // without a mask
		"\x80\x80\x01\x02\x03\x04",                                 // goes on with a message that has not begun
		"\xf2\x80\x01\x02\x03\x04",                                 // with bits of extensions that were not agreed
		"\x89\xfe\x01\x00\x01\x02\x03\x04",                         // a ping of 256 bytes
		"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", // of 2^64 bytes
	} {
		l, err := p.dial()
		if err != nil {
			return err
		}
		defer l.close()
		l.stream.Write([]byte(frame))
		if err := l.ends(); err != nil {
			return fmt.Errorf("frame %x: %w", frame, err)
		}
	}
	return p.stillServes()
}

// datagrams that hold nothing of KCP disturb neither a session nor who begins one.
func datagrams(p *player) error {
	l, err := p.dial()
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.ask(message{1, 0, "before"}); err != nil {
		return err
	}
	source := rand.New(rand.NewSource(1))
	for _, size := range []int{0, 1, 4, 5, 6, 7, 8, 23, 24, 25, 31, 32, 33, 1400, 9000} {
		for _, kind := range []byte{0, 0xf1, 0xf2, 81} { // of anything, with error correction, parity, a push
			conn, err := net.Dial("udp", p.address)
			if err != nil {
				return err
			}
			noise := make([]byte, size)
			source.Read(noise)
			if kind != 0 && size > 5 {
				noise[4], noise[5] = kind, 0
			}
			conn.Write(noise)
			conn.Close()
		}
	}
	if err := l.ask(message{1, 0, "after"}); err != nil {
		return err
	}
	return p.stillServes()
}
