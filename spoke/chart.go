// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helmrecord"
)

// charted has the chart of the target's release say what may be done with the target, where the target lets it: for each type of Operation that Chart.yaml has an
// annotation about, that one counts, and not the target's own. What the chart says is not known before Flux has deployed it, and keeps the run waiting until then.
// It is read from Helm's record of the revision in force, and not from where the chart came from: that may say something else by now.
func (s *site) charted(ctx context.Context, f *facts) error {
	if !f.target.ChartMayAdvertise() {
		if said := f.target.Annotations[appsv1alpha1.AnnotationChartCapabilities]; said != "" && said != "false" {
			f.chart = blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s: annotation %s must be true or false, and is %q",
				f.target.Name, appsv1alpha1.AnnotationChartCapabilities, said)
		}
		return nil
	}
	wait := func(format string, args ...any) {
		f.chart = blocked(opsv1alpha1.ReasonTargetNotReady, "ApplicationInstance %s leaves it to its chart what may be done with it (annotation %s), and "+format,
			append([]any{f.target.Name, appsv1alpha1.AnnotationChartCapabilities}, args...)...)
	}
	if f.target.Spec.Release == nil {
		wait("it has no release: remove that annotation")
		return nil
	}
	hr, err := s.helmReleaseOf(ctx, f.target)
	if err != nil {
		return err
	}
	if hr == nil {
		wait("there is no HelmRelease %s", f.target.Spec.Release.Name)
		return nil
	}
	revision := helmrecord.InForce(hr.Status.History)
	if revision == nil {
		wait("no revision of HelmRelease %s is deployed: see its conditions, or remove that annotation", hr.Name)
		return nil
	}
	if storage := cmp.Or(hr.Status.StorageNamespace, hr.GetStorageNamespace()); storage != f.target.Namespace {
		wait("Helm keeps its record of it in namespace %s, which is not looked into: remove that annotation, or spec.storageNamespace of HelmRelease %s", storage, hr.Name)
		return nil
	}
	key := client.ObjectKey{Namespace: f.target.Namespace, Name: helmrecord.SecretOf(revision)}
	record, err := helmrecord.Read(ctx, s.live, key, "")
	var forbidden *engines.BlockedError
	switch {
	case errors.As(err, &forbidden):
		f.chart = &blocker{reason: forbidden.Reason, message: forbidden.Message}
		return nil
	case errors.Is(err, helmrecord.ErrGone), errors.Is(err, helmrecord.ErrUnreadable):
		wait("Secret %s, where Helm keeps the revision that is deployed, does not hold it: see `helm history -n %s`", key, key.Namespace)
		return nil
	case err != nil:
		return err
	}
	for _, typ := range opsv1alpha1.OperationTypes() {
		if engine, said := record.Annotations[typ.Capability()]; said {
			f.target.Annotations[typ.Capability()] = engine // of a copy: nobody writes it
		}
	}
	return nil
}

// chartKnown wants the chart's word where it counts.
func chartKnown(f facts) *blocker { return f.chart }
