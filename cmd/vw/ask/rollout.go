// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// Rollout says how fast a fleet Operation goes, and what stops it. What is left out is the hub's default; a zero Rollout acts on all clusters at once.
type Rollout struct {
	// Canary clusters go first: names of decision groups of the Placement, or one number of clusters, which the first groups have to hold exactly.
	Canary []string
	// MaxConcurrency and MaxFailures are numbers or percentages of clusters.
	MaxConcurrency, MaxFailures string
	// Soak is how long a cluster has to be well before it counts.
	Soak time.Duration
	// PerGroup acts on one decision group after the other.
	PerGroup bool
	// Gate lets each group but the first wait for a person.
	Gate bool
	// OnBreach is Halt, Continue or Rollback.
	OnBreach string
	// Unreachable is Wait, Skip or Fail.
	Unreachable string
}

// Spec of the rollout; nil for a zero one. groups are those of the Placement as it has decided now; known tells whether it could be asked.
func (r Rollout) Spec(groups []placement.Group, known bool) (*opsv1alpha1.RolloutSpec, error) {
	strategy, err := r.strategy(groups, known)
	if err != nil {
		return nil, err
	}
	spec := &opsv1alpha1.RolloutSpec{RolloutStrategy: strategy}
	if spec.OnBreach, err = oneOf("on-breach", r.OnBreach, opsv1alpha1.BreachHalt, opsv1alpha1.BreachContinue, opsv1alpha1.BreachRollback); err != nil {
		return nil, err
	}
	policy, err := oneOf("unreachable", r.Unreachable, opsv1alpha1.UnreachableWait, opsv1alpha1.UnreachableSkip, opsv1alpha1.UnreachableFail)
	if err != nil {
		return nil, err
	}
	if policy != "" {
		spec.Unreachable = &opsv1alpha1.UnreachableSpec{Policy: policy}
	}
	if r.Gate {
		spec.Gate = opsv1alpha1.GatePerGroup
	}
	if strategy.Type == "" && policy == "" {
		return nil, nil
	}
	if strategy.Type == "" {
		spec.Type = clusterv1alpha1.All
	}
	return spec, nil
}

// strategy is Open Cluster Management's part; without a type when all clusters are acted on at once.
func (r Rollout) strategy(groups []placement.Group, known bool) (clusterv1alpha1.RolloutStrategy, error) {
	var s clusterv1alpha1.RolloutStrategy
	config, err := r.config()
	if err != nil {
		return s, err
	}
	mandatory, err := r.canaries(groups, known)
	if err != nil {
		return s, err
	}
	concurrency, err := share("max-concurrency", r.MaxConcurrency)
	if err != nil {
		return s, err
	}
	switch {
	case r.PerGroup && r.MaxConcurrency != "":
		return s, invalid("per-group", "a group is acted on at once: leave --max-concurrency out, or --per-group")
	case r.PerGroup, r.Gate && r.MaxConcurrency == "":
		s.Type = clusterv1alpha1.ProgressivePerGroup
		s.ProgressivePerGroup = &clusterv1alpha1.RolloutProgressivePerGroup{RolloutConfig: config, MandatoryDecisionGroups: mandatory}
	case len(r.Canary) > 0 || r.MaxConcurrency != "" || r.MaxFailures != "" || r.Soak > 0 || r.OnBreach != "":
		s.Type = clusterv1alpha1.Progressive
		s.Progressive = &clusterv1alpha1.RolloutProgressive{RolloutConfig: config, MandatoryDecisionGroups: mandatory, MaxConcurrency: concurrency}
	}
	return s, nil
}

func (r Rollout) config() (clusterv1alpha1.RolloutConfig, error) {
	failures, err := share("max-failures", r.MaxFailures)
	if err != nil {
		return clusterv1alpha1.RolloutConfig{}, err
	}
	if r.Soak < 0 {
		return clusterv1alpha1.RolloutConfig{}, invalid("soak", "%s is less than nothing: give a time such as 15m", r.Soak)
	}
	return clusterv1alpha1.RolloutConfig{MaxFailures: failures, MinSuccessTime: metav1.Duration{Duration: r.Soak}}, nil
}

