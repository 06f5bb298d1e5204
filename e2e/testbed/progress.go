// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress prints one line per event, each with the time since the start. It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
}

func newProgress(out io.Writer) *progress {
	if out == nil {
		out = io.Discard
	}
	return &progress{out: out, start: time.Now()}
}

// say prints a line. A writer that fails must not stop a fleet from starting, so its error is dropped.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "%7.1fs  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

// seconds renders how long something took.
func seconds(since time.Time) string {
	return fmt.Sprintf("%.1fs", time.Since(since).Seconds())
}
