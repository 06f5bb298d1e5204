// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"vworkspace.io/fleet/spoke/hosted"
)

// What does not make sense together is refused, with the flag to change.
func TestFlagsThatDoNotGoTogether(t *testing.T) {
	for want, args := range map[string][]string{
		"--cluster: with --hosted":                   {"--hosted", "--cluster=spoke1"},
		"--leader-elect: replicas of --hosted share": {"--hosted", "--leader-elect"},
		"--hosted-replica: only --hosted":            {"--cluster=spoke1", "--hosted-replica=one"},
		"--hosted-replica: \"A_b\" cannot be a part": {"--hosted", "--hosted-replica=A_b"},
		"--hosted-namespace: only --hosted":          {"--hosted-namespace=fleet"},
		"--hosted-label: only --hosted":              {"--cluster=spoke1", "--hosted-label=fleet"},
		"--hosted-namespace: \"A_b\" cannot be":      {"--hosted", "--hosted-namespace=A_b"},
		"--hosted-label: \"a b\" cannot be a label":  {"--hosted", "--hosted-label=a b"},
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
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if want := (hosted.Source{Namespace: hosted.DefaultNamespace, Label: hosted.DefaultLabel, Replica: strings.ToLower(host)}); !reflect.DeepEqual(f.source, want) {
		t.Errorf("got %+v, want %+v", f.source, want)
	}
	if f, err = parse(flag.NewFlagSet("spoke", flag.ContinueOnError), []string{"--cluster=spoke1"}); err != nil || !reflect.ValueOf(f.source).IsZero() {
		t.Errorf("got %+v and %v, want no Secrets", f.source, err)
	}
}

// A process is ready by the cluster that it speaks to as itself. Where only Secrets are, our kinds need not be.
func TestReadiness(t *testing.T) {
	for _, c := range []struct {
		args  []string
		kinds int
		lease string
	}{
		{[]string{"--cluster=spoke1"}, 5, "/"},
		{[]string{"--cluster=spoke1", "--leader-elect", "--agent-namespace=agent"}, 5, "agent/vworkspace-agent"},
		{[]string{"--hosted"}, 0, "/"},
	} {
		f, err := parse(flag.NewFlagSet("spoke", flag.ContinueOnError), c.args)
		if err != nil {
			t.Fatal(err)
		}
		if r := f.readiness(); len(r.Kinds) != c.kinds || r.Lease.String() != c.lease {
			t.Errorf("%v: got %d kinds and the Lease %s, want %d and %s", c.args, len(r.Kinds), r.Lease, c.kinds, c.lease)
		}
	}
}
