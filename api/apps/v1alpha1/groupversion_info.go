// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the ApplicationInstance API: one Helm-deployed
// application on one cluster, as day-2 operations see it.
//
// +kubebuilder:object:generate=true
// +groupName=apps.vworkspace.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of this package's kinds.
var GroupVersion = schema.GroupVersion{Group: "apps.vworkspace.io", Version: "v1alpha1"}

// AddToScheme adds this package's kinds to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &ApplicationInstance{}, &ApplicationInstanceList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
