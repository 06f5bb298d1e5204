// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// wanted is what a run wants of a release: a version, values, or both.
type wanted struct {
	run     engines.Run
	version string
	values  map[string]any
	// back tells that the version was found in the history, and not given.
	back bool
}

// wantedOf is what the parameters say, and for a rollback what the history does. The error is an *engines.InvalidError.
func wantedOf(p *Parameters, run engines.Run, live *release) (*wanted, error) {
	w := &wanted{run: run, version: p.TargetVersion, values: p.ValuesPatch, back: p.Rollback}
	if !w.back {
		return w, nil
	}
	var err error
	w.version, err = w.versionBefore(live)
	return w, err
}

// planManaged changes the ApplicationInstance. Before that it tells Flux to look for new charts, and to try once more where nothing
// changes but the last try failed: that order lets a run that was interrupted in between find its way again (see retries).
func (w *wanted) planManaged(live *release) ([]engines.Change, error) {
	target := w.run.Target
	instance, err := newObject(target, appsv1alpha1.GroupVersion, kindInstance)
	if err != nil {
		return nil, err
	}
	fields := w.instanceFields()
	if err := instance.conflict(fields); err != nil {
		return nil, err
	}
	changes := instance.lacks(fields)
	if !w.made(target) && !changes && w.settled(live) {
		return nil, nil
	}
	if err := notSuspended(live); err != nil {
		return nil, err
	}
	plan, err := w.pokeRepository(live)
	if err != nil {
		return nil, err
	}
	if live.hr != nil && w.retries(target, changes, live) {
		if plan, err = w.poke(plan, live.hr, helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind), fluxmeta.ReconcileRequestAnnotation, helmv2.ResetRequestAnnotation); err != nil {
			return nil, err
		}
		if live.oci != nil {
			if plan, err = w.poke(plan, live.oci, sourcev1.GroupVersion.WithKind(sourcev1.OCIRepositoryKind), fluxmeta.ReconcileRequestAnnotation); err != nil {
				return nil, err
			}
		}
	}
	change, err := instance.apply(fields, w.marks(target, target.Spec.Chart.Version))
	return append(plan, change), err
}

// planAdopted changes the HelmRelease, and the object that decides its chart's version when that is another one.
func (w *wanted) planAdopted(ctx context.Context, r client.Reader, live *release) ([]engines.Change, error) {
	name := w.run.Target.Spec.Release.Name
	if live.hr == nil {
		return nil, &engines.BlockedError{Reason: ReasonReleaseNotFound, Message: fmt.Sprintf(
			"HelmRelease %s/%s, which the ApplicationInstance names in spec.release, does not exist", w.run.Namespace(), name)}
	}
	home, err := w.versionHome(ctx, r, live)
	if err != nil {
		return nil, err
	}
	hr, err := newObject(live.hr, helmv2.GroupVersion, helmv2.HelmReleaseKind)
	if err != nil {
		return nil, err
	}
	fields := valuesFields(w.values, "spec", "values")
	if home != nil && home.object == nil {
		fields = append(fields, home.field)
	}
	if err := hr.conflict(fields); err != nil {
		return nil, err
	}
	changes := hr.lacks(fields)
	if home != nil && home.object != nil {
		if err := home.object.conflict([]leaf{home.field}); err != nil {
			return nil, err
		}
		changes = changes || home.object.lacks([]leaf{home.field})
	}
	if !w.made(live.hr) && !changes && w.settled(live) {
		return nil, nil
	}
	if err := notSuspended(live); err != nil {
		return nil, err
	}
	return w.changeAdopted(live, hr, fields, home, changes)
}

// changeAdopted plans the change of the HelmRelease first, because its mark tells a repeated Plan that this run has begun.
func (w *wanted) changeAdopted(live *release, hr *object, fields []leaf, home *versionHome, changes bool) ([]engines.Change, error) {
	plan, err := w.pokeRepository(live)
	if err != nil {
		return nil, err
	}
	annotations := w.marks(live.hr, live.spelledVersion())
	again := w.retries(live.hr, changes, live)
	if again {
		annotations[fluxmeta.ReconcileRequestAnnotation], annotations[helmv2.ResetRequestAnnotation] = w.token(), w.token()
	}
	change, err := hr.apply(fields, annotations)
	if err != nil || home == nil || home.object == nil {
		return append(plan, change), err
	}
	annotations = map[string]string{appsv1alpha1.AnnotationUpgradedBy: w.token()}
	if again {
		annotations[fluxmeta.ReconcileRequestAnnotation] = w.token()
	}
	source, err := home.object.apply([]leaf{home.field}, annotations)
	return append(plan, change, source), err
}

// instanceFields are what the run sets in an ApplicationInstance.
func (w *wanted) instanceFields() []leaf {
	fields := valuesFields(w.values, "spec", "values", "inline")
	if w.version != "" {
		fields = append(fields, leaf{path: path{"spec", "chart", "version"}, value: w.version})
	}
	return fields
}

func valuesFields(values map[string]any, at ...string) []leaf {
	if len(values) == 0 {
		return nil
	}
	return leaves(values, at)
}

// token by which Flux says that it has handled a request of this run.
func (w *wanted) token() string { return string(w.run.UID()) }

// made tells whether the run has changed obj already: a Plan that is repeated must not mistake its own work for what was there before.
func (w *wanted) made(obj client.Object) bool {
	return obj.GetAnnotations()[appsv1alpha1.AnnotationUpgradedBy] == w.token()
}

// marks say on obj who upgraded it, and from which version.
func (w *wanted) marks(obj client.Object, from string) map[string]string {
	if w.made(obj) {
		from = obj.GetAnnotations()[appsv1alpha1.AnnotationUpgradedFrom]
	}
	marks := map[string]string{appsv1alpha1.AnnotationUpgradedBy: w.token(), appsv1alpha1.AnnotationUpgradedFrom: from}
	if w.back {
		marks[appsv1alpha1.AnnotationRolledBackTo] = w.version
	}
	return marks
}

// retries tells whether Flux has to be asked to try again, because what is wanted is written there already and was not reached. Once the
// run's own mark is on obj that cannot be seen any more; but the request was written before, or together with, the mark.
func (w *wanted) retries(obj client.Object, changes bool, live *release) bool {
	if w.made(obj) {
		return w.asked(live.hr)
	}
	return !changes
}

// asked tells whether this run has asked Flux to look at obj.
func (w *wanted) asked(obj client.Object) bool {
	return obj.GetAnnotations()[fluxmeta.ReconcileRequestAnnotation] == w.token()
}

func notSuspended(live *release) error {
	if live.hr == nil || !live.hr.Spec.Suspend {
		return nil
	}
	return &engines.BlockedError{Reason: ReasonSuspended, Message: fmt.Sprintf(
		"HelmRelease %s/%s is suspended, so Flux would do nothing: set its spec.suspend to false", live.hr.Namespace, live.hr.Name)}
}
