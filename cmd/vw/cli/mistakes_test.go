// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/vwtest"
)

var update = flag.Bool("update", false, "write docs/reference/vw-mistakes.md as it is now")

const mistakesHead = `# What vw says when something is wrong

Every mistake here is made by a test, against a real API server, and this page is what vw answered (` + "`go test ./cmd/vw/cli -run Mistakes -update`" + ` writes it). A message names
the argument or the field that is wrong, and what to do. All of them end with exit status 1 but where another is named.

The people of the tests work in namespace ` + "`shops`" + `, where ` + "`nightly`" + ` runs, ` + "`upgrade-1`" + ` has Failed, and Placement ` + "`everywhere`" + ` has chosen spoke1 (its canary) and spoke2.
`

// mistakes that people make, by what they wanted.
var mistakes = []struct {
	title string
	calls []string
}{
	{"Names", []string{
		"bakcup",
		"pause nightli", "describe op nightli", "describe op nightly --cluster spoke9", "watch nightli", "logs op nightli", "plan nightli", "get op nightli",
		"get opps", "templates upgrade-hlem", "unfreeze night",
	}},
	{"Running something", []string{
		"backup", "backup --placement nowhere --yes", "backup --app shopp --yes", "backup --placement everywhere --cluster spoke1",
		"upgrade --placement everywhere --target-vesion 1", "upgrade --placement everywhere --retries many",
		"run upgrade-helm --placement everywhere --set targetVersion", "run upgrade-helm --placement everywhere --parameters nothing.yaml",
		"backup --placement everywhere --canary 3", "backup --placement everywhere --canary north",
		"backup --placement everywhere --max-concurrency none", "backup --placement everywhere --dry-run=maybe", "backup --placement everywhere --timeout soon",
	}},
	{"Steering", []string{
		"pause", "pause upgrade-1", "cancel upgrade-1", "approve upgrade-1", "approve nightly --claim nothing.jws", "rollback nightly",
		"retry nightly --failed --wait upgrade-1", "freeze night", "freeze --reason x", "freeze night --reason x --until yesterday", "freeze night --reason x --types coffee",
	}},
	{"Looking", []string{
		"get -o xml", "get --state broken", "get --sort-by colour", "doctor --only nothing", "watch nightly --timeout=-1s", "logs op nightly --since soon",
		"describe op nightly --cluster eu-0 --spoke-context nowhere",
	}},
	{"The connection", []string{
		"--context nowhere get", "--server https://127.0.0.1:1 get", "--as nobody get", "--kubeconfig nothing.yaml get",
	}},
}

// TestMistakes: each mistake that a person can make is answered by a message that is on a page, and vw does not do half of what was asked.
func TestMistakes(t *testing.T) {
	ns := shopsOn(t)
	nightly := vwtest.Seed(t, api, ns, "nightly", vwtest.Group("eu", 1))
	put(t, ns, "upgrade-1", opsv1alpha1.PhaseFailed, nil)
	t.Chdir(t.TempDir())
	var page strings.Builder
	page.WriteString(mistakesHead)
	for _, group := range mistakes {
		fmt.Fprintf(&page, "\n## %s\n", group.title)
		for _, call := range group.calls {
			got := vw(t, append([]string{"-n", ns}, strings.Fields(strings.ReplaceAll(call, "eu-0", nightly.Cluster("eu-0")))...)...)
			if got.status == ExitOK || got.errOut == "" {
				t.Errorf("vw %s: status %d, printed %q, said %q", call, got.status, got.out, got.errOut)
			}
			status := ""
			if got.status != ExitError {
				status = fmt.Sprintf(" (exit status %d)", got.status)
			}
			fmt.Fprintf(&page, "\n`vw %s`%s\n\n%s", call, status, quoted(got.errOut, ns))
		}
	}
	file := filepath.Join(server.Root, "docs", "reference", "vw-mistakes.md")
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != page.String() {
		t.Errorf("%s is not what vw says: look at it, and write it anew by -update. It says:\n%s", file, page.String())
	}
}

// quoted is a message in the page, without what differs from run to run.
func quoted(message, ns string) string {
	message = strings.NewReplacer(ns+"-eu", "eu", ns, "shops", kubeconfig, "~/.kube/config", server.Config.Host, "https://hub.example.com:6443").Replace(message)
	quoted := ""
	for line := range strings.Lines(strings.TrimSpace(message)) {
		if line = strings.TrimSpace(line); line != "" {
			quoted += "> " + line + "\\\n"
		}
	}
	return strings.TrimSuffix(quoted, "\\\n") + "\n"
}
