// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AgentPolicyName is the name of the one AgentPolicy that an agent heeds.
const AgentPolicyName = "default"

// AgentPolicySpec is what the owner of a cluster lets run there. A list that is left out, or empty, does not restrict.
type AgentPolicySpec struct {
	// Types of Operations that may run.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Types []OperationType `json:"types,omitempty"`
	// Engines that may be used.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Engines []OperationEngine `json:"engines,omitempty"`
	// Templates that may be used, by name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Templates []string `json:"templates,omitempty"`
	// Namespaces that Operations may run in, of those that carry the gate label.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`
	// Images that the pods of an Operation's Jobs may use (engines job and helmHookJob, also as a quiesce). One that ends with a slash allows all that is
	// below it: registry.example.com/tools/. Any other is a whole name, such as registry.example.com/tools/backup, and allows that image alone: with
	// every tag, or with its own tag or digest only. Names are read as a kubelet reads them: nginx is docker.io/library/nginx. What Argo Workflows,
	// Velero and VolSync start is not bound by this list, but by Engines.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Images []string `json:"images,omitempty"`
	// RBACProfiles that runs may have, of those that are installed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=40
	RBACProfiles []string `json:"rbacProfiles,omitempty"`
	// Busy lets no run start while it is set, and says why, for people. What runs goes on.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Busy string `json:"busy,omitempty"`
}

// AgentPolicy is the last word of a cluster's owner on what the agent may do there, whoever asks for it. Only the one named default counts.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=vworkspace
// +kubebuilder:printcolumn:name="Busy",type=string,JSONPath=`.spec.busy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'default'",message="there is one AgentPolicy, and it is named default"
type AgentPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AgentPolicySpec `json:"spec"`
}

// AgentPolicyList is a list of AgentPolicies.
// +kubebuilder:object:root=true
type AgentPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentPolicy `json:"items"`
}
