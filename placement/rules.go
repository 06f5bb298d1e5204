// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// rules of a rollout, as a spec gives them.
type rules struct {
	kind clusterv1alpha1.RolloutType
	// atOnce clusters may be at work, outside mandatory groups; the zero value is no bound.
	atOnce intstr.IntOrString
	// failures and unreachable are how many may fail, and not answer.
	failures, unreachable intstr.IntOrString
	// policy for those that do not answer.
	policy opsv1alpha1.UnreachablePolicy
	// soak is how long a cluster has to be well before it counts as done.
	soak time.Duration
	// deadline is how long a cluster may take; 0 is no bound.
	deadline time.Duration
	// mandatory groups come first, and tolerate nothing.
	mandatory []clusterv1alpha1.MandatoryDecisionGroup
	// goOn whatever the budgets say.
	goOn bool
	// perGroup: each group but the first waits until it is approved.
	perGroup bool
	// approved may begin, promoted soak no longer: groups by name.
	approved, promoted []string
	// rollBack what was changed when a budget is used up.
	rollBack bool
	// suspended: nothing is started.
	suspended bool
}

// ValidateRollout says what is wrong with an Operation's rollout, by field. What the API server checks by the CRD is not said again.
func ValidateRollout(spec opsv1alpha1.OperationSpec) field.ErrorList {
	_, errs := readRules(spec)
	return errs
}

func readRules(spec opsv1alpha1.OperationSpec) (rules, field.ErrorList) {
	r := rules{kind: clusterv1alpha1.All, policy: opsv1alpha1.UnreachableWait, suspended: spec.Suspend}
	if spec.Rollout == nil {
		return r, nil
	}
	at := field.NewPath("spec", "rollout")
	r.goOn, r.rollBack = spec.Rollout.OnBreach == opsv1alpha1.BreachContinue, spec.Rollout.OnBreach == opsv1alpha1.BreachRollback
	r.perGroup = spec.Rollout.Gate == opsv1alpha1.GatePerGroup
	r.approved, r.promoted = spec.Rollout.ApprovedGroups, spec.Rollout.PromotedGroups
	var errs field.ErrorList
	if u := spec.Rollout.Unreachable; u != nil {
		if u.Policy != "" {
			r.policy = u.Policy
		}
		r.unreachable = u.MaxClusters
		errs = append(errs, checkShare(at.Child("unreachable", "maxClusters"), u.MaxClusters)...)
	}
	errs = append(errs, r.readStrategy(spec.Rollout.RolloutStrategy, at)...)
	if r.perGroup && r.kind == clusterv1alpha1.All {
		errs = append(errs, field.Invalid(field.NewPath("spec", "rollout", "gate"), spec.Rollout.Gate,
			"is for types Progressive and ProgressivePerGroup: with All no group comes after another"))
	}
	return r, errs
}

// readStrategy is Open Cluster Management's part.
func (r *rules) readStrategy(s clusterv1alpha1.RolloutStrategy, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	var config clusterv1alpha1.RolloutConfig
	switch s.Type {
	case clusterv1alpha1.Progressive:
		r.kind, at = s.Type, at.Child("progressive")
		if p := s.Progressive; p != nil {
			config, r.mandatory, r.atOnce = p.RolloutConfig, p.MandatoryDecisionGroups.MandatoryDecisionGroups, p.MaxConcurrency
			errs = append(errs, checkShare(at.Child("maxConcurrency"), p.MaxConcurrency)...)
		}
	case clusterv1alpha1.ProgressivePerGroup:
		r.kind, at = s.Type, at.Child("progressivePerGroup")
		if p := s.ProgressivePerGroup; p != nil {
			config, r.mandatory = p.RolloutConfig, p.MandatoryDecisionGroups.MandatoryDecisionGroups
		}
	default:
		at = at.Child("all")
		if p := s.All; p != nil {
			config = p.RolloutConfig
		}
	}
	r.failures, r.soak = config.MaxFailures, config.MinSuccessTime.Duration
	errs = append(errs, checkShare(at.Child("maxFailures"), config.MaxFailures)...)
	if r.soak < 0 {
		errs = append(errs, field.Invalid(at.Child("minSuccessTime"), config.MinSuccessTime.Duration.String(), "must not be negative"))
	}
	if d := config.ProgressDeadline; d != "" && d != "None" {
		parsed, err := time.ParseDuration(d)
		if err != nil || parsed <= 0 {
			errs = append(errs, field.Invalid(at.Child("progressDeadline"), d, "must be None, or a duration of more than 0 such as 90m"))
		}
		r.deadline = parsed
	}
	return errs
}

// checkShare of something: a number from 0 on, or a percentage.
func checkShare(at *field.Path, share intstr.IntOrString) field.ErrorList {
	if n, ok := shareOf(share, 100); !ok || n < 0 || share.Type == intstr.String && n > 100 {
		return field.ErrorList{field.Invalid(at, share.String(), "must be a number of clusters, or a percentage such as 25%")}
	}
	return nil
}

