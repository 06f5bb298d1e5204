// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

var (
	// Three stories at a time also on fewer cores: a story mostly waits.
	labCount = flag.Int("faults.labs", 3, "how many stories are told at a time, each on two API servers of its own")
	long     = flag.Bool("faults.long", false, "try every fault at every write of every story, instead of a sample: about an hour and a half")
	few      = flag.Uint64("faults.sample", 400, "try one in so many of these, unless all are tried")
	soak     = flag.Duration("faults.soak", 20*time.Second, "for how long random Operations are created in random faults; one round at least")
	last     = flag.Duration("faults.patience", patience, "what every wait of a story is bounded by: more on a machine that has other things to do")
	host     = flag.Bool("faults.hosted", false, "run the agent in hosted mode")
	seed     = flag.Uint64("faults.seed", 1795453405908900087, "of everything that is random, and of the sample; it is printed when the tests begin")

	// opened are the labs, and labs those that are free.
	opened []*Lab
	labs   chan *Lab
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	flag.Parse()
	_ = flag.Set("test.parallel", strconv.Itoa(*labCount))
	labs = make(chan *Lab, *labCount)
	fmt.Fprintf(os.Stderr, "faults: -faults.seed=%d -faults.long=%v -faults.hosted=%v\n", *seed, *long, *host)
	if *host {
		Agent.run = runHosted
		Components = []Component{Hub, Agent}
	}
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := openLabs(ctx)
	defer func() {
		if err = errors.Join(err, closeLabs()); err != nil {
			fmt.Fprintln(os.Stderr, "the labs:", err)
			code = 1
		}
	}()
	if err != nil {
		return 1
	}
	ended := context.AfterFunc(ctx, func() { // killed: the tests would go on
		_ = closeLabs()
		os.Exit(1)
	})
	defer ended()
	code = m.Run()
	fmt.Fprintf(os.Stderr, "faults: -faults.seed=%d: at writes of components:\n%s", *seed, tried)
	return code
}

// closeLabs stops them, also those that a story is being told in.
func closeLabs() (err error) {
	for _, lab := range opened {
		err = errors.Join(err, lab.Close())
	}
	return err
}

// openLabs starts the labs.
func openLabs(ctx context.Context) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for i := range *labCount {
		group.Go(func() error {
			progress := io.Writer(nil)
			if i == 0 {
				progress = os.Stderr
			}
			lab, err := NewLab(ctx, progress)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				opened = append(opened, lab)
				labs <- lab
			}
			return err
		})
	}
	return group.Wait()
}
