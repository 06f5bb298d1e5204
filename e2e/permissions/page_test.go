// SPDX-License-Identifier: Apache-2.0

package permissions

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/reference/permissions.md")

// TestPermissionsAreDocumented: what is asked above is what people read.
func TestPermissionsAreDocumented(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "permissions.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- table: written by e2e/permissions -->\n", "<!-- end of table -->"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", path, begin, end)
	}
	want := before + begin + document() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is not what is tested: go test ./e2e/permissions -update", path)
	}
}

// document renders the table: what is dangerous once for all, the rest by identity.
func document() string {
	var b strings.Builder
	head := "| may | verb | resource | namespace | because |\n|---|---|---|---|---|\n"
	line := func(p permission) {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s |\n", yes(p.may), p.verb, p.resource, strings.ReplaceAll(p.namespace, "*", "any"), p.why)
	}
	b.WriteString("\n### Every one of them\n\n" + head)
	for _, p := range dangerous {
		line(p)
	}
	for _, i := range identities {
		fmt.Fprintf(&b, "\n### %s, on the %s\n\n%s", strings.ToUpper(i.name[:1])+i.name[1:], i.cluster, head)
		for _, p := range permissions {
			if p.who == i.name {
				line(p)
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}
