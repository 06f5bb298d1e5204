// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// again so soon a connection that broke is tried for the first time; it takes longer each time, until longest.
	again   = 500 * time.Millisecond
	longest = 5 * time.Second
	// polled so often is what may be read and not watched.
	polled = 2 * time.Second
)

// stream brings the objects of one kind: a list, and then each change of it.
type stream struct {
	// list all objects, hand them on, and return the version to watch from.
	list func(context.Context) (version string, err error)
	// watch from a version.
	watch func(ctx context.Context, version string) (watch.Interface, error)
	// event hands a change on. It is never an error, nor a bookmark.
	event func(watch.Event)
	// up and down tell that the connection is there, or why not.
	up   func()
	down func(error)
	// again, longest and polled are the times above.
	again, longest, polled time.Duration
}

// errExpired tells that there is no watching from a version any more.
var errExpired = errors.New("the version has expired")

// run until the context ends, or the list is forbidden: that is the error.
func (s *stream) run(ctx context.Context) error {
	pause := s.again
	for ctx.Err() == nil {
		version, err := s.list(ctx)
		if err == nil {
			s.up()
			pause = s.again
			err = s.follow(ctx, version)
		}
		switch {
		case ctx.Err() != nil, errors.Is(err, errExpired):
			continue
		case apierrors.IsForbidden(err):
			return err
		}
		s.down(err)
		sleep(ctx, pause)
		pause = min(2*pause, s.longest)
	}
	return ctx.Err()
}

// follow the changes after a version. Where watching is forbidden it lists again and again.
func (s *stream) follow(ctx context.Context, version string) error {
	pause := s.again
	for ctx.Err() == nil {
		w, err := s.watch(ctx, version)
		switch {
		case err == nil:
			s.up()
			before := version
			err = s.pass(ctx, w, &version)
			w.Stop()
			if version != before {
				pause = s.again
			}
			if err != nil {
				return err
			}
		case apierrors.IsForbidden(err):
			return s.poll(ctx)
		case apierrors.IsGone(err), apierrors.IsResourceExpired(err):
			return errExpired
		case apierrors.IsUnauthorized(err):
			return err
		case ctx.Err() == nil:
			s.down(err)
		}
		sleep(ctx, pause)
		pause = min(2*pause, s.longest)
	}
	return ctx.Err()
}

func (s *stream) poll(ctx context.Context) error {
	for sleep(ctx, s.polled); ctx.Err() == nil; sleep(ctx, s.polled) {
		if _, err := s.list(ctx); err != nil {
			return err
		}
		s.up()
	}
	return ctx.Err()
}

// pass events on until the watch ends, and keep the version of the last one. A watch that ends is nothing unusual: API servers end each after some minutes.
func (s *stream) pass(ctx context.Context, w watch.Interface, version *string) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-w.ResultChan():
			if !open {
				return nil
			}
			if e.Type == watch.Error {
				if err := apierrors.FromObject(e.Object); !apierrors.IsGone(err) && !apierrors.IsResourceExpired(err) {
					return err
				}
				return errExpired
			}
			if at := versionOf(e.Object); at != "" {
				*version = at
			}
			if e.Type != watch.Bookmark {
				s.event(e)
			}
		}
	}
}

func versionOf(o runtime.Object) string {
	if v, ok := o.(interface{ GetResourceVersion() string }); ok {
		return v.GetResourceVersion()
	}
	return ""
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
