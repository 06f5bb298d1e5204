// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// mapper finds the resource of a kind. It knows the kinds that every cluster serves without asking it. Of others it asks for the one group and version:
// controller-runtime's asks for all that the cluster serves, and keeps it, 450 KiB for each cluster.
type mapper struct {
	meta.RESTMapper
	server discovery.ServerResourcesInterface

	mu    sync.Mutex
	asked map[schema.GroupVersionKind]*meta.RESTMapping
}

// known are the kinds that every cluster serves.
var known = sync.OnceValue(func() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(opsv1alpha1.GroupVersion.WithKind("Operation"), meta.RESTScopeNamespace)
	m.Add(opsv1alpha1.GroupVersion.WithKind("OperationTemplate"), meta.RESTScopeRoot)
	m.Add(opsv1alpha1.GroupVersion.WithKind("AgentPolicy"), meta.RESTScopeRoot)
	m.Add(opsv1alpha1.GroupVersion.WithKind("Freeze"), meta.RESTScopeRoot)
	m.Add(appsv1alpha1.GroupVersion.WithKind("ApplicationInstance"), meta.RESTScopeNamespace)
	m.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	return m
})

func newMapper(config *rest.Config, client *http.Client) (meta.RESTMapper, error) {
	rest, err := apiutil.NewDynamicRESTMapper(config, client)
	if err != nil {
		return nil, err
	}
	server, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &mapper{RESTMapper: rest, server: server, asked: map[schema.GroupVersionKind]*meta.RESTMapping{}}, nil
}

// RESTMapping implements meta.RESTMapper.
func (m *mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if mapping, err := known().RESTMapping(gk, versions...); err == nil {
		return mapping, nil
	}
	if len(versions) != 1 {
		return m.RESTMapper.RESTMapping(gk, versions...)
	}
	gvk := gk.WithVersion(versions[0])
	m.mu.Lock()
	mapping, ok := m.asked[gvk]
	m.mu.Unlock()
	if ok {
		return mapping, nil
	}
	mapping, err := m.ask(gvk)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked[gvk] = mapping
	return mapping, nil
}

func (m *mapper) ask(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	list, err := m.server.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	if err == nil {
		for _, r := range list.APIResources {
			if r.Kind != gvk.Kind || strings.Contains(r.Name, "/") {
				continue
			}
			mapping := &meta.RESTMapping{Resource: gvk.GroupVersion().WithResource(r.Name), GroupVersionKind: gvk, Scope: meta.RESTScopeRoot}
			if r.Namespaced {
				mapping.Scope = meta.RESTScopeNamespace
			}
			return mapping, nil
		}
	}
	return nil, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
}
