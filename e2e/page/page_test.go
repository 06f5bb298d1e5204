// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const source = "# Page\n" +
		"<!-- where: NAME=shop, https://a.example.com=@URL@ -->\n\n" +
		"<!-- before: spoke1\nkubectl create namespace NAME\n-->\n" +
		"<!-- run: hub, expect: NAME, and more -->\n" +
		"    kubectl get NAME # https://a.example.com/NAMESPACE\n    again\n\n" +
		"<!-- output -->\n    NAME AGE\n\n" +
		"1. In a list:\n\n   <!-- file: values.yaml -->\n   ```yaml\n   a: b\n   ```\n\n" +
		"<!-- where: NAME=NAME -->\n" +
		"<!-- manifest: spoke2 -->\n```yaml\napiVersion: v1\nkind: NAME\n```\n\n" +
		"<!-- a note -->\n\n<!-- not run: needs Helm -->\n    helm\n"
	got, err := Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Directive: Directive{Verb: Before, Cluster: "spoke1"}, Line: 5, Text: "kubectl create namespace shop\n"},
		{Directive: Directive{Verb: Run, Cluster: "hub", Expect: "NAME, and more"}, Line: 8, Text: "kubectl get shop # @URL@/NAMESPACE\nagain\n"},
		{Directive: Directive{Verb: Output}, Line: 12, Text: "shop AGE\n"},
		{Directive: Directive{Verb: File, Name: "values.yaml"}, Line: 18, Language: "yaml", Text: "a: b\n"},
		{Directive: Directive{Verb: Manifest, Cluster: "spoke2"}, Line: 24, Language: "yaml", Text: "apiVersion: v1\nkind: NAME\n"},
		{Directive: Directive{Verb: NotRun, Reason: "needs Helm"}, Line: 31, Text: "helm\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseComplains(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"no comment":         {"text\n\n    ls\n", "line 3: this block says not what is done with it"},
		"far comment":        {"<!-- run: hub -->\n\ntext\n\n    ls\n", "line 1: this comment is about a block of code, and none follows it"},
		"comment at the end": {"text\n\n<!-- run: hub -->\n", "line 3: this comment is about a block"},
		"cut comment":        {"1. text\n\n   <!-- before: hub\nls\n-->\n", "line 3: this comment does not end where its list or quotation does"},
		"two comments":       {"<!-- run: hub -->\n<!-- output -->\n    ls\n", "line 1: this comment is about a block"},
		"unknown word":       {"<!-- runs: hub -->\n    ls\n", "line 2: this block says not"},
		"unknown cluster":    {"<!-- run: hubs -->\n    ls\n", `run: "hubs" is no cluster`},
		"unknown condition":  {"<!-- run: hub, wants: x -->\n    ls\n", `"wants" is none of expect, until and fails`},
		"no text":            {"<!-- run: hub, until: -->\n    ls\n", "run: until needs a text"},
		"unknown reason":     {"<!-- not run: no time -->\n    ls\n", `not run: "no time" is none of the reasons: a target of the Makefile; needs Helm;`},
		"reason of another":  {"<!-- shown: needs Helm -->\n    ls\n", `shown: "needs Helm" is none of the reasons`},
		"too much":           {"<!-- output: x -->\n    ls\n", `output: "x" is too much`},
		"file elsewhere":     {"<!-- file: a/b -->\n    x\n", `file: "a/b" is not the name of a file`},
		"file on nothing":    {"<!-- file: a, on: there -->\n    x\n", `file: "there" is no cluster`},
		"YAML that is run":   {"<!-- run: hub -->\n```yaml\na: b\n```\n", "YAML cannot be run"},
		"YAML that is shown": {"<!-- shown: a format -->\n```yaml\na: b\n```\n", "YAML is always checked"},
		"whole fragment":     {"<!-- fragment -->\n```yaml\napiVersion: v1\n```\n", "this is no fragment but a manifest"},
		"unchecked file":     {"<!-- file: a -->\n```yaml\napiVersion: v1\n```\n", "this file is a manifest: say on:"},
		"bad where":          {"<!-- where: x -->\n\n<!-- run: hub -->\n    ls\n", `where: "x" is not NAME=VALUE`},
	} {
		if _, err := Parse([]byte(c.source)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestMatches(t *testing.T) {
	for name, c := range map[string]struct {
		shown, printed string
		want           bool
	}{
		"the same, spaced":      {"NAME   AGE\na 3d\n", "NAME AGE\na    17s\n", true},
		"another time":          {"at 2026-11-29T12:00:00Z", "at 2027-01-01T00:00:00Z", true},
		"no time":               {"a 3d", "a later", false},
		"dots in a line":        {"spoke...: no ...", "spoke3: no longer", true},
		"dots for lines":        {"a\n...\nd", "a\nb\nc\nd", true},
		"dots for no line":      {"a\n...\nb", "a\nb", true},
		"a line too many":       {"a", "a\nb", false},
		"a line too few":        {"a\nb", "a", false},
		"other order":           {"a\nb", "b\na", false},
		"what a pattern would":  {"a.c", "abc", false},
		"nothing for something": {"", "a", false},
		"nothing for nothing":   {"", "\n", true},
	} {
		if got := Matches(c.shown, c.printed); got != c.want {
			t.Errorf("%s: Matches is %t", name, got)
		}
	}
}

func TestContains(t *testing.T) {
	const printed = "upgrade   Running\n1/3 RolloutHalted"
	for text, want := range map[string]bool{"": true, "upgrade Running 1/3": true, "upgrade ... Halted": true, "Halted ... upgrade": false, "Run.ing": false} {
		if got := Contains(text, printed); got != want {
			t.Errorf("Contains(%q) is %t", text, got)
		}
	}
}

func TestCheckFragment(t *testing.T) {
	for name, c := range map[string]struct{ kind, text, want string }{
		"good":          {"Operation", "spec: {type: Backup, parameters: {any: thing}}", ""},
		"misspelt":      {"Operation", "spec: {typ: Backup}", `unknown field "spec.typ"`},
		"of Kubernetes": {"Role", "rules: [{verb: []}]", `unknown field "rules[0].verb"`},
		"no kind":       {"", "anything: [goes]", ""},
		"no YAML":       {"", "a: b: c", "mapping values are not allowed"},
		"twice":         {"", "a: 1\na: 2", "already set in map"},
		"unknown kind":  {"Operations", "spec: {}", `kind "Operations" is not known; ours are AgentPolicy,`},
	} {
		err := CheckFragment(c.kind, c.text)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestLinks(t *testing.T) {
	links, anchors := Links([]byte("# What `vw get` *does*, and why\n\n## Again\n\n| a |\n|---|\n| [x](y.md#z) |\n\n## Again\n"))
	if diff := cmp.Diff([]string{"y.md#z"}, links); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]bool{"what-vw-get-does-and-why": true, "again": true, "again-1": true}, anchors); diff != "" {
		t.Error(diff)
	}
}
