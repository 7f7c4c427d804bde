// Package game is the interop contract of the game's node: what it answers to which route, for the node that does and the player that checks.
package game

// Routes of the contract.
const (
	Echo int32 = iota + 1
	Bind
	Stateful
	PushSelf
	Broadcast
	Multicast
	Subscribe
	Disconnect
	Info
	BindNode
	UnbindNode
	UnbindGate
	Authorized
	Internal
	Publish
	Unsubscribe
	PushClose
	Events
	Large
	Forward
	Forwarded

	Unknown int32 = 99 // to every node
)

// Push is the route of the packet that a route makes the node push.
func Push(route int32) int32 { return route + 1000 }

// A Body is JSON: of a request, of its answer, which is the request with more filled in, and of a push, which has message and uid alone.
type Body struct {
	Message string  `json:"message,omitempty"`
	Code    int     `json:"code,omitempty"` // 1: it failed
	Error   string  `json:"error,omitempty"`
	UID     int64   `json:"uid,omitempty"`
	CID     int64   `json:"cid,omitempty"`
	UIDs    []int64 `json:"uids,omitempty"`
	Channel string  `json:"channel,omitempty"`
	Force   bool    `json:"force,omitempty"`
	Ack     bool    `json:"ack,omitempty"`
	Total   int64   `json:"total,omitempty"`
	IP      string  `json:"ip,omitempty"`
	Online  bool    `json:"online,omitempty"`
	GID     string  `json:"gid,omitempty"`
	NID     string  `json:"nid,omitempty"`
	N       int     `json:"n,omitempty"`
}
