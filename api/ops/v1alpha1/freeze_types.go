// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// FreezeSpec says what is held, and why.
type FreezeSpec struct {
	// Reason for people: it is shown by every Operation that is held.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason"`
	// Types of Operations that are held; all when left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=6
	Types []OperationType `json:"types,omitempty"`
	// Until is when it ends by itself. Until it is deleted, when left out.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// Freeze holds a whole fleet: while there is one, no Operation begins and no cluster and no instance is started. What runs goes on. On the hub it holds for all
// clusters; a cluster's own holds there.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=vworkspace
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.spec.until`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Freeze struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec FreezeSpec `json:"spec"`
}

// FreezeList is a list of Freezes.
// +kubebuilder:object:root=true
type FreezeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Freeze `json:"items"`
}
