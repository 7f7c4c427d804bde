// The caller of the interop contract on go-micro: one call, many of the same, or a list of calls.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"go-micro.dev/v5"
	"go-micro.dev/v5/registry"
)

func main() {
	var s settings
	flags := s.flags()
	repeat := flags.Int("repeat", 1, "how many calls")
	rate := flags.Float64("rate", 0, "calls a second, with --repeat; one after the other when 0")
	window := flags.Duration("registry_timeout", 0, "how long mdns and nats wait for answers; 100 ms when 0")
	batch := flags.String("batch", "", "a file that tells the calls to make")

	service := micro.NewService(micro.Flags(microFlags(flags)...))
	service.Init()
	if *window > 0 {
		if err := service.Options().Registry.Init(registry.Timeout(*window)); err != nil {
			log.Fatal(err)
		}
	}
	c := &caller{service, service.Client().Options().ContentType}
	if *batch != "" {
		if err := c.runBatch(*batch); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := c.use(s.contentType); err != nil {
		log.Fatal(err)
	}
	if *repeat > 1 {
		if !c.repeat(s, *repeat, *rate) {
			os.Exit(1)
		}
		return
	}
	lines, err := c.call(context.Background(), s)
	fmt.Println(lines)
	if err != nil {
		os.Exit(1)
	}
}

// microFlags are the same flags for go-micro's command line.
func microFlags(set *flag.FlagSet) (flags []cli.Flag) {
	set.VisitAll(func(f *flag.Flag) {
		flags = append(flags, &cli.GenericFlag{Name: f.Name, Usage: f.Usage, Value: f.Value})
	})
	return flags
}

// runBatch makes one call for each line of the file, "LABEL<tab>FLAG<tab>FLAG…", and prints one line for each:
// "CHECK<tab>LABEL<tab>EXIT CODE<tab>what the call printed", its line ends as \n.
func (c *caller) runBatch(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		var s settings
		if err := s.flags().Parse(words[1:]); err != nil {
			return err
		}
		if err := c.use(s.contentType); err != nil {
			return err
		}
		printed, err := c.call(context.Background(), s)
		code := 0
		if err != nil {
			code = 1
		}
		fmt.Printf("CHECK\t%s\t%d\t%s\n", words[0], code, strings.ReplaceAll(printed, "\n", `\n`))
	}
	return lines.Err()
}

// repeat makes the same call many times and tells what became of them.
func (c *caller) repeat(s settings, times int, rate float64) bool {
	var mutex sync.Mutex
	var group sync.WaitGroup
	failed := 0
	errors := map[string]int{}
	one := func() {
		if lines, err := c.call(context.Background(), s); err != nil {
			mutex.Lock()
			defer mutex.Unlock()
			failed++
			errors[lines[strings.LastIndex(lines, "\n")+1:]]++
		}
	}
	start := time.Now()
	for i := range times {
		if rate <= 0 {
			one()
			continue
		}
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		group.Add(1)
		go func() { defer group.Done(); one() }()
	}
	group.Wait()
	fmt.Printf("sent=%d ok=%d failed=%d\n", times, times-failed, failed)
	for line, count := range errors {
		fmt.Printf("%d × %s\n", count, line)
	}
	return failed == 0
}
