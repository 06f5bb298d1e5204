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
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// labCount is how many stories are told at a time: a story mostly waits.
const labCount = 2

var (
	long = flag.Bool("faults.long", false, "try every fault at every write of every story, instead of a sample: about an hour")
	seed = flag.Uint64("faults.seed", uint64(time.Now().UnixNano()), "of everything that is random, and of the sample; it is printed when the tests begin")

	labs = make(chan *Lab, labCount)
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	flag.Parse()
	fmt.Fprintf(os.Stderr, "faults: -faults.seed=%d -faults.long=%v\n", *seed, *long)
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := open(ctx)
	defer func() {
		for range len(labs) {
			err = errors.Join(err, (<-labs).Close())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "the labs:", err)
			code = 1
		}
	}()
	if err != nil {
		return 1
	}
	return m.Run()
}

// open starts the labs.
func open(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range labCount {
		group.Go(func() error {
			progress := io.Writer(nil)
			if i == 0 {
				progress = os.Stderr
			}
			lab, err := NewLab(ctx, progress)
			if err == nil {
				labs <- lab
			}
			return err
		})
	}
	return group.Wait()
}
