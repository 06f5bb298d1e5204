// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// catalogWork is the name of the ManifestWork that brings the catalog to a cluster; those beside it, when it is too large for one, have -1, -2 and so on
	// at the end.
	catalogWork = "vworkspace-catalog"
	// annotationCatalog is on it: what the hub last wrote, see shipment.
	annotationCatalog = "ops.vworkspace.io/catalog"
	// catalogManager owns, on the clusters, the fields of the templates, and of the Freezes, that the hub has brought. Open Cluster Management takes names that begin with work-agent.
	catalogManager = workv1.DefaultFieldManager + "-vworkspace-catalog"
)

// shipment says what a ManifestWork of the catalog, or of the Freezes, holds, so that the manifests need not be kept in memory and compared.
type shipment struct {
	// Digest of the spec, as the hub made it.
	Digest string `json:"digest"`
	// Generation of the ManifestWork with that spec. Another one has been edited by somebody else.
	Generation int64 `json:"generation"`
	// Templates in it, or Freezes, by name, sorted.
	Templates []string `json:"templates"`
}

func (s shipment) String() string {
	data, _ := json.Marshal(s) // numbers and strings always encode
	return string(data)
}

// shipmentOf a ManifestWork, and whether it can be relied on: somebody who edited the work, or the annotation, has made it wrong.
func shipmentOf(work *workv1.ManifestWork) (shipment, bool) {
	var s shipment
	err := json.Unmarshal([]byte(work.Annotations[annotationCatalog]), &s)
	return s, err == nil && s.Generation == work.Generation
}

func catalogWorkName(i int) string {
	if i == 0 {
		return catalogWork
	}
	return catalogWork + "-" + strconv.Itoa(i)
}

// catalogChunk is the number of a ManifestWork by its name.
func catalogChunk(name string) (int, bool) {
	if name == catalogWork {
		return 0, true
	}
	number, found := strings.CutPrefix(name, catalogWork+"-")
	i, err := strconv.Atoi(number)
	return i, found && err == nil && i > 0 && catalogWorkName(i) == name
}

// catalogWorkFor is the ManifestWork that brings templates to a cluster. It is the same, byte for byte, for the same templates.
//
// Templates go from the cluster when they go from the hub, which is Open Cluster Management's default. They are applied without force: a template that a
// cluster's owner has made his own, with another field manager, stays as he wants it.
func catalogWorkFor(cluster, agentNamespace string, i int, names []string, manifests map[string][]byte) (*workv1.ManifestWork, error) {
	return shippingWork(cluster, agentNamespace, catalogWorkName(i), "operationtemplates", names, manifests)
}

// shippingWork is a ManifestWork that brings objects of a resource of ours, which have no namespace, to a cluster.
func shippingWork(cluster, agentNamespace, name, resource string, names []string, manifests map[string][]byte) (*workv1.ManifestWork, error) {
	spec := workv1.ManifestWorkSpec{Executor: executor(agentNamespace, opsv1alpha1.CatalogExecutor)}
	for _, name := range names {
		var m workv1.Manifest
		m.Raw = manifests[name]
		spec.Workload.Manifests = append(spec.Workload.Manifests, m)
		spec.ManifestConfigs = append(spec.ManifestConfigs, workv1.ManifestConfigOption{
			ResourceIdentifier: workv1.ResourceIdentifier{Group: opsv1alpha1.GroupVersion.Group, Resource: resource, Name: name},
			UpdateStrategy: &workv1.UpdateStrategy{
				Type:            workv1.UpdateStrategyTypeServerSideApply,
				ServerSideApply: &workv1.ServerSideApplyConfig{FieldManager: catalogManager},
			},
		})
	}
	encoded, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode the ManifestWork: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster, Name: name,
			Labels:      catalogLabels(),
			Annotations: map[string]string{annotationCatalog: shipment{Digest: hex.EncodeToString(sum[:]), Generation: 1, Templates: names}.String()},
		},
		Spec: spec,
	}, nil
}

func catalogLabels() map[string]string {
	return map[string]string{
		appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
		opsv1alpha1.LabelPart:       opsv1alpha1.PartCatalog,
	}
}

// shelf keeps the manifests of the templates, so that they are made once for all clusters.
type shelf struct {
	mu    sync.Mutex
	known map[string]shelved
}

type shelved struct {
	uid        types.UID
	generation int64
	raw        []byte
}

// manifests of templates, by name, without those that are too large for a ManifestWork; news are those among them that this says for the first time.
func (s *shelf) manifests(templates []opsv1alpha1.OperationTemplate) (all map[string][]byte, news []*opsv1alpha1.OperationTemplate, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make(map[string]shelved, len(templates))
	all = make(map[string][]byte, len(templates))
	for i := range templates {
		t := &templates[i]
		m, same := s.known[t.Name]
		if !same || m.uid != t.UID || m.generation != t.Generation {
			m = shelved{uid: t.UID, generation: t.Generation}
			if m.raw, err = templateManifest(t); err != nil {
				return nil, nil, err
			}
			if len(m.raw) > largestTemplate {
				news = append(news, t)
			}
		}
		known[t.Name] = m
		if len(m.raw) <= largestTemplate {
			all[t.Name] = m.raw
		}
	}
	s.known = known
	return all, news, nil
}

// templateManifest is what of a template goes to the clusters, in canonical JSON.
func templateManifest(t *opsv1alpha1.OperationTemplate) ([]byte, error) {
	raw, err := json.Marshal(manifest{
		TypeMeta: metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "OperationTemplate"},
		Metadata: manifestMeta{Name: t.Name, Labels: map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}},
		Spec:     t.Spec,
	})
	if err != nil {
		return nil, fmt.Errorf("encode OperationTemplate %s: %w", t.Name, err)
	}
	// Through any, because embedded documents keep the order of their keys otherwise; with the numbers as they were written.
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return nil, fmt.Errorf("read OperationTemplate %s: %w", t.Name, err)
	}
	if raw, err = json.Marshal(plain); err != nil {
		return nil, fmt.Errorf("encode OperationTemplate %s: %w", t.Name, err)
	}
	return raw, nil
}
