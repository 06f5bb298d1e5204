// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the Operation API: one day-2 action on one
// application, on every matching application of a cluster, or on a fleet.
//
// +kubebuilder:object:generate=true
// +groupName=ops.vworkspace.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of this package's kinds.
var GroupVersion = schema.GroupVersion{Group: "ops.vworkspace.io", Version: "v1alpha1"}

// AddToScheme adds this package's kinds to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &Operation{}, &OperationList{}, &OperationTemplate{}, &OperationTemplateList{}, &AgentPolicy{}, &AgentPolicyList{},
		&MaintenanceWindow{}, &MaintenanceWindowList{}, &Freeze{}, &FreezeList{}, &ControlPlane{}, &ControlPlaneList{}, &AuditSink{}, &AuditSinkList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
