// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// script of what an API server answers, call by call, and the log of what the stream made of it.
type script struct {
	mu      sync.Mutex
	lists   []error
	watches []any // an error, or the events after which the watch ends
	log     []string
	done    context.CancelFunc
}

func (s *script) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
}

func (s *script) list(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if len(s.lists) > 0 {
		err, s.lists = s.lists[0], s.lists[1:]
	} else if len(s.watches) == 0 {
		s.done()
	}
	s.log = append(s.log, "list")
	return "10", err
}

func (s *script) watch(_ context.Context, version string) (watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, "watch "+version)
	if len(s.watches) == 0 {
		s.done()
		return nil, context.Canceled
	}
	answer := s.watches[0]
	s.watches = s.watches[1:]
	if err, is := answer.(error); is {
		return nil, err
	}
	w := watch.NewRaceFreeFake()
	for _, e := range answer.([]watch.Event) {
		w.Action(e.Type, e.Object)
	}
	w.Stop()
	return w, nil
}

func object(version int) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(version)}}
}

func modified(version int) watch.Event {
	return watch.Event{Type: watch.Modified, Object: object(version)}
}

func failed(code int32, reason metav1.StatusReason) watch.Event {
	return watch.Event{Type: watch.Error, Object: &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: "because"}}
}

func forbidden() error {
	return apierrors.NewForbidden(corev1.Resource("manifestworks"), "", errors.New("no"))
}

func (s *script) run(t *testing.T) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s.done = cancel
	err := (&stream{
		list: s.list, watch: s.watch, again: time.Millisecond, longest: 2 * time.Millisecond, polled: time.Millisecond,
		event: func(e watch.Event) { s.note("event " + versionOf(e.Object)) },
		up:    func() { s.note("up") },
		down:  func(err error) { s.note("down: " + err.Error()) },
	}).run(ctx)
	return slices.Compact(s.log), err
}

func TestStream(t *testing.T) {
	refused := errors.New("connection refused")
	for name, c := range map[string]*struct {
		script
		want string
		err  func(error) bool
	}{
		"goes on where a watch ended": {
			script{watches: []any{[]watch.Event{modified(11), modified(12)}, []watch.Event{{Type: watch.Bookmark, Object: object(20)}}}},
			"list, up, watch 10, up, event 11, event 12, watch 12, up, watch 20", nil,
		},
		"goes on after the connection was lost": {
			script{watches: []any{[]watch.Event{modified(11)}, refused, refused, []watch.Event{modified(13)}}},
			"list, up, watch 10, up, event 11, watch 11, down: connection refused, watch 11, down: connection refused, watch 11, up, event 13, watch 13", nil,
		},
		"lists anew what has expired in a watch": {
			script{watches: []any{[]watch.Event{modified(11), failed(http.StatusGone, metav1.StatusReasonExpired)}, []watch.Event{modified(12)}}},
			"list, up, watch 10, up, event 11, list, up, watch 10, up, event 12, watch 12", nil,
		},
		"lists anew what has expired before": {
			script{watches: []any{apierrors.NewResourceExpired("too old"), []watch.Event{modified(12)}}},
			"list, up, watch 10, list, up, watch 10, up, event 12, watch 12", nil,
		},
		"tells an error in a watch": {
			script{watches: []any{[]watch.Event{failed(http.StatusInternalServerError, metav1.StatusReasonInternalError)}, []watch.Event{modified(12)}}},
			"list, up, watch 10, up, down: because, list, up, watch 10, up, event 12, watch 12", nil,
		},
		"tries a list that failed again": {
			script{lists: []error{refused, refused}, watches: []any{[]watch.Event{modified(12)}}},
			"list, down: connection refused, list, down: connection refused, list, up, watch 10, up, event 12, watch 12", nil,
		},
		"ends when the list is forbidden": {script{lists: []error{forbidden()}}, "list", apierrors.IsForbidden},
		"lists again and again when the watch is forbidden": {
			script{lists: []error{nil, nil, refused, nil}, watches: []any{forbidden(), []watch.Event{modified(11)}}},
			"list, up, watch 10, list, up, list, down: connection refused, list, up, watch 10, up, event 11, watch 11", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.run(t)
			if diff := cmp.Diff(strings.Split(c.want, ", "), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if c.err == nil {
				c.err = func(err error) bool { return errors.Is(err, context.Canceled) }
			}
			if !c.err(err) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// TestConnected: since when there is no connection is since the first failure, of whichever stream, and it is forgotten when all are there again.
func TestConnected(t *testing.T) {
	clock := time.Unix(1000, 0)
	f, err := New(nil, testConfig, opKey, func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	f.op = operation()
	down := func(name string, err error) { t.Helper(); f.connected(name, err) }
	down("works", errors.New("refused"))
	clock = clock.Add(5 * time.Second)
	down("works", errors.New("reset"))
	down("operation", errors.New("timeout"))
	if s := f.Snapshot(); s.Down != time.Unix(1000, 0) || s.Why != "reset" {
		t.Errorf("down since %v: %s", s.Down, s.Why)
	}
	down("works", nil)
	if s := f.Snapshot(); s.Down != time.Unix(1005, 0) || s.Why != "timeout" {
		t.Errorf("down since %v: %s", s.Down, s.Why)
	}
	down("operation", nil)
	if s := f.Snapshot(); !s.Down.IsZero() {
		t.Errorf("down since %v", s.Down)
	}
}
