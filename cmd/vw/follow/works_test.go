// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var (
	testConfig = &rest.Config{Host: "http://127.0.0.1:1"}
	opKey      = types.NamespacedName{Namespace: "shops", Name: "nightly"}
)

func operation() *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "nightly", UID: "u1"},
		Spec:       opsv1alpha1.OperationSpec{Placement: &opsv1alpha1.PlacementSpec{}},
	}
}

func full(cluster string) workv1.ManifestWork {
	phase := "Running"
	w := workv1.ManifestWork{
		TypeMeta: metav1.TypeMeta{APIVersion: workv1.GroupVersion.String(), Kind: "ManifestWork"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster, Name: "w", Generation: 3, ResourceVersion: "7", CreationTimestamp: metav1.NewTime(time.Unix(1000, 0)),
			Labels: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "work", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)}},
		},
	}
	w.Spec.Workload.Manifests = []workv1.Manifest{{}}
	w.Spec.Workload.Manifests[0].Raw = []byte(`{"kind":"Operation"}`)
	w.Status.Conditions = []metav1.Condition{{Type: workv1.WorkApplied, Status: metav1.ConditionTrue, ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(time.Unix(1001, 0))}}
	w.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{
		ResourceMeta:    workv1.ManifestResourceMeta{Kind: "Operation"},
		StatusFeedbacks: workv1.StatusFeedbackResult{Values: []workv1.FeedbackValue{{Name: "phase", Value: workv1.FieldValue{Type: workv1.String, String: &phase}}}},
		Conditions:      []metav1.Condition{{Type: workv1.ManifestApplied, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(1002, 0))}},
	}}
	return w
}

// TestWorksArePaged, and what is read of one is all that the hub reads of it: its name, when and in which generation it was made, and what its cluster says.
func TestWorksArePaged(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		list := workv1.ManifestWorkList{TypeMeta: metav1.TypeMeta{APIVersion: workv1.GroupVersion.String(), Kind: "ManifestWorkList"}, Items: []workv1.ManifestWork{full("c2")}}
		list.ResourceVersion = "9"
		if r.URL.Query().Get("continue") == "" {
			list.Continue, list.Items[0] = "next", full("c1")
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	client, err := worksClient(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	stream := &workStream{client: client, uid: "u1", page: func(works []work, first bool) {
		for i := range works {
			name := works[i].Metadata.Namespace
			if first {
				name = "first " + name
			}
			pages = append(pages, name)
			want := full(works[i].Metadata.Namespace)
			want.TypeMeta, want.Labels, want.ManagedFields, want.ResourceVersion, want.Spec = metav1.TypeMeta{}, nil, nil, "", workv1.ManifestWorkSpec{}
			want.Status.ResourceStatus.Manifests[0].ResourceMeta = workv1.ManifestResourceMeta{}
			if diff := cmp.Diff(&want, works[i].manifestWork()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
	}}
	version, err := stream.list(t.Context())
	if err != nil || version != "9" {
		t.Errorf("version %q, %v", version, err)
	}
	if diff := cmp.Diff([]string{"first c1", "c2"}, pages); diff != "" {
		t.Error(diff)
	}
	path := "/apis/work.open-cluster-management.io/v1/manifestworks?"
	if diff := cmp.Diff([]string{
		path + "labelSelector=ops.vworkspace.io%2Foperation%3Du1&limit=500", path + "continue=next&labelSelector=ops.vworkspace.io%2Foperation%3Du1&limit=500",
	}, asked); diff != "" {
		t.Error(diff)
	}
}
