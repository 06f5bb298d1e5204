// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DiscussAPI is how a plain Odoo is spoken to.
// +kubebuilder:validation:Enum=JSON2;JSONRPC
type DiscussAPI string

const (
	// DiscussJSON2 is Odoo's External JSON-2 API, from Odoo 19 on.
	DiscussJSON2 DiscussAPI = "JSON2"
	// DiscussJSONRPC is the JSON-RPC API of Odoo before, deprecated in 19.
	DiscussJSONRPC DiscussAPI = "JSONRPC"
)

// Keys of the Secret that an AuditSink names.
const (
	// SecretAPIKey is the API key of an Odoo user; SecretToken is the bearer token for CloudEvents.
	SecretAPIKey = "apiKey"
	// SecretLogin is that user's login; for DiscussJSONRPC only.
	SecretLogin = "login"
)

// DiscussSink writes into a channel of Odoo's Discuss: one thread for each Operation, whose first message is edited as the Operation goes on.
// +kubebuilder:validation:XValidation:rule="self.api != 'JSONRPC' || has(self.database)",message="database is needed with api JSONRPC"
type DiscussSink struct {
	// Endpoint is the base URL of the Odoo, such as https://odoo.example.com.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="must be an http or https URL without user, query and fragment, such as https://odoo.example.com"
	Endpoint string `json:"endpoint"`
	// API that the Odoo speaks: JSON2 (default) or JSONRPC.
	// +optional
	// +kubebuilder:default=JSON2
	API DiscussAPI `json:"api,omitempty"`
	// Database of the Odoo. Needed where it has several, and with JSONRPC.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Database string `json:"database,omitempty"`
	// Channel is the id of the discuss.channel.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Channel int64 `json:"channel"`
}

// CloudEventsSink posts CloudEvents 1.0 over HTTP.
type CloudEventsSink struct {
	// Endpoint that takes them, such as https://broker.example.com/default.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@]+(/[^#]*)?$')",message="must be an http or https URL without user and fragment, such as https://broker.example.com/default"
	Endpoint string `json:"endpoint"`
}

// AuditSinkSpec says where to tell who asked for what, what was admitted or refused, what ran where, and what came out.
// +kubebuilder:validation:XValidation:rule="has(self.discuss) != has(self.cloudEvents)",message="exactly one of discuss and cloudEvents must be set"
type AuditSinkSpec struct {
	// Discuss is a channel of an Odoo without the server add-ons of vWorkspace.
	// +optional
	Discuss *DiscussSink `json:"discuss,omitempty"`
	// CloudEvents is any receiver of CloudEvents.
	// +optional
	CloudEvents *CloudEventsSink `json:"cloudEvents,omitempty"`
	// SecretName is a Secret in the hub's own namespace with the keys apiKey and login (Discuss) or token (CloudEvents), and ca.crt. One that the hub has rights on:
	// see controlPlane.secrets of its chart. Required for Discuss.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
	// Suspend tells nothing until it is false again. Nothing is lost meanwhile.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// AuditSinkStatus is how the hub gets on with it.
type AuditSinkStatus struct {
	// ObservedGeneration is the metadata.generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Connected, BufferOverflow.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// LastContact is when it last took something, to the minute.
	// +optional
	LastContact *metav1.Time `json:"lastContact,omitempty"`
}

// AuditSink is told what Operations did: docs/concepts/odoo.md.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=vworkspace
// +kubebuilder:validation:XValidation:rule="!has(self.spec.discuss) || has(self.spec.secretName)",message="spec.secretName is needed with spec.discuss: a Secret with the key apiKey"
// +kubebuilder:printcolumn:name="Discuss",type=string,JSONPath=`.spec.discuss.endpoint`
// +kubebuilder:printcolumn:name="CloudEvents",type=string,JSONPath=`.spec.cloudEvents.endpoint`
// +kubebuilder:printcolumn:name="Connected",type=string,JSONPath=`.status.conditions[?(@.type=="Connected")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Connected")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AuditSink struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec AuditSinkSpec `json:"spec"`
	// +optional
	Status AuditSinkStatus `json:"status,omitempty"`
}

// AuditSinkList is a list of AuditSinks.
// +kubebuilder:object:root=true
type AuditSinkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AuditSink `json:"items"`
}
