// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"strings"
	"testing"

	"vworkspace.io/fleet/spoke/hosted"
)

// What does not make sense together is refused, with the flag to change.
func TestFlagsThatDoNotGoTogether(t *testing.T) {
	for want, args := range map[string][]string{
		"--cluster: with --hosted":                  {"--hosted", "--cluster=spoke1"},
		"--hosted-namespace: only --hosted":         {"--hosted-namespace=fleet"},
		"--hosted-label: only --hosted":             {"--cluster=spoke1", "--hosted-label=fleet"},
		"--hosted-namespace: \"A_b\" cannot be":     {"--hosted", "--hosted-namespace=A_b"},
		"--hosted-label: \"a b\" cannot be a label": {"--hosted", "--hosted-label=a b"},
	} {
		var said strings.Builder
		set := flag.NewFlagSet("spoke", flag.ContinueOnError)
		set.SetOutput(&said)
		if _, err := parse(set, args); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(said.String(), want) {
			t.Errorf("%v: got %v and said %q, want %q", args, err, said.String(), want)
		}
	}
}

func TestHostedDefaults(t *testing.T) {
	f, err := parse(flag.NewFlagSet("spoke", flag.ContinueOnError), []string{"--hosted"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (hosted.Source{Namespace: hosted.DefaultNamespace, Label: hosted.DefaultLabel}); f.source != want {
		t.Errorf("got %+v, want %+v", f.source, want)
	}
	if f, err = parse(flag.NewFlagSet("spoke", flag.ContinueOnError), []string{"--cluster=spoke1"}); err != nil || f.source != (hosted.Source{}) {
		t.Errorf("got %+v and %v, want no Secrets", f.source, err)
	}
}