// canaries are the groups that go first.
func (r Rollout) canaries(groups []placement.Group, known bool) (clusterv1alpha1.MandatoryDecisionGroups, error) {
	var first clusterv1alpha1.MandatoryDecisionGroups
	if len(r.Canary) == 1 && !slices.ContainsFunc(groups, func(g placement.Group) bool { return g.Name == r.Canary[0] }) {
		if n, err := strconv.Atoi(r.Canary[0]); err == nil {
			return leading(n, groups, known)
		}
	}
	for _, name := range r.Canary {
		if known && !slices.ContainsFunc(groups, func(g placement.Group) bool { return g.Name == name }) {
			return first, invalid("canary", "the Placement has no decision group %q: it has %s", name, described(groups))
		}
		first.MandatoryDecisionGroups = append(first.MandatoryDecisionGroups, clusterv1alpha1.MandatoryDecisionGroup{GroupName: name})
	}
	return first, nil
}

// leading are the first groups, which together have n clusters.
func leading(n int, groups []placement.Group, known bool) (clusterv1alpha1.MandatoryDecisionGroups, error) {
	var first clusterv1alpha1.MandatoryDecisionGroups
	if !known {
		return first, invalid("canary", "which groups hold %d clusters is not known, because the Placement's decisions cannot be read: name a group", n)
	}
	held := 0
	for _, g := range groups {
		if held >= n {
			break
		}
		held += len(g.Clusters)
		one := clusterv1alpha1.MandatoryDecisionGroup{GroupName: g.Name}
		if g.Name == "" {
			one.GroupIndex = int32(g.Decision)
		}
		first.MandatoryDecisionGroups = append(first.MandatoryDecisionGroups, one)
	}
	if n < 1 || held != n || len(first.MandatoryDecisionGroups) == len(groups) {
		return first, invalid("canary", "no first groups of the Placement are %d of its clusters: it has %s. Name a group, or divide the Placement: spec.decisionStrategy.groupStrategy",
			n, described(groups))
	}
	return first, nil
}

// described are groups with the number of their clusters.
func described(groups []placement.Group) string {
	if len(groups) == 0 {
		return "no clusters"
	}
	if len(groups) == 1 && groups[0].Name == "" {
		return fmt.Sprintf("one group, of all its clusters (%d)", len(groups[0].Clusters))
	}
	var all []string
	for i, g := range groups {
		if i == 8 {
			all = append(all, fmt.Sprintf("and %d more", len(groups)-i))
			break
		}
		name := g.Name
		if name == "" {
			name = strconv.Itoa(g.Decision)
		}
		all = append(all, fmt.Sprintf("%s (%d)", name, len(g.Clusters)))
	}
	return strings.Join(all, ", ")
}

var shares = regexp.MustCompile(`^((100|[0-9]{1,2})%|[0-9]+)$`)

// share of clusters: a number or a percentage; zero when left out.
func share(option, text string) (intstr.IntOrString, error) {
	if text == "" {
		return intstr.IntOrString{}, nil
	}
	if !shares.MatchString(text) {
		return intstr.IntOrString{}, invalid(option, "%q is neither a number of clusters nor a percentage such as 10%%", text)
	}
	return intstr.Parse(text), nil
}

// oneOf the values, whatever its capitals.
func oneOf[T ~string](option, text string, values ...T) (T, error) {
	var names []string
	for _, v := range values {
		if strings.EqualFold(text, string(v)) {
			return v, nil
		}
		names = append(names, strings.ToLower(string(v)))
	}
	if text == "" {
		return "", nil
	}
	return "", invalid(option, "%q is not one of %s", text, strings.Join(names, ", "))
}
