// Package greeter is the service of the contract, whose page tells what each method does.
package greeter

import (
	"context"
	"io"
	"time"

	"go-micro.dev/v5/errors"
	"go-micro.dev/v5/metadata"
	"interop/helloworld"
)

// Greeter holds no state: one serves any number of calls.
type Greeter struct{}

func (*Greeter) Hello(_ context.Context, request *helloworld.HelloRequest, response *helloworld.HelloResponse) error {
	response.Greeting = "Hello " + request.Name
	return nil
}

func (*Greeter) Fail(context.Context, *helloworld.FailRequest, *helloworld.FailResponse) error {
	return errors.NotFound("helloworld", "no such user")
}

func (*Greeter) Sleep(ctx context.Context, request *helloworld.SleepRequest, response *helloworld.SleepResponse) error {
	start := time.Now()
	if err := sleep(ctx, request.Ms); err != nil {
		return err
	}
	response.SleptMs = time.Since(start).Milliseconds()
	return nil
}

func (*Greeter) Echo(_ context.Context, request, response *helloworld.EchoMessage) error {
	response.Payload = request.Payload
	return nil
}

func (*Greeter) Meta(ctx context.Context, _ *helloworld.MetaRequest, response *helloworld.MetaResponse) error {
	response.Metadata, _ = metadata.FromContext(ctx)
	return nil
}

func (*Greeter) Count(ctx context.Context, request *helloworld.CountRequest, stream helloworld.Greeter_CountStream) error {
	for i := int64(1); i <= request.N; i++ {
		if i > 1 {
			if err := sleep(ctx, request.GapMs); err != nil {
				return err
			}
		}
		if err := stream.Send(&helloworld.CountResponse{I: i}); err != nil {
			return err
		}
	}
	return nil
}

func (*Greeter) Sum(_ context.Context, stream helloworld.Greeter_SumStream) error {
	total := int64(0)
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		total += request.N
		if request.Last {
			break
		}
	}
	return stream.SendMsg(&helloworld.SumResponse{Total: total})
}

func (*Greeter) Chat(_ context.Context, stream helloworld.Greeter_ChatStream) error {
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(message); err != nil {
			return err
		}
	}
}

// sleep ends early with the call: at its deadline, or when the caller has left.
func sleep(ctx context.Context, ms int64) error {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return errors.Timeout("helloworld", "%v", ctx.Err())
	}
}
