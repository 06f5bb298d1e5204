// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"vworkspace.io/fleet/e2e/page"
)

const (
	// pageWithin is the time that all commands of a page may take.
	pageWithin = 5 * time.Minute
	// untilWithin is the time for commands to print what a page waits for.
	untilWithin = 90 * time.Second
	untilEvery  = 500 * time.Millisecond
)

// TestPages runs the commands of every page, and checks its manifests. It is the last test of this package: pages change the fleet.
func TestPages(t *testing.T) {
	paths, err := page.Files(repository)
	if err != nil {
		t.Fatal(err)
	}
	tools := newTools(t)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(repository, path))
			if err != nil {
				t.Fatal(err)
			}
			steps, err := page.Parse(source)
			if err != nil {
				t.Fatal(err)
			}
			if missing := missingTools(steps); len(missing) > 0 {
				t.Skip("SKIPPED: its commands need what this machine has not:", missing)
			}
			if len(steps) > 0 {
				playPage(t, tools, steps)
			}
		})
	}
}

// missingTools are those that a page calls, a person has as a rule, and this machine, that needs no more than Go, git, make and a C compiler, may not have.
func missingTools(steps []page.Step) (missing []string) {
	for _, tool := range []string{"curl", "jq", "openssl"} {
		calls := regexp.MustCompile(`(?m)(^|[|(;&] *|^ +)` + tool + ` `)
		called := slices.ContainsFunc(steps, func(s page.Step) bool {
			return (s.Verb == page.Run || s.Verb == page.Before) && calls.MatchString(s.Text)
		})
		if _, err := exec.LookPath(tool); called && err != nil {
			missing = append(missing, tool)
		}
	}
	return missing
}

// playPage in its order. What commands could not do, those after them cannot build on.
func playPage(t *testing.T, tools *tools, steps []page.Step) {
	before := look(t)
	t.Cleanup(func() { before.restore(t) })
	ctx, cancel := context.WithTimeout(t.Context(), pageWithin)
	defer cancel()
	s := newScene(t, tools)
	for _, step := range steps {
		step.Text = s.values.Replace(step.Text)
		if problem := s.play(ctx, step); problem != "" {
			t.Fatalf("line %d, %s:\n%s\n%s", step.Line, step.Verb, indent(step.Text), problem)
		}
	}
}

// play one step; it says what is wrong, or nothing.
func (s *scene) play(ctx context.Context, step page.Step) string {
	switch step.Verb {
	case page.Before, page.Run:
		return s.commands(ctx, step)
	case page.Output:
		if !page.Matches(step.Text, s.printed.out) {
			return "the commands before it have printed:\n" + indent(s.printed.out)
		}
	case page.Apply:
		return s.kubectl(ctx, step, "apply")
	case page.Manifest:
		return s.check(ctx, step)
	case page.File:
		if err := os.WriteFile(filepath.Join(s.dir, step.Name), []byte(step.Text), 0o600); err != nil {
			return err.Error()
		}
		if step.Cluster != "" {
			return s.check(ctx, step)
		}
	case page.Fragment:
		if err := page.CheckFragment(step.Kind, step.Text); err != nil {
			return err.Error()
		}
	case page.Shown, page.NotRun:
	}
	return ""
}

// commands are run once, or until they print what they have to.
func (s *scene) commands(ctx context.Context, step page.Step) string {
	problem := ""
	_ = wait.PollUntilContextTimeout(ctx, untilEvery, untilWithin, true, func(context.Context) (bool, error) { // what it ends with is the problem
		s.printed = s.bash(ctx, step.Cluster, step.Text)
		problem = judge(step, s.printed)
		return problem == "" || step.Until == "", nil
	})
	return problem
}

// judge what commands have come to.
func judge(step page.Step, got printed) string {
	wrong := ""
	switch {
	case step.Fails != "" && got.err == nil:
		wrong = "it has not failed, and printed:"
	case step.Fails == "" && got.err != nil:
		wrong = got.err.Error() + ":"
	case !page.Contains(step.Expect+step.Until+step.Fails, got.both):
		wrong = "it has not printed " + step.Expect + step.Until + step.Fails + " but:"
	default:
		return ""
	}
	return wrong + "\n" + indent(got.both)
}

// check a manifest, without making anything.
func (s *scene) check(ctx context.Context, step page.Step) string {
	verb := "apply"
	if strings.Contains(step.Text, "generateName:") {
		verb = "create" // apply knows no object without a name
	}
	return s.kubectl(ctx, step, verb, "--dry-run=server", "--validate=strict")
}

func (s *scene) kubectl(ctx context.Context, step page.Step, args ...string) string {
	script := "kubectl " + strings.Join(args, " ") + " -f - <<'END OF THE BLOCK'\n" + step.Text + "\nEND OF THE BLOCK\n"
	if got := s.bash(ctx, step.Cluster, script); got.err != nil {
		return got.err.Error() + ":\n" + indent(got.both)
	}
	return ""
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}
