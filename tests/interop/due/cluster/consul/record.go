package consul

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/dobyte/due/v2/registry"
	"github.com/hashicorp/consul/api"
)

// What due's records say where: a field of the instance in one of Consul's Meta, the routes in as many as they need, and each pair of the
// user's metadata behind an underscore.
const (
	metaID         = "id"
	metaKind       = "kind"
	metaAlias      = "alias"
	metaState      = "state"
	metaEndpoint   = "endpoint"
	metaWeight     = "weight"
	metaEvents     = "events"
	metaServices   = "services"
	metaRoutes     = "routes-" // and a number from 0
	metaUsers      = "_"
	metaValueBytes = 512 // Consul takes no more
)

// Bits of a route's number in the Meta.
const (
	internal = 1 << iota
	stateful
	authorized
)

func recordID(of *registry.ServiceInstance) string { return of.Kind + "-" + of.ID }
func checkID(record string) string                 { return "service:" + record }

// record is what Consul is told of an instance.
func record(of *registry.ServiceInstance) (*api.AgentServiceRegistration, error) {
	endpoint, err := url.Parse(of.Endpoint)
	if err != nil {
		return nil, err
	}
	host, digits, err := net.SplitHostPort(endpoint.Host)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(digits)
	if err != nil {
		return nil, err
	}
	meta, err := describe(of)
	if err != nil {
		return nil, err
	}
	id := recordID(of)
	return &api.AgentServiceRegistration{
		ID:              id,
		Name:            of.Name,
		Address:         host,
		Port:            port,
		TaggedAddresses: map[string]api.ServiceAddress{endpoint.Scheme: {Address: host, Port: port}},
		Meta:            meta,
		Checks: api.AgentServiceChecks{
			{TCP: endpoint.Host, Interval: "10s", Timeout: "5s", DeregisterCriticalServiceAfter: "30s"},
			{CheckID: checkID(id), TTL: "10s", DeregisterCriticalServiceAfter: "30s"},
		},
	}, nil
}

func describe(instance *registry.ServiceInstance) (map[string]string, error) {
	meta := map[string]string{
		metaID:       instance.ID,
		metaKind:     instance.Kind,
		metaAlias:    instance.Alias,
		metaState:    instance.State,
		metaEndpoint: instance.Endpoint,
	}
	if instance.Weight > 0 {
		meta[metaWeight] = strconv.Itoa(instance.Weight)
	}
	if len(instance.Events) > 0 {
		text, err := json.Marshal(instance.Events)
		if err != nil {
			return nil, err
		}
		meta[metaEvents] = string(text)
	}
	if len(instance.Services) > 0 {
		text, err := json.Marshal(instance.Services)
		if err != nil {
			return nil, err
		}
		meta[metaServices] = string(text)
	}
	for i, chunk := range routeChunks(instance.Routes) {
		meta[metaRoutes+strconv.Itoa(i)] = chunk
	}
	for key, value := range instance.Metadata {
		meta[metaUsers+key] = value
	}
	return meta, nil
}

// routeChunks are the routes, each as "ID-BITS", with commas between, in pieces that Consul takes.
func routeChunks(routes []registry.Route) []string {
	var chunks []string
	for _, route := range routes {
		item := fmt.Sprintf("%d-%d", route.ID, routeBits(route))
		if last := len(chunks) - 1; last >= 0 && len(chunks[last])+1+len(item) <= metaValueBytes {
			chunks[last] += "," + item
		} else {
			chunks = append(chunks, item)
		}
	}
	return chunks
}

func routeBits(route registry.Route) (bits int) {
	if route.Internal {
		bits |= internal
	}
	if route.Stateful {
		bits |= stateful
	}
	if route.Authorized {
		bits |= authorized
	}
	return bits
}

// instance is what a record's name and Meta say. What cannot be read is left out, as due does.
func instance(name string, meta map[string]string) *registry.ServiceInstance {
	made := &registry.ServiceInstance{
		Name:     name,
		ID:       meta[metaID],
		Kind:     meta[metaKind],
		Alias:    meta[metaAlias],
		State:    meta[metaState],
		Endpoint: meta[metaEndpoint],
		Metadata: make(map[string]string),
	}
	made.Weight, _ = strconv.Atoi(meta[metaWeight])
	json.Unmarshal([]byte(meta[metaEvents]), &made.Events)
	json.Unmarshal([]byte(meta[metaServices]), &made.Services)
	for key, value := range meta {
		if number, is := strings.CutPrefix(key, metaRoutes); is && !strings.Contains(number, "-") {
			made.Routes = append(made.Routes, routesOf(value)...)
		} else if own, is := strings.CutPrefix(key, metaUsers); is {
			made.Metadata[own] = value
		}
	}
	return made
}

func routesOf(chunk string) (routes []registry.Route) {
	for item := range strings.SplitSeq(chunk, ",") {
		parts := strings.Split(item, "-")
		if len(parts) != 2 {
			continue
		}
		id, err := strconv.ParseInt(parts[0], 10, 32)
		if err != nil {
			continue
		}
		bits, _ := strconv.Atoi(parts[1])
		routes = append(routes, registry.Route{
			ID:         int32(id),
			Internal:   bits&internal != 0,
			Stateful:   bits&stateful != 0,
			Authorized: bits&authorized != 0,
		})
	}
	return routes
}
