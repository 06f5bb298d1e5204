// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

const (
	helmReleaseKind = helmv2.HelmReleaseKind

	// annotationApplied holds a digest of what was last applied, so that nothing is sent to the API server when nothing has changed.
	annotationApplied = "apps.vworkspace.io/applied"

	// fluxInterval is how often Flux looks for drift and for a chart that was moved under its version.
	fluxInterval = "10m0s"
	// helmTimeout bounds one Helm action, hooks and waiting included.
	helmTimeout = "5m0s"
	// installRetries: a first installation often meets a cluster that is not ready for it yet.
	installRetries = int64(3)
)

// release is what a managed instance is made into, as server-side apply takes it: the fields that are ours and no others.
func release(ai *appsv1alpha1.ApplicationInstance) (source, helmRelease *unstructured.Unstructured, err error) {
	source = chartSource(ai)
	spec := map[string]any{
		"interval":    fluxInterval,
		"timeout":     helmTimeout,
		"releaseName": ai.Spec.Release.Name,
		"install":     map[string]any{"remediation": map[string]any{"retries": installRetries}},
		// One attempt and back: an upgrade that failed is a result that somebody waits for, and what ran before must run again.
		"upgrade": map[string]any{
			"cleanupOnFail": true,
			"remediation":   map[string]any{"remediateLastFailure": true, "strategy": string(helmv2.RollbackRemediationStrategy)},
		},
	}
	if ai.Spec.Chart.SourceType == appsv1alpha1.ChartSourceOCI {
		spec["chartRef"] = map[string]any{"kind": sourcev1.OCIRepositoryKind, "name": source.GetName()}
	} else {
		spec["chart"] = map[string]any{"spec": map[string]any{
			"chart":     ai.Spec.Chart.Name,
			"version":   ai.Spec.Chart.Version,
			"interval":  fluxInterval,
			"sourceRef": map[string]any{"kind": sourcev1.HelmRepositoryKind, "name": source.GetName()},
		}}
	}
	if err := setValues(spec, ai.Spec.Values); err != nil {
		return nil, nil, err
	}
	helmRelease = owned(ai, helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind), spec)
	for _, obj := range []*unstructured.Unstructured{source, helmRelease} {
		if err := stamp(obj); err != nil {
			return nil, nil, err
		}
	}
	return source, helmRelease, nil
}

func chartSource(ai *appsv1alpha1.ApplicationInstance) *unstructured.Unstructured {
	chart := ai.Spec.Chart
	if chart.SourceType == appsv1alpha1.ChartSourceHelm {
		return owned(ai, sourcev1.GroupVersion.WithKind(sourcev1.HelmRepositoryKind), map[string]any{"interval": fluxInterval, "url": chart.URL})
	}
	spec := map[string]any{
		"interval": fluxInterval,
		"url":      strings.TrimSuffix(chart.URL, "/") + "/" + chart.Name,
		// A tag cannot hold "+"; Helm stores build metadata with "_".
		"ref": map[string]any{"tag": strings.ReplaceAll(chart.Version, "+", "_")},
		// A chart is one layer of this media type; without it Flux would unpack the first layer, whatever it is.
		"layerSelector": map[string]any{"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"},
	}
	if loopback(chart.URL) {
		spec["insecure"] = true
	}
	return owned(ai, sourcev1.GroupVersion.WithKind(sourcev1.OCIRepositoryKind), spec)
}

// loopback tells whether a URL's host is this machine. Container tools speak plain HTTP there and nowhere else.
func loopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// setValues hands the values on. A Secret is named, never read: Flux does that.
func setValues(spec map[string]any, v *appsv1alpha1.ValuesSpec) error {
	from := func(kind string, ref *appsv1alpha1.ObjectKeyRef) {
		spec["valuesFrom"] = []any{map[string]any{"kind": kind, "name": ref.Name, "valuesKey": ref.Key}}
	}
	switch {
	case v == nil:
	case v.SecretRef != nil:
		from("Secret", v.SecretRef)
	case v.ConfigMapRef != nil:
		from("ConfigMap", v.ConfigMapRef)
	case v.Inline != nil && len(v.Inline.Raw) > 0:
		var values map[string]any
		// Not encoding/json: it would turn whole numbers into floats.
		if err := utiljson.Unmarshal(v.Inline.Raw, &values); err != nil {
			return fmt.Errorf("spec.values.inline: %w", err)
		}
		if len(values) > 0 {
			spec["values"] = values
		}
	}
	return nil
}

// owned is an object of the instance, by the release's name in its namespace, that goes with it.
func owned(ai *appsv1alpha1.ApplicationInstance, gvk schema.GroupVersionKind, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(ai.Namespace)
	u.SetName(ai.Spec.Release.Name)
	labels := map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}
	if len(validation.IsValidLabelValue(ai.Name)) == 0 {
		labels[appsv1alpha1.LabelApplicationInstance] = ai.Name
	}
	u.SetLabels(labels)
	u.Object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{
		"apiVersion": appsv1alpha1.GroupVersion.String(), "kind": "ApplicationInstance",
		"name": ai.Name, "uid": string(ai.UID), "controller": true,
	}}
	return u
}

// stamp records a digest of the object on it.
func stamp(u *unstructured.Unstructured) error {
	raw, err := json.Marshal(u.Object)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	sum := sha256.Sum256(raw)
	u.SetAnnotations(map[string]string{annotationApplied: hex.EncodeToString(sum[:8])})
	return nil
}

// holds tells whether live has everything that want has. Together with the digest, which tells that nothing was taken out of want since, it
// means that applying want would change nothing.
func holds(live, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range w {
			if !holds(l[k], v) {
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			return false
		}
		for i := range w {
			if !holds(l[i], w[i]) {
				return false
			}
		}
		return true
	default:
		return live == want
	}
}
