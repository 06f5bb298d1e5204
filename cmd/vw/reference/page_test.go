// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"vworkspace.io/fleet/cmd/vw/cli"
)

func TestTheTreeHoldsWhatIsGenerated(t *testing.T) {
	t.Chdir("../../..")
	want, err := page(cli.Tree(), cli.Documents(), ".")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run make generate (-generated +in the tree):\n%s", diff)
	}
}

// thing is printed.
type thing struct {
	// Name of it.
	Name string `json:"name"`
	// Done and Total are counted.
	Done   int             `json:"done"`
	Total  int             `json:"total"`
	Parts  []part          `json:"parts,omitempty"`
	ByName map[string]bool `json:"byName"`
}

// part of a thing.
type part struct {
	// Since when.
	Since time.Time `json:"since"`
	Of    *thing    `json:"of"`
}

// TestPage of a small tree: what is hidden stays out, and what Markdown would take for its own is escaped.
func TestPage(t *testing.T) {
	root := &cobra.Command{Use: "vw"}
	root.AddGroup(&cobra.Group{ID: "see", Title: "See how it goes:"})
	get := &cobra.Command{
		Use: "get [NAME]", Short: "Show", Aliases: []string{"g"}, GroupID: "see", Run: func(*cobra.Command, []string) {},
		Long: "Show <one>.\n\n  vw get a", Example: "  # what failed\n  vw get a --failed",
	}
	get.Flags().StringP("state", "s", "all", "one of a|b")
	get.Flags().Bool("secret", false, "")
	_ = get.Flags().MarkHidden("secret")
	root.AddCommand(get, &cobra.Command{Use: "gone", Hidden: true, Run: func(*cobra.Command, []string) {}})
	text, err := page(root, []cli.Document{{Kind: "Thing", Command: "vw get", Of: thing{}}}, "../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| See how it goes | [`get`](#vw-get) |\n", "## vw get\n\n`vw get [NAME] [flags]`\n\nAlso `g`.\n\nShow \\<one>.\n\n- `vw get a`\n",
		"\nwhat failed:\n- `vw get a --failed`\n", "| `-s`, `--state string` | one of a\\|b | `all` |\n", "| 3 | what was waited for has not come within --timeout. It goes on. |\n",
		"### Thing\n\nOf `vw get`. thing is printed.\n", "| `name` | text | Name of it. |\n", "| `total` | number | Done and Total are counted. |\n",
		"| `parts[].since` | time | Since when. |\n", "| `parts[].of` | object |  |\n", "| `byName` | true or false by name |  |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, hidden := range []string{"secret", "gone"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q is hidden, and in\n%s", hidden, text)
		}
	}
}

func TestStatusesOfAFileWithout(t *testing.T) {
	if _, err := statusesOf("main.go"); err == nil || !strings.Contains(err.Error(), "main.go has no constant Exit") {
		t.Error(err)
	}
}
