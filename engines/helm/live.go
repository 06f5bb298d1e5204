// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// release is a HelmRelease and where its chart comes from, as they are now. Of the sources at most one of chart and oci is set; repository
// goes with chart. What does not exist, or lives in a namespace that is not the release's own, is nil.
type release struct {
	hr         *helmv2.HelmRelease
	chart      *sourcev1.HelmChart
	oci        *sourcev1.OCIRepository
	repository *sourcev1.HelmRepository
}

// readRelease reads a HelmRelease, by name, and its sources. A HelmRelease that does not exist is no error: hr is nil.
func readRelease(ctx context.Context, r client.Reader, namespace, name string) (*release, error) {
	live := &release{}
	hr := &helmv2.HelmRelease{}
	found, err := read(ctx, r, namespace, name, hr)
	if err != nil || !found {
		return live, err
	}
	live.hr = hr
	if ref := hr.Spec.ChartRef; ref != nil {
		if ref.Namespace != "" && ref.Namespace != namespace {
			return live, nil
		}
		return live, live.readRef(ctx, r, ref)
	}
	if hr.Spec.Chart == nil {
		return live, nil
	}
	source := &hr.Spec.Chart.Spec.SourceRef
	if source.Namespace != "" && source.Namespace != namespace {
		return live, nil
	}
	return live, live.readTemplate(ctx, r, source)
}

// readRef reads the source of a HelmRelease with spec.chartRef.
func (l *release) readRef(ctx context.Context, r client.Reader, ref *helmv2.CrossNamespaceSourceReference) error {
	switch ref.Kind {
	case sourcev1.OCIRepositoryKind:
		oci := &sourcev1.OCIRepository{}
		found, err := read(ctx, r, l.hr.Namespace, ref.Name, oci)
		if found {
			l.oci = oci
		}
		return err
	case sourcev1.HelmChartKind:
		chart := &sourcev1.HelmChart{}
		found, err := read(ctx, r, l.hr.Namespace, ref.Name, chart)
		if found {
			l.chart = chart
		}
		return err
	}
	return nil
}

// readTemplate reads the source of a HelmRelease with spec.chart: Flux makes a HelmChart from it.
func (l *release) readTemplate(ctx context.Context, r client.Reader, source *helmv2.CrossNamespaceObjectReference) error {
	chart := &sourcev1.HelmChart{}
	found, err := read(ctx, r, l.hr.Namespace, l.hr.GetHelmChartName(), chart)
	if err != nil {
		return err
	}
	if found {
		l.chart = chart
	}
	if source.Kind != sourcev1.HelmRepositoryKind {
		return nil
	}
	repository := &sourcev1.HelmRepository{}
	if found, err = read(ctx, r, l.hr.Namespace, source.Name, repository); found {
		l.repository = repository
	}
	return err
}

func read(ctx context.Context, r client.Reader, namespace, name string, into client.Object) (bool, error) {
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %T %s/%s: %w", into, namespace, name, err)
	}
	return true, nil
}

// lost is the outcome of a run one of whose objects is gone, or is not the one that it was; nil otherwise.
func lost(ctx context.Context, r client.Reader, run engines.Run) (*engines.Outcome, error) {
	for _, ref := range run.Operation.Status.Resources {
		obj := newKind(ref.Kind)
		if obj == nil {
			continue
		}
		found, err := read(ctx, r, ref.Namespace, ref.Name, obj)
		if err != nil {
			return nil, err
		}
		if !found || (ref.UID != "" && ref.UID != obj.GetUID()) {
			o := engines.Lost(ref.Kind, ref.Name)
			return &o, nil
		}
	}
	return nil, nil
}

func newKind(kind string) client.Object {
	switch kind {
	case kindInstance:
		return &appsv1alpha1.ApplicationInstance{}
	case helmv2.HelmReleaseKind:
		return &helmv2.HelmRelease{}
	case sourcev1.HelmChartKind:
		return &sourcev1.HelmChart{}
	case sourcev1.OCIRepositoryKind:
		return &sourcev1.OCIRepository{}
	case sourcev1.HelmRepositoryKind:
		return &sourcev1.HelmRepository{}
	default:
		return nil
	}
}

// kindInstance is the kind of a target.
const kindInstance = "ApplicationInstance"

// releaseName is the name of the target's HelmRelease. When the target is gone meanwhile it is the one that the run recorded: an adopted
// HelmRelease does not go with its ApplicationInstance.
func releaseName(run engines.Run) string {
	if run.Target != nil && run.Target.Spec.Release != nil {
		return run.Target.Spec.Release.Name
	}
	for _, ref := range run.Operation.Status.Resources {
		if ref.Kind == helmv2.HelmReleaseKind {
			return ref.Name
		}
	}
	return ""
}

func targetName(run engines.Run) string {
	if run.Operation.Spec.TargetRef == nil {
		return ""
	}
	return run.Operation.Spec.TargetRef.Name
}
