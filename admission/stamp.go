// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// stamp writes who creates an Operation into its annotations, over whatever was there. What a hub delivers and what an agent makes keeps the requester of the
// Operation above it; that such a one is neither is the policy's to refuse, which goes by the same labels.
func stamp(_ context.Context, req admission.Request) admission.Response {
	if req.Operation != admissionv1.Create {
		return admission.Allowed("")
	}
	var object struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(req.Object.Raw, &object); err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("read the Operation: %w", err))
	}
	if labels := object.Metadata.Labels; labels[opsv1alpha1.LabelRoot] != "" || labels[opsv1alpha1.LabelParent] != "" {
		return admission.Allowed("")
	}
	var patches []jsonpatch.JsonPatchOperation
	if object.Metadata.Annotations == nil {
		patches = append(patches, jsonpatch.NewOperation("add", "/metadata/annotations", map[string]string{}))
	}
	annotations := RequesterFrom(req.UserInfo).Annotations()
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		path := "/metadata/annotations/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		patches = append(patches, jsonpatch.NewOperation("add", path, annotations[key])) // add replaces what is there
	}
	return admission.Patched("", patches...)
}
