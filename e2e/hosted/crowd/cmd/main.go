// SPDX-License-Identifier: Apache-2.0

// Command cmd measures `spoke --hosted` on a crowd of clusters and prints tables: go run ./e2e/hosted/crowd/cmd.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vworkspace.io/fleet/e2e/hosted/crowd"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
)

func main() {
	genuine := flag.Int("real", 3, "How many of the clusters are real: 0.7 GB each.")
	list := flag.String("clusters", "1,10,50,100", "How many clusters one replica serves, one after the other; three share the last number.")
	settle := flag.Duration("settle", 15*time.Second, "How long a replica is left alone before it is looked at.")
	spoke := flag.String("spoke", "", "The agent's binary. (default: built from this checkout)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := testbed.WithParent(ctx)
	defer cancel()
	if err := run(ctx, *genuine, *list, *settle, *spoke); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parse what the flags say: how many clusters there are one time after the other, and whether so many of them can be real.
func parse(list string, genuine int) (sizes []int, err error) {
	for _, one := range strings.Split(list, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 || len(sizes) > 0 && n < sizes[len(sizes)-1] {
			return nil, fmt.Errorf("-clusters: %q: give numbers of clusters, the least first, such as 1,10,50", list)
		}
		sizes = append(sizes, n)
	}
	if most := sizes[len(sizes)-1]; genuine < 0 || genuine > most {
		return nil, fmt.Errorf("-real: %d of %d clusters cannot be real: give a number from 0 to %d", genuine, most, most)
	}
	return sizes, nil
}

func run(ctx context.Context, genuine int, list string, settle time.Duration, spoke string) (err error) {
	sizes, err := parse(list, genuine)
	if err != nil {
		return err
	}
	most := sizes[len(sizes)-1]
	if spoke == "" {
		dir, err := os.MkdirTemp("", "crowd-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if _, spoke, err = install.Binaries(ctx, dir); err != nil {
			return err
		}
	}
	c, err := crowd.Up(ctx, crowd.Options{Logical: most - genuine, Real: genuine, Up: testbed.Options{Progress: os.Stderr, Timeout: 10 * time.Minute}})
	defer func() { err = errors.Join(err, c.Down()) }()
	if err != nil {
		return err
	}
	m := crowd.Measurement{Spoke: spoke, Out: os.Stdout, Sizes: sizes, Settle: settle, Patience: 5 * time.Minute}
	return m.Run(ctx, c)
}
