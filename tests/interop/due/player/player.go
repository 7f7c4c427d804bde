package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/dobyte/due/v2/packet"
	"github.com/gorilla/websocket"
	"github.com/xtaci/kcp-go/v5"

	"micro-cpp/tests/interop/due/wire"
)

const patience = 10 * time.Second // for anything that is to come

// A player is a client of one server, or of a cluster's gates, with as many connections as the checks want.
type player struct {
	network, address, fec string
	otherAddress          string        // of a second gate, or ""
	nodes                 int           // in the cluster
	dueGate, dueNode      bool          // these are due's own
	users                 *atomic.Int64 // the last that was used
	authority, serverName string
	packets               *wire.Packets
	tuning                *wire.KCP
	count, connections    int
	limit                 int
	shift                 int32
	heartbeat             time.Duration
}

// A link is one connection.
type link struct {
	*player
	raw     *pieces         // the bytes of TCP, of KCP's stream
	stream  net.Conn        // the same, TLS between
	socket  *websocket.Conn // over it, else nil
	session *kcp.UDPSession // or nil
}

// dial connects; WebSocket's frames are at most so large, 0: as gorilla has it.
func (p *player) dial(frame ...int) (*link, error) {
	l := &link{player: p}
	if p.network == "kcp" {
		var data, parity int
		if _, err := fmt.Sscanf(p.fec, "%d/%d", &data, &parity); err != nil {
			return nil, fmt.Errorf("--fec is %q, not two numbers as 10/3", p.fec)
		}
		session, err := p.tuning.Dial(p.address, data, parity)
		if err != nil {
			return nil, err
		}
		p.tuning.Tune(session)
		l.session, l.raw = session, &pieces{Conn: session}
		l.stream = l.raw
		return l, nil
	}
	conn, err := net.DialTimeout("tcp", p.address, patience)
	if err != nil {
		return nil, err
	}
	l.raw = &pieces{Conn: conn}
	l.stream = l.raw
	if p.authority != "" {
		if l.stream, err = p.secure(l.raw); err != nil {
			return nil, err
		}
	}
	if p.network == "ws" {
		err = l.upgrade(frame...)
	} else if p.network != "tcp" {
		err = fmt.Errorf("--network is %q, not tcp, ws or kcp", p.network)
	}
	if err != nil {
		conn.Close()
	}
	return l, err
}

func (p *player) secure(conn net.Conn) (net.Conn, error) {
	pem, err := os.ReadFile(p.authority)
	if err != nil {
		return nil, err
	}
	name := p.serverName
	if name == "" {
		name, _, _ = net.SplitHostPort(p.address)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: name}
	config.RootCAs.AppendCertsFromPEM(pem)
	secured := tls.Client(conn, config)
	secured.SetDeadline(time.Now().Add(patience))
	return secured, secured.Handshake()
}

func (l *link) upgrade(frame ...int) error {
	dialer := websocket.Dialer{
		NetDial:          func(string, string) (net.Conn, error) { return l.stream, nil },
		HandshakeTimeout: patience,
	}
	if len(frame) > 0 {
		dialer.WriteBufferSize = frame[0]
	}
	socket, _, err := dialer.Dial("ws://"+l.address+"/", nil)
	l.socket = socket
	return err
}

func (l *link) close() { l.stream.Close() }

// write sends bytes: one packet, and over a stream as many as there are.
func (l *link) write(data []byte) error {
	l.stream.SetWriteDeadline(time.Now().Add(patience))
	if l.socket != nil {
		return l.socket.WriteMessage(websocket.BinaryMessage, data)
	}
	_, err := l.stream.Write(data)
	return err
}

// read waits for the next packet, which is not empty.
func (l *link) read() ([]byte, error) {
	l.stream.SetReadDeadline(time.Now().Add(patience))
	return l.receive()
}

// receive is read without an end to its patience.
func (l *link) receive() ([]byte, error) {
	if l.socket == nil {
		data, err := packet.ReadMessage(l.stream)
		if err == nil && len(data) == 0 {
			err = errors.New("an empty packet came")
		}
		return data, err
	}
	kind, data, err := l.socket.ReadMessage()
	if err == nil && kind != websocket.BinaryMessage {
		err = errors.New("a text message came")
	}
	return data, err
}

// A message as it is sent; its answer is the same, but for the shift.
type message struct {
	route, seq int32
	body       string
}

func (l *link) send(m message) error {
	data, err := packet.PackMessage(&packet.Message{Route: m.route, Seq: m.seq, Buffer: []byte(m.body)})
	if err != nil {
		return fmt.Errorf("route %d seq %d, %d bytes: %w", m.route, m.seq, len(m.body), err)
	}
	return l.write(data)
}

// expect waits for the answer to a message.
func (l *link) expect(wanted message) error {
	wanted.route += l.shift
	if l.packets.SeqBytes > 0 {
		wanted.seq += l.shift
	}
	data, err := l.read()
	if err != nil {
		return fmt.Errorf("waiting for route %d seq %d, %d bytes: %w", wanted.route, wanted.seq, len(wanted.body), err)
	}
	if heartbeat, err := packet.CheckHeartbeat(data); err != nil || heartbeat {
		return fmt.Errorf("got %.40x, a heartbeat (%v) or no packet (%v)", data, heartbeat, err)
	}
	got, err := packet.UnpackMessage(data)
	if err != nil {
		return fmt.Errorf("%w: %.40x", err, data)
	}
	if got.Route != wanted.route || got.Seq != wanted.seq || string(got.Buffer) != wanted.body {
		return fmt.Errorf("got route %d seq %d %.40q (%d bytes), wanted route %d seq %d %.40q (%d bytes)", got.Route, got.Seq, got.Buffer,
			len(got.Buffer), wanted.route, wanted.seq, wanted.body, len(wanted.body))
	}
	return nil
}

func (l *link) ask(messages ...message) error {
	for _, m := range messages {
		if err := l.send(m); err != nil {
			return err
		}
		if err := l.expect(m); err != nil {
			return err
		}
	}
	return nil
}

// Pieces are written below whatever writes: one by one, or several at once.
type pieces struct {
	net.Conn
	size int  // of each; 0: as they come
	hold bool // gather them until release
	held []byte
}

func (p *pieces) Write(data []byte) (int, error) {
	if p.hold {
		p.held = append(p.held, data...)
		return len(data), nil
	}
	if p.size == 0 {
		return p.Conn.Write(data)
	}
	for done := 0; done < len(data); done += p.size {
		if n, err := p.Conn.Write(data[done:min(done+p.size, len(data))]); err != nil {
			return done + n, err
		}
	}
	return len(data), nil
}

func (p *pieces) release() error {
	p.hold = false
	_, err := p.Conn.Write(p.held)
	p.held = nil
	return err
}
