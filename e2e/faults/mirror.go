// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// API is one of a lab's two API servers.
type API string

// The API servers of a lab.
const (
	OnHub   API = "hub"
	OnSpoke API = "spoke"
)

// kinds that a story may leave something of, by API server. Only templates, Freezes and ClusterClaims are in no namespace.
var kinds = map[API][]schema.GroupVersionKind{
	OnHub: {
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Operation"},
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "OperationTemplate"},
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Freeze"},
		{Group: "apps.vworkspace.io", Version: "v1alpha1", Kind: "ApplicationInstance"},
		{Group: "work.open-cluster-management.io", Version: "v1", Kind: "ManifestWork"},
		{Group: "cluster.open-cluster-management.io", Version: "v1beta1", Kind: "Placement"},
		{Group: "cluster.open-cluster-management.io", Version: "v1beta1", Kind: "PlacementDecision"},
		{Version: "v1", Kind: "ConfigMap"},
		{Version: "v1", Kind: "Secret"},
	},
	OnSpoke: {
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Operation"},
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "OperationTemplate"},
		{Group: "ops.vworkspace.io", Version: "v1alpha1", Kind: "Freeze"},
		{Group: "apps.vworkspace.io", Version: "v1alpha1", Kind: "ApplicationInstance"},
		{Group: "cluster.open-cluster-management.io", Version: "v1alpha1", Kind: "ClusterClaim"},
		{Group: "batch", Version: "v1", Kind: "Job"},
		{Group: "argoproj.io", Version: "v1alpha1", Kind: "Workflow"},
		{Group: "argoproj.io", Version: "v1alpha1", Kind: "WorkflowTemplate"},
		{Group: "velero.io", Version: "v1", Kind: "Backup"},
		{Group: "velero.io", Version: "v1", Kind: "Restore"},
		{Group: "velero.io", Version: "v1", Kind: "BackupStorageLocation"},
		{Group: "volsync.backube", Version: "v1alpha1", Kind: "ReplicationSource"},
		{Group: "volsync.backube", Version: "v1alpha1", Kind: "ReplicationDestination"},
		{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshot"},
		{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "HelmChart"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "HelmRepository"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "OCIRepository"},
		{Version: "v1", Kind: "PersistentVolumeClaim"},
		{Version: "v1", Kind: "Pod"},
		{Version: "v1", Kind: "Secret"},
		{Version: "v1", Kind: "ConfigMap"},
		{Version: "v1", Kind: "ServiceAccount"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
	},
}

// profileKinds are what the agent puts profiles in place with. Others of these kinds are not of a story, and those of one carry a label.
var profileKinds = []string{"ServiceAccount", "RoleBinding"}

// Change is something that an API server has told.
type Change struct {
	API    API
	Type   watch.EventType
	Object *unstructured.Unstructured
}

// Mirror holds what both API servers have, by watching every kind. Nothing can come between it and them.
type Mirror struct {
	lab *Lab

	mu      sync.Mutex
	objects map[API]map[types.UID]*unstructured.Unstructured
	tell    map[int]func(Change)
	next    int
	news    chan struct{} // closed and replaced with every change
}

// newMirror watches until ctx ends.
func newMirror(ctx context.Context, lab *Lab) (*Mirror, error) {
	m := &Mirror{
		lab: lab, tell: map[int]func(Change){}, news: make(chan struct{}),
		objects: map[API]map[types.UID]*unstructured.Unstructured{OnHub: {}, OnSpoke: {}},
	}
	for api, all := range kinds {
		for _, gvk := range all {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
			if err := lab.client(api).List(ctx, list); err != nil {
				return nil, fmt.Errorf("list %s on the %s: %w", gvk.Kind, api, err)
			}
			for i := range list.Items {
				m.take(Change{api, watch.Added, &list.Items[i]})
			}
			go m.follow(ctx, api, list)
		}
	}
	return m, nil
}

func (l *Lab) client(api API) client.WithWatch {
	if api == OnHub {
		return l.Hub
	}
	return l.Spoke
}

// follow a kind. A watch ends from time to time; the next one begins where it stopped.
func (m *Mirror) follow(ctx context.Context, api API, list *unstructured.UnstructuredList) {
	at := list.GetResourceVersion()
	for ctx.Err() == nil {
		w, err := m.lab.client(api).Watch(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: at, AllowWatchBookmarks: true}})
		if err != nil {
			select { // its API server may have been stopped by a fault
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		for event := range w.ResultChan() {
			o, ok := event.Object.(*unstructured.Unstructured)
			if !ok || event.Type == watch.Error { // too old: an API server that was restarted knows only what is now
				if fresh, err := m.anew(ctx, api, list); err == nil {
					at = fresh
				}
				break
			}
			at = o.GetResourceVersion()
			if event.Type != watch.Bookmark {
				m.take(Change{api, event.Type, o})
			}
		}
		w.Stop()
	}
}

// anew lists a kind, and tells what has changed since it was seen last.
func (m *Mirror) anew(ctx context.Context, api API, list *unstructured.UnstructuredList) (revision string, err error) {
	fresh := &unstructured.UnstructuredList{}
	fresh.SetGroupVersionKind(list.GroupVersionKind())
	if err := m.lab.client(api).List(ctx, fresh); err != nil {
		return "", err
	}
	there := map[types.UID]bool{}
	for i := range fresh.Items {
		there[fresh.Items[i].GetUID()] = true
		m.take(Change{api, watch.Modified, &fresh.Items[i]})
	}
	for _, o := range m.all(api, strings.TrimSuffix(list.GetKind(), "List")) {
		if !there[o.GetUID()] {
			m.take(Change{api, watch.Deleted, o})
		}
	}
	return fresh.GetResourceVersion(), nil
}

func (m *Mirror) take(c Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Type == watch.Deleted {
		delete(m.objects[c.API], c.Object.GetUID())
	} else {
		m.objects[c.API][c.Object.GetUID()] = c.Object
	}
	for _, tell := range m.tell {
		tell(c)
	}
	close(m.news)
	m.news = make(chan struct{})
}

// listen calls tell with every change, one after the other, until stop is called.
func (m *Mirror) listen(tell func(Change)) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.next
	m.next++
	m.tell[id] = tell
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.tell, id)
	}
}

// changed is closed at the next change.
func (m *Mirror) changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.news
}

// all objects of some kinds on an API server, as copies, or of every kind.
func (m *Mirror) all(api API, only ...string) []*unstructured.Unstructured {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*unstructured.Unstructured
	for _, o := range m.objects[api] {
		if len(only) == 0 || slices.Contains(only, o.GetKind()) {
			found = append(found, o.DeepCopy())
		}
	}
	return found
}

// get an object by its name; nil when there is none.
func (m *Mirror) get(api API, kind, namespace, name string) *unstructured.Unstructured {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.objects[api] {
		if o.GetKind() == kind && o.GetNamespace() == namespace && o.GetName() == name {
			return o.DeepCopy()
		}
	}
	return nil
}
