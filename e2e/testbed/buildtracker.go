// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// reportEvery is how often a component that is being compiled gets a line.
const reportEvery = 15 * time.Second

// buildTracker turns what the go tool prints into progress per component: every compiled package counts for each
// component that depends on it.
type buildTracker struct {
	p        *progress
	start    time.Time
	messages *tail // compiler errors, for the error

	mu    sync.Mutex
	comps []*tracked
	fetch int // modules downloaded
}

type tracked struct {
	component
	deps     map[string]bool
	compiled int
	reported int // of compiled
	built    bool
}

func newBuildTracker(ctx context.Context, p *progress, module string, comps []component) (*buildTracker, error) {
	t := &buildTracker{p: p, start: time.Now(), messages: newTail(tailLines)}
	args := []string{"list", "-f", `{{.ImportPath}} {{join .Deps " "}}`}
	for _, c := range comps {
		args = append(args, c.pkg)
	}
	// Listing the packages downloads every module that is needed; t.line reports it.
	var out bytes.Buffer
	if err := goRun(ctx, module, &out, t.line, args...); err != nil {
		return nil, fmt.Errorf("list the components' packages: %w\n%s", err, indent(t.messages.lines()))
	}
	if t.fetch > 0 {
		p.say("downloaded %d modules in %s", t.fetch, seconds(t.start))
	}
	// One line per component, in the order asked for.
	for i, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if i >= len(comps) {
			break
		}
		deps := map[string]bool{}
		for _, d := range strings.Fields(l) {
			deps[d] = true
		}
		t.comps = append(t.comps, &tracked{component: comps[i], deps: deps})
	}
	t.start = time.Now()
	return t, nil
}

// line takes one line of the go tool's stderr: a download, a compiled package, or a message.
func (t *buildTracker) line(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if module, ok := strings.CutPrefix(s, "go: downloading "); ok {
		if t.fetch++; t.fetch%25 == 1 {
			t.p.say("downloading modules: %d so far, %s, %s", t.fetch, module, seconds(t.start))
		}
		return
	}
	known := false
	for _, c := range t.comps {
		if c.deps[s] {
			c.compiled++
			known = true
		}
	}
	if !known {
		t.messages.add(s)
	}
}

// watch reports each component at an interval, and once when its binary appears in out.
func (t *buildTracker) watch(ctx context.Context, out string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		look, report := time.NewTicker(time.Second), time.NewTicker(reportEvery)
		defer look.Stop()
		defer report.Stop()
		for {
			select {
			case <-ctx.Done():
				t.reportBuilt(out)
				return
			case <-look.C:
				t.reportBuilt(out)
			case <-report.C:
				t.reportCompiled()
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (t *buildTracker) reportCompiled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.comps {
		if c.built || c.compiled == c.reported {
			continue
		}
		c.reported = c.compiled
		t.p.say("compiling %s: %d packages of at most %d, %s", c.name, c.compiled, len(c.deps), seconds(t.start))
	}
}

func (t *buildTracker) reportBuilt(out string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.comps {
		if c.built {
			continue
		}
		if _, err := os.Stat(filepath.Join(out, c.output())); err == nil {
			c.built = true
			t.p.say("built %s: compiled %d packages (the other %d were cached), %s",
				c.name, c.compiled, len(c.deps)-c.compiled, seconds(t.start))
		}
	}
}
