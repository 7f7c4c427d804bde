package main

import _ "go-micro.dev/v5/client/grpc"
