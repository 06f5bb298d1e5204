// SPDX-License-Identifier: Apache-2.0

// Command cmd makes the images of the hub and the agent from the checkout that it runs in: `make images`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vworkspace.io/fleet/deploy/image"
)

func main() {
	o := image.Options{Module: "."}
	flag.StringVar(&o.Out, "out", "dist", "folder to write to")
	flag.StringVar(&o.Version, "version", "dev", "version of the binaries, and tag of the images")
	flag.StringVar(&o.Repository, "repository", "registry.example.com/vworkspace-fleet", "where the images are to be pushed")
	flag.StringVar(&o.Source, "source", "https://vworkspace.io/fleet", "URL of the source, for the labels")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o image.Options) (err error) {
	if o.Revision, err = git(ctx, "rev-parse", "HEAD"); err != nil {
		return err
	}
	if o.Created, err = created(ctx); err != nil {
		return err
	}
	for _, p := range image.Programs {
		built, err := image.Build(ctx, o, p)
		if err != nil {
			return err
		}
		built.Print(os.Stdout)
	}
	return nil
}

// created is SOURCE_DATE_EPOCH, or the time of the commit.
func created(ctx context.Context) (time.Time, error) {
	epoch, from := os.Getenv("SOURCE_DATE_EPOCH"), "SOURCE_DATE_EPOCH"
	if epoch == "" {
		var err error
		if epoch, err = git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, err
		}
		from = "git log"
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}, fmt.Errorf("%s: %q is not a number of seconds since 1970", from, epoch)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s (run it inside a checkout): %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
