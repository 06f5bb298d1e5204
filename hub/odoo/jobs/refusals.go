// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// conflicts that are told of one object.
const conflicts = 3

// refusedByAPI turns what the API server says into a *Refusal when it would say so again; nil when it may not, and the same is to be tried again. user is as whom
// it was asked, namespace where.
func refusedByAPI(err error, user, namespace string) error {
	if meta.IsNoMatchError(err) {
		return refused("kind: the hub does not serve it: install the CRDs of its chart")
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return nil
	}
	message, code := status.Status().Message, status.Status().Code
	switch {
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return &Refusal{Outcome: wire.OutcomeConflict, Message: heldBy(status.Status().Details.Causes)}
	case apierrors.IsForbidden(err) && strings.Contains(message, "cannot impersonate"):
		return refused("the hub may not act as %s: let it, with controlPlane.serviceAccounts of its chart, or name another one in spec.serviceAccount of the ControlPlane", user)
	case apierrors.IsForbidden(err) && strings.Contains(message, fmt.Sprintf("User %q cannot", user)):
		return refused("%s: grant it with %s, or name another account in spec.serviceAccount of the ControlPlane", message, roleFor(namespace))
	case apierrors.IsNotFound(err) && namespace != "" && message == fmt.Sprintf("namespaces %q not found", namespace):
		return refused("metadata.namespace: there is no namespace %s on the hub: kubectl create namespace %s", namespace, namespace)
	case strings.Contains(message, "failed to create typed patch object"): // answered with 500: fields that there are none of
		return &Refusal{Outcome: wire.OutcomeFailed, Message: message, Bare: bare(nil)}
	case code >= 400 && code < 500 && !mayPass(code):
		return &Refusal{Outcome: wire.OutcomeFailed, Message: message, Bare: bare(status.Status().Details)}
	}
	return nil
}

func roleFor(namespace string) string {
	if namespace == "" {
		return "a ClusterRole"
	}
	return "a Role in namespace " + namespace
}

// mayPass tells whether the same request may be answered otherwise when it is tried again.
func mayPass(code int32) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return false
}

// bare names the fields that are refused, without the words of the API server, which repeats values.
func bare(details *metav1.StatusDetails) string {
	var fields []string
	if details != nil {
		for _, c := range details.Causes {
			if c.Field != "" && len(fields) < conflicts {
				fields = append(fields, c.Field)
			}
		}
	}
	if len(fields) == 0 {
		fields = []string{"what was asked for"}
	}
	return "the API server refuses " + strings.Join(fields, ", ") + "; its words are left out, because the payload came encrypted: apply the same with kubectl to read them"
}

// heldBy names the managers and the fields that stand against an apply.
func heldBy(causes []metav1.StatusCause) string {
	var held []string
	for _, c := range causes {
		if c.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		if len(held) == conflicts {
			held = append(held, "and more")
			break
		}
		manager := c.Message
		if _, after, found := strings.Cut(manager, "conflict with "); found {
			manager = after
		}
		held = append(held, fmt.Sprintf("%s is held by %s", strings.TrimPrefix(c.Field, "."), manager))
	}
	return strings.Join(held, "; ") + ": leave the field out of the payload, or have the other let go of it"
}
