package main

import (
	_ "go-micro.dev/v5/server/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// server/grpc of v5.30.0 registers, for the whole process, a gRPC codec "proto" that refuses messages of protobuf's first API; the etcd
// client's are such, so a service with both would never get into etcd. This one takes them, and leaves all others to go-micro's.
type bothProtobufs struct{ encoding.Codec }

func init() { encoding.RegisterCodec(bothProtobufs{encoding.GetCodec("proto")}) }

func (c bothProtobufs) Marshal(message any) ([]byte, error) {
	if v1, ok := message.(protoadapt.MessageV1); ok {
		return proto.Marshal(protoadapt.MessageV2Of(v1))
	}
	return c.Codec.Marshal(message)
}

func (c bothProtobufs) Unmarshal(data []byte, message any) error {
	if v1, ok := message.(protoadapt.MessageV1); ok {
		return proto.Unmarshal(data, protoadapt.MessageV2Of(v1))
	}
	return c.Codec.Unmarshal(data, message)
}
