// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"errors"
	"strings"
	"testing"
	"time"

	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	"vworkspace.io/fleet/placement"
)

// wrong holds that an error names an option, and says something.
func wrong(t *testing.T, err error, option, says string) {
	t.Helper()
	var invalid *Invalid
	switch {
	case !errors.As(err, &invalid):
		t.Errorf("--%s: no complaint: %v", option, err)
	case invalid.Option != option || !strings.Contains(invalid.Message, says):
		t.Errorf("%v, want --%s: %s", err, option, says)
	}
}

func TestWrongRollouts(t *testing.T) {
	for name, tt := range map[string]struct {
		Rollout
		unknown      bool
		option, says string
	}{
		"no such group":        {Rollout: Rollout{Canary: []string{"canari"}}, option: "canary", says: "it has canary (1), eu (2)"},
		"too many canaries":    {Rollout: Rollout{Canary: []string{"2"}}, option: "canary", says: "no first groups of the Placement are 2"},
		"all of them":          {Rollout: Rollout{Canary: []string{"3"}}, option: "canary", says: "no first groups"},
		"none":                 {Rollout: Rollout{Canary: []string{"0"}}, option: "canary", says: "no first groups"},
		"groups are not known": {Rollout: Rollout{Canary: []string{"1"}}, unknown: true, option: "canary", says: "name a group"},
		"concurrency":          {Rollout: Rollout{MaxConcurrency: "some"}, option: "max-concurrency", says: "such as 10%"},
		"failures":             {Rollout: Rollout{MaxFailures: "101%"}, option: "max-failures", says: "such as 10%"},
		"breach":               {Rollout: Rollout{OnBreach: "panic"}, option: "on-breach", says: "halt, continue, rollback"},
		"unreachable":          {Rollout: Rollout{Unreachable: "shout"}, option: "unreachable", says: "wait, skip, fail"},
		"soak":                 {Rollout: Rollout{Soak: -time.Second}, option: "soak", says: "15m"},
		"both":                 {Rollout: Rollout{PerGroup: true, MaxConcurrency: "1"}, option: "per-group", says: "leave"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.Spec(groups, !tt.unknown)
			wrong(t, err, tt.option, tt.says)
		})
	}
}

func TestCanaries(t *testing.T) {
	numbered := []placement.Group{{Clusters: []string{"a"}}, {Decision: 1, Clusters: []string{"b"}}, {Decision: 2, Clusters: []string{"c"}}}
	for name, tt := range map[string]struct {
		canary []string
		groups []placement.Group
		known  bool
		want   []clusterv1alpha1.MandatoryDecisionGroup
	}{
		"by name":                          {[]string{"canary"}, groups, true, []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: "canary"}}},
		"by name that cannot be looked at": {[]string{"any"}, nil, false, []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: "any"}}},
		"by number of clusters":            {[]string{"1"}, groups, true, []clusterv1alpha1.MandatoryDecisionGroup{{GroupName: "canary"}}},
		"groups without names":             {[]string{"2"}, numbered, true, []clusterv1alpha1.MandatoryDecisionGroup{{GroupIndex: 0}, {GroupIndex: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := Rollout{Canary: tt.canary}.Spec(tt.groups, tt.known)
			if err != nil {
				t.Fatal(err)
			}
			if got := spec.Progressive.MandatoryDecisionGroups.MandatoryDecisionGroups; !equalGroups(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func equalGroups(a, b []clusterv1alpha1.MandatoryDecisionGroup) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestNoRollout(t *testing.T) {
	if spec, err := (Rollout{}).Spec(nil, false); spec != nil || err != nil {
		t.Error(spec, err)
	}
	spec, err := Rollout{Gate: true}.Spec(groups, true)
	if err != nil || spec.Type != clusterv1alpha1.ProgressivePerGroup {
		t.Error("a gate is for groups:", spec, err)
	}
}
