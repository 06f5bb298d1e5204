// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// entry is an application of the catalog: what may be done with its instances.
type entry struct {
	// CatalogID is the spec.appRef.catalogId of its instances.
	CatalogID string `json:"catalogId"`
	// Templates by which it is done.
	Templates []json.RawMessage `json:"templates,omitempty"`
	// Capabilities that its instances advertise: an engine each.
	Capabilities map[string]string `json:"capabilities,omitempty"`
}

// capabilities that an instance can advertise.
func capabilities() []string {
	var names []string
	for _, t := range opsv1alpha1.OperationTypes() {
		names = append(names, strings.TrimPrefix(t.Capability(), opsv1alpha1.CapabilityPrefix))
	}
	return append(names, "snapshot", "replicate", "quiesce")
}

// engines that a capability can name.
var engines = []string{
	string(opsv1alpha1.EngineVelero), string(opsv1alpha1.EngineWorkflow), string(opsv1alpha1.EngineJob), string(opsv1alpha1.EngineHelm),
	string(opsv1alpha1.EngineVolsync), string(opsv1alpha1.EngineHelmHookJob),
}

// check an entry. An error is a *Refusal.
func (e *entry) check() error {
	if e.CatalogID == "" {
		return refused("payload.catalogId: it is missing: it names the application, as in spec.appRef.catalogId of its instances")
	}
	if len(e.CatalogID) > validation.DNS1123SubdomainMaxLength {
		return refused("payload.catalogId: it has more than %d characters", validation.DNS1123SubdomainMaxLength)
	}
	for _, capability := range slices.Sorted(maps.Keys(e.Capabilities)) {
		engine := e.Capabilities[capability]
		if !slices.Contains(capabilities(), capability) {
			return refused("payload.capabilities: %q is none; there are %s", capability, strings.Join(capabilities(), ", "))
		}
		if !slices.Contains(engines, engine) && (capability != "quiesce" || engine != "exec") {
			return refused("payload.capabilities.%s: %q is no engine; there are %s", capability, engine, strings.Join(engines, ", "))
		}
	}
	if len(e.Templates) == 0 {
		return refused("payload.templates: it is missing: an entry has at least one OperationTemplate, and whoever may not write those may not keep entries")
	}
	for i, raw := range e.Templates {
		t, err := applyTaskOf(fmt.Sprintf("payload.templates[%d]", i), raw, kindTemplate)
		if err != nil {
			return err
		}
		if t.object.GetKind() != kindTemplate {
			return refused("payload.templates[%d].kind: it is %s, and must be %s", i, t.object.GetKind(), kindTemplate)
		}
	}
	return nil
}

// annotations by which an instance advertises the entry's capabilities.
func (e *entry) annotations() map[string]string {
	annotations := map[string]string{}
	for capability, engine := range e.Capabilities {
		annotations[opsv1alpha1.CapabilityPrefix+capability] = engine
	}
	return annotations
}

// entryName is the ConfigMap that keeps the entry of an application.
func entryName(catalogID string) string {
	sum := sha256.Sum256([]byte(catalogID))
	return "vworkspace-entry-" + hex.EncodeToString(sum[:16])
}
