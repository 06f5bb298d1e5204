// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Requester is who asked for an Operation, as the API server knew them.
type Requester struct {
	User   string
	Groups []string
}

// RequesterFrom is who makes a request. A group with a line break in its name is left out: it would read as two, of which it is neither. The
// policy requester.ops.vworkspace.io leaves out the same.
func RequesterFrom(user authenticationv1.UserInfo) Requester {
	r := Requester{User: user.Username}
	for _, g := range user.Groups {
		if g != "" && !strings.Contains(g, "\n") {
			r.Groups = append(r.Groups, g)
		}
	}
	return r
}

// RequesterOf an Operation; false when the API server did not write it down.
func RequesterOf(o metav1.Object) (Requester, bool) {
	annotations := o.GetAnnotations()
	r := Requester{User: annotations[opsv1alpha1.AnnotationRequestedBy]}
	if groups := annotations[opsv1alpha1.AnnotationRequestedByGroups]; groups != "" {
		r.Groups = strings.Split(groups, "\n")
	}
	return r, r.User != ""
}

// Annotations that say so.
func (r Requester) Annotations() map[string]string {
	return map[string]string{
		opsv1alpha1.AnnotationRequestedBy:       r.User,
		opsv1alpha1.AnnotationRequestedByGroups: strings.Join(r.Groups, "\n"),
	}
}
