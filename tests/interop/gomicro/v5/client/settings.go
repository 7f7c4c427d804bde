package main

import (
	"flag"
	"strings"
	"time"
)

// settings are the flags of one call; the contract's page tells what each is.
type settings struct {
	call, service, contentType, name, meta, nums, text string
	ms, n, gapMs, size                                 int64
	deadline                                           time.Duration
}

func (s *settings) flags() *flag.FlagSet {
	set := flag.NewFlagSet("call", flag.ContinueOnError)
	set.StringVar(&s.call, "call", "hello", "hello, fail, sleep, echo, meta, count, sum, chat, list or nosuch")
	set.StringVar(&s.service, "service", "helloworld", "name of the service")
	set.StringVar(&s.contentType, "content_type", "", "codec of the request; the wire's own when empty")
	set.StringVar(&s.name, "name", "John", "of hello")
	set.Int64Var(&s.ms, "ms", 100, "of sleep")
	set.DurationVar(&s.deadline, "deadline", 0, "of the call; none when 0")
	set.Int64Var(&s.size, "size", 32, "of echo, in bytes")
	set.StringVar(&s.meta, "meta", "", "key=value,… sent with the call")
	set.Int64Var(&s.n, "n", 3, "of count")
	set.Int64Var(&s.gapMs, "gap_ms", 0, "of count")
	set.StringVar(&s.nums, "nums", "1,2,3", "of sum")
	set.StringVar(&s.text, "text", "a,b", "of chat")
	return set
}

// list splits a flag's value at its commas; nothing has no elements.
func list(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}