// shareOf a total: a number as it is, a percentage rounded up, so that some percent of few clusters are at least one.
func shareOf(share intstr.IntOrString, total int) (n int, ok bool) {
	if share.Type == intstr.Int {
		return share.IntValue(), true
	}
	percent, isPercent := strings.CutSuffix(share.StrVal, "%")
	value, err := strconv.Atoi(percent)
	if err != nil {
		return 0, false
	}
	if isPercent {
		value = int(math.Ceil(float64(value) * float64(total) / 100))
	}
	return value, true
}

// Unreachable is what becomes of a cluster that did not answer in time.
func Unreachable(spec opsv1alpha1.OperationSpec) State {
	if r, _ := readRules(spec); r.policy == opsv1alpha1.UnreachableSkip {
		return Skipped
	}
	return Failed
}

// isMandatory tells whether a group is one of those that come first.
func (r rules) isMandatory(g Group) bool {
	return slices.ContainsFunc(r.mandatory, func(m clusterv1alpha1.MandatoryDecisionGroup) bool {
		if m.GroupName != "" {
			return m.GroupName == g.Name
		}
		return int(m.GroupIndex) == g.Decision
	})
}

// Order puts the groups into the order of a rollout: the mandatory ones first, as they are named there.
func Order(groups []Group, spec opsv1alpha1.OperationSpec) []Group {
	r, _ := readRules(spec)
	ordered := slices.Clone(groups)
	slices.SortStableFunc(ordered, func(a, b Group) int { return r.precedence(a) - r.precedence(b) })
	return ordered
}

func (r rules) precedence(g Group) int {
	for i := range r.mandatory {
		if one := (rules{mandatory: r.mandatory[i : i+1]}); one.isMandatory(g) {
			return i
		}
	}
	return len(r.mandatory)
}

// stage is a part of the plan that is finished before the next begins.
type stage struct {
	// from and to are the clusters' indexes in the plan, to excluded.
	from, to int
	// groups of it.
	groups []part
	// name for people.
	name string
	// rest: it goes on over all groups that are not mandatory.
	rest bool
	// atOnce clusters are at work, failures and unreachable are tolerated; negative is without bound.
	atOnce, failures, unreachable int
}

// part of a plan that is a group: its index there, and those of its clusters, to excluded.
type part struct{ index, from, to int }

// parts of the plan, one for each group.
func (p Plan) parts() []part {
	parts, at := make([]part, len(p.Groups)), 0
	for i, g := range p.Groups {
		parts[i] = part{i, at, at + len(g.Clusters)}
		at += len(g.Clusters)
	}
	return parts
}

// stages of a plan. What a percentage is of is OCM's: for Progressive all clusters of the plan (maxFailures) or all that are not mandatory (maxConcurrency), for
// ProgressivePerGroup the group.
func (r rules) stages(plan Plan) []stage {
	parts, total := plan.parts(), plan.Len()
	if r.kind == clusterv1alpha1.All {
		return []stage{{to: total, groups: parts, atOnce: -1, failures: -1, unreachable: -1}}
	}
	var all []stage
	for i, g := range plan.Groups {
		s := stage{from: parts[i].from, to: parts[i].to, groups: parts[i : i+1], name: plan.GroupName(i), atOnce: -1}
		switch last := len(all) - 1; {
		case r.isMandatory(g):
		case r.kind == clusterv1alpha1.ProgressivePerGroup:
			s.failures, _ = shareOf(r.failures, len(g.Clusters))
			s.unreachable, _ = shareOf(r.unreachable, len(g.Clusters))
		case last >= 0 && all[last].rest:
			all[last].to = s.to
			all[last].groups = parts[all[last].groups[0].index : i+1]
			continue
		default:
			s.rest = true
			s.failures, _ = shareOf(r.failures, total)
			s.unreachable, _ = shareOf(r.unreachable, total)
		}
		all = append(all, s)
	}
	for i := range all {
		if n, _ := shareOf(r.atOnce, all[i].to-all[i].from); all[i].rest && n > 0 {
			all[i].atOnce = n
		}
	}
	return all
}

// GroupName is how people know the group with an index in the plan.
func (p Plan) GroupName(i int) string {
	if name := p.Groups[i].Name; name != "" {
		return name
	}
	return strconv.Itoa(p.Groups[i].Decision)
}

// describe a budget that is used up.
func (s stage) breach(failed, away int, first ClusterResult) string {
	what := fmt.Sprintf("%d of its clusters failed, and %d may", failed, s.failures)
	if failed <= s.failures {
		what = fmt.Sprintf("%d of its clusters did not answer, and %d may", away, s.unreachable)
	}
	cause := opsv1alpha1.Truncate(first.Cause(), opsv1alpha1.MaxMessage/2) // what to do stands after it
	if !strings.ContainsAny(cause[max(0, len(cause)-1):], ".?!") {
		cause += "."
	}
	return fmt.Sprintf("halted in group %s: %s; %s: %s Try again by spec.retry, raise the budget in spec.rollout, set spec.rollout.onBreach to Continue, or cancel",
		s.name, what, first.Cluster, cause)
}
