// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// pageSize of a list of ManifestWorks. The first page is shown before the second is there.
const pageSize = 500

// work is what is read of a ManifestWork: what its cluster says, and no manifests, configurations, or field managers, which are nine tenths of it.
type work struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        workMeta `json:"metadata"`
	Status          struct {
		Conditions     []metav1.Condition `json:"conditions"`
		ResourceStatus struct {
			Manifests []manifestStatus `json:"manifests"`
		} `json:"resourceStatus"`
	} `json:"status"`
}

type workMeta struct {
	Name              string      `json:"name"`
	Namespace         string      `json:"namespace"`
	ResourceVersion   string      `json:"resourceVersion"`
	Generation        int64       `json:"generation"`
	CreationTimestamp metav1.Time `json:"creationTimestamp"`
}

type manifestStatus struct {
	StatusFeedbacks workv1.StatusFeedbackResult `json:"statusFeedback"`
	Conditions      []metav1.Condition          `json:"conditions"`
}

type workList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []work `json:"items"`
}

// DeepCopyObject implements runtime.Object for the decoder. Nobody changes one, so that it is its own copy.
func (w *work) DeepCopyObject() runtime.Object { return w }

// DeepCopyObject implements runtime.Object for the decoder.
func (l *workList) DeepCopyObject() runtime.Object { return l }

// GetResourceVersion of the ManifestWork.
func (w *work) GetResourceVersion() string { return w.Metadata.ResourceVersion }

// manifestWork with what was read of it.
func (w *work) manifestWork() *workv1.ManifestWork {
	full := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{
		Name: w.Metadata.Name, Namespace: w.Metadata.Namespace, Generation: w.Metadata.Generation, CreationTimestamp: w.Metadata.CreationTimestamp,
	}}
	full.Status.Conditions = w.Status.Conditions
	for _, m := range w.Status.ResourceStatus.Manifests {
		full.Status.ResourceStatus.Manifests = append(full.Status.ResourceStatus.Manifests,
			workv1.ManifestCondition{StatusFeedbacks: m.StatusFeedbacks, Conditions: m.Conditions})
	}
	return full
}

// worksClient reads works.
func worksClient(config *rest.Config) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	gv := schema.GroupVersion{Group: workv1.GroupName, Version: workv1.GroupVersion.Version}
	scheme.AddKnownTypeWithName(gv.WithKind("ManifestWork"), &work{})
	scheme.AddKnownTypeWithName(gv.WithKind("ManifestWorkList"), &workList{})
	metav1.AddToGroupVersion(scheme, gv)
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &gv, "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientFor(config)
}

// workStream brings the ManifestWorks of a run.
type workStream struct {
	client rest.Interface
	uid    types.UID
	// page of works; the first of a list begins anew.
	page func(works []work, first bool)
}

func (s *workStream) request(o metav1.ListOptions) *rest.Request {
	o.LabelSelector = labels.Set{opsv1alpha1.LabelOperation: string(s.uid)}.String()
	return s.client.Get().Resource("manifestworks").VersionedParams(&o, metav1.ParameterCodec)
}

// list page by page. A list whose pages have expired is begun anew by the next.
func (s *workStream) list(ctx context.Context) (string, error) {
	for o, first := (metav1.ListOptions{Limit: pageSize}), true; ; first = false {
		var list workList
		if err := s.request(o).Do(ctx).Into(&list); err != nil {
			return "", fmt.Errorf("list ManifestWorks: %w", err)
		}
		s.page(list.Items, first)
		if o.Continue = list.Continue; o.Continue == "" {
			return list.ResourceVersion, nil
		}
	}
}

func (s *workStream) watch(ctx context.Context, version string) (watch.Interface, error) {
	return s.request(metav1.ListOptions{ResourceVersion: version, Watch: true, AllowWatchBookmarks: true}).Watch(ctx)
}
