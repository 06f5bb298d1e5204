// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
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
var notRun = map[string]int{
	"not run: a target of the Makefile": 4,
	"not run: needs Helm":               8,
	"not run: needs OCM's operator":     2,
	"not run: needs an image registry":  1,
	"not run: needs pods that run":      8,
	"not run: would end the fleet":      1,

	"shown: a drawing":                          7,
	"shown: a format":                           4,
	"shown: a formula of metrics":               1,
	"shown: a larger fleet prints it":           5,
	"shown: a message":                          3,
	"shown: a target of the Makefile prints it": 2,
}

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

// TestTroubleshootingHasEveryReason that all levels and engines share.
func TestTroubleshootingHasEveryReason(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/how-to/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "api/ops/v1alpha1/conditions.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		found++
		if reason := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`); !strings.Contains(string(text), "`"+reason+"`") {
			t.Errorf("docs/how-to/troubleshooting.md does not say what to do about %s", reason)
		}
		return true
	})
	if found == 0 {
		t.Error("there are no reasons: the test finds none")
	}
}

// TestLinksLeadSomewhere that is in the repository.
func TestLinksLeadSomewhere(t *testing.T) {
	pages := everyPage(t)
	for _, name := range []string{"CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		source, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = source
	}
	for path, source := range pages {
		links, _ := Links(source)
		for _, link := range links {
			if strings.Contains(link, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			to := filepath.Join(filepath.Dir(path), file)
			if file == "" {
				to = path
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s: there is no %s", path, link, to)
				continue
			}
			if target, isPage := pages[to]; isPage && anchor != "" {
				if _, anchors := Links(target); !anchors[anchor] {
					t.Errorf("%s: %s: %s has no such heading", path, link, to)
				}
			}
		}
	}
}
