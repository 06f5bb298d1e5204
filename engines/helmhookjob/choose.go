// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helmrecord"
)

const (
	kindJob = "Job"
	kindPod = "Pod"
	// maxHooks of one run: each is recorded in status.resources.
	maxHooks = 32
	// maxNamed hooks are listed in a message.
	maxNamed = 10
)

// choose finds the hooks that the parameters ask for, in the order in which Helm would run them. The error is an *engines.InvalidError.
func (p *Parameters) choose(rec *helmrecord.Record) ([]*release.Hook, error) {
	asked := slices.DeleteFunc(slices.Clone(rec.Hooks), func(h *release.Hook) bool { return !p.asksFor(h) })
	hooks := slices.DeleteFunc(slices.Clone(asked), func(h *release.Hook) bool { return !runnable(h) })
	// By weight, then by name; what is equal stays in the order of kinds that Helm has recorded.
	slices.SortStableFunc(hooks, func(a, b *release.Hook) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Name, b.Name))
	})
	switch {
	case len(asked) == 0:
		there := slices.DeleteFunc(slices.Clone(rec.Hooks), func(h *release.Hook) bool { return !runnable(h) })
		return nil, p.refuse(ReasonHookNotFound, "%s; those that can be run: %s", p.noneIn(rec), named(there))
	case len(hooks) == 0:
		return nil, p.refuse(ReasonHookNotRunnable, "in revision %d of release %s that is %s, and only a Job or a Pod can be run: "+
			"Helm makes the others at the next install or upgrade", rec.Version, rec.Name, named(asked))
	case p.HookName != "" && len(hooks) > 1:
		return nil, p.refuse(ReasonHookNotRunnable, "revision %d of release %s has several hooks of this name, %s: set event instead",
			rec.Version, rec.Name, named(hooks))
	case len(hooks) > maxHooks:
		return nil, p.refuse(ReasonHookNotRunnable, "revision %d of release %s has %d hooks of this event, and one run takes %d: run them by hookName",
			rec.Version, rec.Name, len(hooks), maxHooks)
	}
	return hooks, nil
}

func (p *Parameters) asksFor(h *release.Hook) bool {
	if p.HookName != "" {
		return h.Name == p.HookName
	}
	return slices.Contains(h.Events, p.Event)
}

func (p *Parameters) noneIn(rec *helmrecord.Record) string {
	if p.HookName != "" {
		return fmt.Sprintf("revision %d of release %s has no hook of this name", rec.Version, rec.Name)
	}
	return fmt.Sprintf("revision %d of release %s has no hook of this event", rec.Version, rec.Name)
}

// refuse names the parameter that asked for it.
func (p *Parameters) refuse(reason, format string, args ...any) error {
	at, value := engines.ParametersPath().Child("hookName"), p.HookName
	if p.Event != "" {
		at, value = engines.ParametersPath().Child("event"), p.Event.String()
	}
	return engines.InvalidBecause(reason, field.Invalid(at, value, fmt.Sprintf(format, args...)))
}

// runnable tells whether a hook is something that ends. Other kinds, such as a ServiceAccount, are made for one that is.
func runnable(h *release.Hook) bool { return h.Kind == kindJob || h.Kind == kindPod }

// named lists hooks by kind and name, with what they are for.
func named(hooks []*release.Hook) string {
	if len(hooks) == 0 {
		return "none"
	}
	words := make([]string, 0, maxNamed+1)
	for i, h := range hooks {
		if i == maxNamed {
			words = append(words, fmt.Sprintf("%d more", len(hooks)-maxNamed))
			break
		}
		events := make([]string, 0, len(h.Events))
		for _, e := range h.Events {
			events = append(events, e.String())
		}
		words = append(words, fmt.Sprintf("%s %s (%s)", h.Kind, h.Name, strings.Join(events, ", ")))
	}
	return strings.Join(words, ", ")
}
