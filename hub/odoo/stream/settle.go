// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// settleAgain so often it is looked again at Operations that somebody is to be waited for.
const settleAgain = 5 * time.Second

// settleStep looks at the Operations that something may be done about: what was told to all is let go, and what is deleted and cannot be told is put into
// letters. It says when to look again; 0 for when there is news.
func (s *Stream) settleStep(ctx context.Context) time.Duration {
	keys, now := s.unsettled()
	full := map[string]bool{}
	if err := s.tidy(ctx); err != nil {
		logf.FromContext(ctx).Error(err, "cannot look through the letters")
		for _, k := range keys {
			s.wait(k, now)
		}
	} else {
		for _, k := range keys {
			again, err := s.settleOne(ctx, k, full)
			if err != nil && !errors.Is(err, ErrFull) && !apierrors.IsConflict(err) {
				logf.FromContext(ctx).Error(err, "cannot let go of an Operation", "operation", k.String())
			}
			if again || err != nil {
				s.wait(k, now)
			}
		}
	}
	s.setFull(full)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.fresh) > 0:
		return soon
	case len(s.waiting) > 0 || s.untidy:
		return settleAgain
	default:
		return 0
	}
}

// unsettled are those that there is news of, and, when their time has come, those that wait.
func (s *Stream) unsettled() (keys []key, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.clock.Now()
	keys = make([]key, 0, len(s.fresh))
	for k := range s.fresh {
		keys = append(keys, k)
		delete(s.waiting, k)
	}
	s.fresh = map[key]struct{}{}
	for k, at := range s.waiting {
		if !now.Before(at) {
			keys = append(keys, k)
			delete(s.waiting, k)
		}
	}
	return keys, now
}

func (s *Stream) wait(k key, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[k] = now.Add(settleAgain)
}

// settleOne Operation, and tell whether to look again after a while, because nothing will say that there is something to do.
func (s *Stream) settleOne(ctx context.Context, k key, full map[string]bool) (again bool, err error) {
	v, err := viewOf(ctx, s.store, k)
	if err != nil || v.Operation == nil {
		return false, err
	}
	names, err := s.store.expected(ctx)
	if err != nil {
		return false, err
	}
	ends := v.Status.Phase.Terminal() || v.leaves()
	switch {
	case !v.held() && len(names) > 0 && !ends && v.DeletionTimestamp.IsZero():
		return false, s.store.hold(ctx, v.Operation)
	case !v.held() || !ends:
		return false, nil
	}
	all, err := s.answerAll(ctx, k, v, names, full)
	if err != nil {
		return true, err
	}
	if !all {
		return v.leaves(), nil
	}
	if err := s.before(ctx, v.Operation); err != nil {
		return true, err
	}
	if err := s.store.settle(ctx, v.Operation, names); err != nil {
		return true, err
	}
	s.letGo(v)
	return false, nil
}

// answerAll sinks, and tell whether none needs to hear more of an Operation.
func (s *Stream) answerAll(ctx context.Context, k key, v view, names []string, full map[string]bool) (all bool, err error) {
	all = true
	for _, name := range names {
		answered, err := s.answer(ctx, k, v, name)
		if errors.Is(err, ErrFull) {
			full[name] = true
		} else if err != nil {
			return false, err
		}
		all = all && answered
	}
	return all, nil
}

// answer for a sink, and tell whether it needs to hear nothing more of an Operation: it was told all, or what is left was written down for it.
func (s *Stream) answer(ctx context.Context, k key, v view, name string) (bool, error) {
	o := s.outletOf(name)
	switch {
	case o != nil && o.answered(k, v.Operation) || s.sent(v, name):
		return true, nil
	case !v.leaves() || !s.isAway(name, o):
		return false, nil
	}
	err := s.writeDown(ctx, k, v, name, o)
	return err == nil, err
}

// isAway tells whether a sink is not waited for. One that was not added gets some time after the start, in which it may be.
func (s *Stream) isAway(name string, o *outlet) bool {
	if o != nil {
		return o.away()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	since, known := s.missing[name]
	if !known {
		s.missing[name] = s.clock.Now()
		return false
	}
	return s.clock.Since(since) >= awayAfter
}

// setFull says of each sink whether something that was deleted waits for room to be told to it.
func (s *Stream) setFull(full map[string]bool) {
	s.mu.Lock()
	waits := len(s.waiting) > 0
	s.mu.Unlock()
	for _, o := range s.all() {
		name := o.sink.Name()
		o.mu.Lock()
		was := o.state.Full
		o.state.Full = full[name] || was && waits && s.isFull()
		changed := was != o.state.Full
		o.mu.Unlock()
		if changed {
			o.changed()
		}
	}
}
