// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// notRun is how many blocks are not run, or are shown alone, by their reasons. Whoever adds one changes a number here, and so knows that nobody checks it.
var notRun = map[string]int{}

// TestEveryBlockSaysWhatIsDoneWithIt, and the list of those that nothing is done with does not grow unseen.
func TestEveryBlockSaysWhatIsDoneWithIt(t *testing.T) {
	done, left := map[Verb]int{}, map[string]int{}
	for path, source := range everyPage(t) {
		steps, err := Parse(source)
		if err != nil {
			t.Errorf("%s:\n%v", path, err)
		}
		for _, s := range steps {
			done[s.Verb]++
			if s.Reason != "" {
				left[fmt.Sprintf("%s: %s", s.Verb, s.Reason)]++
			}
			if s.Verb == Fragment {
				if err := CheckFragment(s.Kind, s.Text); err != nil {
					t.Errorf("%s: line %d: %v", path, s.Line, err)
				}
			}
		}
	}
	t.Logf("blocks: %d run, %d compared with what was printed, %d manifests applied and %d checked, %d files, %d fragments; %d shown, %d not run; %d scenes",
		done[Run], done[Output], done[Apply], done[Manifest], done[File], done[Fragment], done[Shown], done[NotRun], done[Before])
	for _, reason := range slices.Sorted(maps.Keys(left)) {
		t.Logf("%3d  %s", left[reason], reason)
	}
	if diff := cmp.Diff(notRun, left); diff != "" {
		t.Errorf("blocks that nothing is done with (-want +got):\n%s", diff)
	}
}

// TestPagesNameTargetsThatThereAre in the Makefile.
func TestPagesNameTargetsThatThereAre(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	named := regexp.MustCompile("(?m)(?:`|^    )make ([a-z0-9-]+)")
	found := 0
	for path, source := range everyPage(t) {
		for _, m := range named.FindAllStringSubmatch(string(source), -1) {
			found++
			if !targets[m[1]] {
				t.Errorf("%s: there is no target %s in the Makefile", path, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page names a target: the test finds none")
	}
}

// TestIndexHasEveryPage that is not in a list of its own.
func TestIndexHasEveryPage(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for path := range everyPage(t) {
		link, isDoc := strings.CutPrefix(path, "docs/")
		if !isDoc || link == "README.md" || strings.HasPrefix(link, "adr/0") {
			continue
		}
		if !strings.Contains(string(index), "]("+link+")") {
			t.Errorf("docs/README.md does not list %s", link)
		}
	}
}

func everyPage(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := Files(root)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		if all[path], err = os.ReadFile(filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
