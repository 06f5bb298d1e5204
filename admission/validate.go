// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Question is about an object that is to be written.
type Question struct {
	// Request of the API server. Its OldObject is what the object was before.
	Request *admissionv1.AdmissionRequest
	// Object as it would be stored. It is not to be changed.
	Object client.Object
	// Cache reads what the process watches anyway, which may be behind; Live asks the API server.
	Cache, Live client.Reader
}

// Rule says what is wrong with an object, with the path of the field and what to do; nothing when all is well.
//
// A rule refuses what makes no sense for anybody, or is forbidden. What could be put right later, a rule lets pass: the controllers say Blocked, and what to
// do. So it does when it cannot find out: whatever is checked here is checked again before anything is done.
type Rule func(ctx context.Context, q Question) field.ErrorList

// validator refuses what its rules find wrong with objects of one kind.
type validator struct {
	kind    schema.GroupKind
	empty   func() client.Object
	rules   []Rule
	decoder admission.Decoder

	cache, live client.Reader
}

// Handle implements admission.Handler.
func (v validator) Handle(ctx context.Context, req admission.Request) admission.Response {
	if req.Operation != admissionv1.Create && req.Operation != admissionv1.Update {
		return admission.Allowed("")
	}
	o := v.empty()
	if err := v.decoder.Decode(req, o); err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("read the %s: %w", v.kind.Kind, err))
	}
	if o.GetDeletionTimestamp() != nil {
		return admission.Allowed("") // it is on its way out: nothing may stand in the way of its finalizers
	}
	var wrong field.ErrorList
	for _, rule := range v.rules {
		wrong = append(wrong, rule(ctx, Question{Request: &req.AdmissionRequest, Object: o, Cache: v.cache, Live: v.live})...)
	}
	if len(wrong) == 0 {
		return admission.Allowed("")
	}
	status := apierrors.NewInvalid(v.kind, req.Name, wrong).Status()
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Allowed: false, Result: &status}}
}
