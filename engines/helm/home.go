// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// versionHome is where an adopted release's chart version is decided: a field of the HelmRelease itself (object is nil) or of its source.
type versionHome struct {
	object *object
	field  leaf
}

// versionHome finds it; nil when the run does not want another version. A place that this engine cannot or must not change is an
// *engines.BlockedError that says what to do instead.
func (w *wanted) versionHome(ctx context.Context, r client.Reader, live *release) (*versionHome, error) {
	if w.version == "" {
		return nil, nil
	}
	hr := live.hr
	switch {
	case hr.Spec.ChartRef != nil:
		return w.refHome(ctx, r, live, hr.Spec.ChartRef)
	case hr.Spec.Chart == nil:
		return nil, unsupported(hr, "names no chart: set its spec.chart or spec.chartRef")
	case hr.Spec.Chart.Spec.SourceRef.Kind != sourcev1.HelmRepositoryKind:
		return nil, unsupported(hr, "takes its chart from a %s, which decides the version: change it there", hr.Spec.Chart.Spec.SourceRef.Kind)
	}
	return &versionHome{field: leaf{path: path{"spec", "chart", "spec", "version"}, value: w.version}}, nil
}

// refHome finds it behind spec.chartRef.
func (w *wanted) refHome(ctx context.Context, r client.Reader, live *release, ref *helmv2.CrossNamespaceSourceReference) (*versionHome, error) {
	hr := live.hr
	switch {
	case ref.Namespace != "" && ref.Namespace != hr.Namespace:
		return nil, unsupported(hr, "takes its chart from %s %s/%s, outside its own namespace: change the version there", ref.Kind, ref.Namespace, ref.Name)
	case live.oci != nil:
		if err := tagged(hr, live.oci); err != nil {
			return nil, err
		}
		return w.sourceHome(ctx, r, live, live.oci, ref, leaf{path: path{"spec", "ref", "tag"}, value: tagOf(w.version)})
	case live.chart != nil && live.chart.Spec.SourceRef.Kind != sourcev1.HelmRepositoryKind:
		return nil, unsupported(hr, "takes its chart from a %s, which decides the version: change it there", live.chart.Spec.SourceRef.Kind)
	case live.chart != nil:
		return w.sourceHome(ctx, r, live, live.chart, ref, leaf{path: path{"spec", "version"}, value: w.version})
	case ref.Kind == sourcev1.OCIRepositoryKind, ref.Kind == sourcev1.HelmChartKind:
		return nil, unsupported(hr, "takes its chart from %s %s, which does not exist: create it", ref.Kind, ref.Name)
	default:
		return nil, unsupported(hr, "takes its chart from a %s, whose version is not a field that can be set: change it where the artifact is made", ref.Kind)
	}
}

// tagged makes sure that the tag decides: a digest goes before a version range, and that before the tag.
func tagged(hr *helmv2.HelmRelease, oci *sourcev1.OCIRepository) error {
	if ref := oci.Spec.Reference; ref != nil && (ref.Digest != "" || ref.SemVer != "") {
		return unsupported(hr, "takes its chart from OCIRepository %s, whose spec.ref.digest or spec.ref.semver decides the version and not the tag: "+
			"remove those and set spec.ref.tag", oci.Name)
	}
	return nil
}

// sourceHome makes sure that no other release would be upgraded along.
func (w *wanted) sourceHome(ctx context.Context, r client.Reader, live *release, source client.Object, ref *helmv2.CrossNamespaceSourceReference, field leaf) (*versionHome, error) {
	list := &helmv2.HelmReleaseList{}
	if err := r.List(ctx, list, client.InNamespace(live.hr.Namespace)); err != nil {
		return nil, fmt.Errorf("list the HelmReleases that use %s %s: %w", ref.Kind, ref.Name, err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		if o := other.Spec.ChartRef; other.Name != live.hr.Name && o != nil && o.Kind == ref.Kind && o.Name == ref.Name {
			return nil, unsupported(live.hr, "shares %s %s with HelmRelease %s, which would be upgraded along: give it a source of its own", ref.Kind, ref.Name, other.Name)
		}
	}
	o, err := newObject(source, sourcev1.GroupVersion, ref.Kind)
	return &versionHome{object: o, field: field}, err
}

func unsupported(hr *helmv2.HelmRelease, format string, args ...any) error {
	return &engines.BlockedError{Reason: ReasonUnsupportedSource, Message: fmt.Sprintf("HelmRelease %s/%s ", hr.Namespace, hr.Name) + fmt.Sprintf(format, args...)}
}
