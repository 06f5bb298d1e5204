// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

var _ engines.Reverser = Engine{}

// move is what runs did to the chart version of one target: from what it was before the first of them to what the last one asked for.
type move struct {
	from, to string
	// through are the versions that they asked for on the way.
	through []string
}

// moveOf earlier runs, by their outputs; nil when none of them asked for another version. Values are not on record, so that only versions are.
func moveOf(earlier []opsv1alpha1.Operation) (*move, error) {
	var m move
	for i := range earlier {
		o := &earlier[i]
		var said struct {
			FromVersion string `json:"fromVersion"`
			ToVersion   string `json:"toVersion"`
		}
		if raw := o.Status.Outputs; raw != nil {
			if err := json.Unmarshal(raw.Raw, &said); err != nil {
				return nil, fmt.Errorf("the outputs of Operation %s/%s cannot be read: %w", o.Namespace, o.Name, err)
			}
		}
		switch {
		case o.Status.Outputs == nil && len(o.Status.Resources) > 0:
			return nil, fmt.Errorf("what Operation %s/%s changed is not on record", o.Namespace, o.Name)
		case said.ToVersion == "": // nothing, or values alone
			continue
		case m.from == "" && said.FromVersion == "":
			return nil, fmt.Errorf("which chart version there was before %s is not on record in Operation %s/%s", said.ToVersion, o.Namespace, o.Name)
		case m.from == "":
			m.from = said.FromVersion
		}
		m.to = said.ToVersion
		m.through = append(m.through, said.ToVersion)
	}
	if m.from == m.to {
		return nil, nil
	}
	return &m, nil
}

// Reverse goes back to the chart version that was there before, by name: what Flux's history says may be another one by now.
func (Engine) Reverse(earlier []opsv1alpha1.Operation) (*runtime.RawExtension, error) {
	m, err := moveOf(earlier)
	if m == nil || err != nil {
		return nil, err
	}
	raw, err := json.Marshal(Parameters{TargetVersion: m.from})
	if err != nil {
		return nil, err
	}
	return &runtime.RawExtension{Raw: raw}, nil
}

// Overtaken looks at the chart version that is asked for: what runs may be something else, as an upgrade that has failed is put back by Flux.
func (Engine) Overtaken(ctx context.Context, r client.Reader, run engines.Run, earlier []opsv1alpha1.Operation) (string, error) {
	m, err := moveOf(earlier)
	if m == nil || err != nil || run.Target.Spec.Release == nil {
		return "", err
	}
	asked := ""
	if run.Target.Spec.Mode != appsv1alpha1.ModeAdopted {
		if run.Target.Spec.Chart != nil {
			asked = run.Target.Spec.Chart.Version
		}
	} else {
		live, err := readRelease(ctx, r, run.Namespace(), run.Target.Spec.Release.Name)
		if err != nil {
			return "", err
		}
		if live.hr != nil {
			asked = live.wants()
		}
	}
	if asked == "" || m.left(asked) {
		return "", nil // where it cannot be told, it cannot be changed either, and Plan says so
	}
	return fmt.Sprintf("%s asks for chart version %s now, which that run did not bring: it went from %s to %s. It is left as it is", run.Target.Name, asked, m.from, m.to), nil
}

// left tells whether a version is one that the runs have left behind: the one before, or one that they asked for.
func (m *move) left(version string) bool {
	if SameVersion(version, m.from) {
		return true
	}
	for _, v := range m.through {
		if version == v {
			return true
		}
	}
	return false
}
