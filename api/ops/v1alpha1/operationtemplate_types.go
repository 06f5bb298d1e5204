// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TargetSelector picks the ApplicationInstances that a template is for. What is left out does not restrict; what is there must all hold.
type TargetSelector struct {
	// CatalogIDs are the values of the instance's spec.appRef.catalogId that match.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	CatalogIDs []string `json:"catalogIds,omitempty"`
	// LabelSelector on the instance's labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// Annotations that the instance carries, by key and value; an empty value asks for the key alone.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Annotations map[string]string `json:"annotations,omitempty"`
	// HelmRelease asks the same of the HelmRelease of the instance. Only an agent can tell.
	// +optional
	HelmRelease *ObjectSelector `json:"helmRelease,omitempty"`
}

// ObjectSelector picks an object by its labels and annotations.
type ObjectSelector struct {
	// LabelSelector on its labels.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// Annotations that it carries, by key and value; an empty value asks for the key alone.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Annotations map[string]string `json:"annotations,omitempty"`
}

// TemplateRule is a condition in the Common Expression Language that must hold before a run starts.
type TemplateRule struct {
	// Expression yields true when the run may start. It sees `instance`, the ApplicationInstance, and `parameters`, the Operation's with the template's
	// defaults.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression"`
	// Message says what is wrong when it yields false, and what to do.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`
}

// ReadyPolicy says whether a target has to be Ready.
// +kubebuilder:validation:Enum=Required;Ignored
type ReadyPolicy string

const (
	// ReadyRequired blocks a run while its target is not Ready.
	ReadyRequired ReadyPolicy = "Required"
	// ReadyIgnored starts it all the same.
	ReadyIgnored ReadyPolicy = "Ignored"
)

// TemplatePreconditions have to hold on the cluster before a run starts; until then it is Blocked, no longer than its start deadline.
type TemplatePreconditions struct {
	// TargetReady is Required or Ignored. By default Required for all types but Upgrade and Restore, which mend what is broken.
	// +optional
	TargetReady ReadyPolicy `json:"targetReady,omitempty"`
	// NotUpgrading waits while the target's release is being changed.
	// +optional
	NotUpgrading bool `json:"notUpgrading,omitempty"`
	// SecretsPresent are names of Secrets that must exist in the target's namespace. Only their metadata is read.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	SecretsPresent []string `json:"secretsPresent,omitempty"`
	// KindsServed are kinds that the cluster must serve, as KIND.GROUP/VERSION, such as Backup.velero.io/v1, besides those that the engine needs.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	KindsServed []string `json:"kindsServed,omitempty"`
	// Rules are conditions of your own.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Rules []TemplateRule `json:"rules,omitempty"`
}

// ApprovalPolicy says who has to agree before a run starts.
type ApprovalPolicy struct {
	// Required blocks the Operation (reason AwaitingApproval) until it is approved, whatever spec.approvals.required says.
	// +optional
	Required bool `json:"required,omitempty"`
	// FourEyes asks for an approver who is not the requester.
	// +optional
	FourEyes bool `json:"fourEyes,omitempty"`
}

// OperationTemplateSpec is what an Operation may be.
type OperationTemplateSpec struct {
	// Description for people: what a run does, and when one would want it.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Description string `json:"description,omitempty"`
	// Type of the Operations that it is for.
	// +required
	Type OperationType `json:"type"`
	// Engine that they run on.
	// +required
	Engine OperationEngine `json:"engine"`
	// TargetSelector picks the instances that it is for; all when left out. A template with a selector wins over one without.
	// +optional
	TargetSelector *TargetSelector `json:"targetSelector,omitempty"`
	// AllowedNamespaces are those whose Operations may use it, on the hub and on the clusters; all when left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	AllowedNamespaces []string `json:"allowedNamespaces,omitempty"`
	// InputSchema is the JSON Schema (2020-12) of the parameters, after the defaults were filled in. It cannot refer to other documents. What the
	// engine asks for holds besides.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	InputSchema *runtime.RawExtension `json:"inputSchema,omitempty"`
	// Defaults are parameters that hold where the Operation says nothing; objects are merged, everything else is replaced.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Defaults *runtime.RawExtension `json:"defaults,omitempty"`
	// Redact are parameters whose values never appear in a message, an Event, a log or an output, as dotted paths such as env.value. A path goes
	// through lists. Real secrets belong into Secrets, by reference.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Redact []string `json:"redact,omitempty"`
	// RBACProfile names the rights that a run has on its cluster; the engine's name when left out. See docs/concepts/rights.md.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`
	RBACProfile string `json:"rbacProfile,omitempty"`
	// Preconditions have to hold on the cluster.
	// +optional
	Preconditions *TemplatePreconditions `json:"preconditions,omitempty"`
	// Approval says who has to agree first.
	// +optional
	Approval *ApprovalPolicy `json:"approval,omitempty"`
	// MaintenanceWindow is when runs may start; always when left out. Waiting for it does not count against the start deadline.
	// +optional
	MaintenanceWindow *Window `json:"maintenanceWindow,omitempty"`
	// ExpectedDuration of a run on one instance. One that would go on past the end of its maintenance window is not started in it. A fleet Operation goes by
	// how long its clusters have taken, as soon as some have ended.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('168h')",message="must be more than 0 and at most 168h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	ExpectedDuration *metav1.Duration `json:"expectedDuration,omitempty"`
	// Exclusive runs beside no other Operation on its target.
	// +optional
	Exclusive bool `json:"exclusive,omitempty"`
}

// OperationTemplate is an entry of the catalog: what may be done, to what, with which parameters, by which engine and with which rights.
// An Operation without one does not run.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=optmpl,categories=vworkspace
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Engine",type=string,JSONPath=`.spec.engine`
// +kubebuilder:printcolumn:name="Approval",type=boolean,JSONPath=`.spec.approval.required`
// +kubebuilder:printcolumn:name="Description",type=string,priority=1,JSONPath=`.spec.description`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type OperationTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec OperationTemplateSpec `json:"spec"`
}

// OperationTemplateList is a list of OperationTemplates.
// +kubebuilder:object:root=true
type OperationTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OperationTemplate `json:"items"`
}
