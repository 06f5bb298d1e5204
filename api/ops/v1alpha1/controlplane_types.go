// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Conditions of a ControlPlane and of an AuditSink.
const (
	// ConditionConnected is True while the other side answers; the message of False says what it answers instead.
	ConditionConnected = "Connected"
	// ConditionAuthenticated is False when there are no usable credentials, or the other side does not take them: nothing is asked any more until somebody acts.
	// ControlPlanes only; an AuditSink says so in ConditionConnected.
	ConditionAuthenticated = "Authenticated"
	// ConditionBufferOverflow is True when something was not told, or waits beyond what may wait; the message says what.
	ConditionBufferOverflow = "BufferOverflow"
)

// Reasons of those conditions.
const (
	// ReasonAnswering: the last request was answered.
	ReasonAnswering = "Answering"
	// ReasonUnreachable: it does not answer, or answers with errors of its own. It is tried again.
	ReasonUnreachable = "Unreachable"
	// ReasonRateLimited: it asks to be left alone for a while.
	ReasonRateLimited = "RateLimited"
	// ReasonRegistered: a token was exchanged for credentials.
	ReasonRegistered = "Registered"
	// ReasonCredentialsMissing: the Secret is not there, or has no credentials and no token to get some.
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonCredentialRotated: credentials were exchanged for new ones.
	ReasonCredentialRotated = "CredentialRotated"
	// ReasonUnauthorized: it does not know the credentials, also after they were read anew.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden: it knows the credentials, and they are not for this.
	ReasonForbidden = "Forbidden"
	// ReasonInvalidConfiguration: what spec or the Secret says cannot be used; the message names the field.
	ReasonInvalidConfiguration = "InvalidConfiguration"
	// ReasonNothingDropped: all that happened was told, or will be.
	ReasonNothingDropped = "NothingDropped"
	// ReasonTransitionsDropped: more happened to an Operation than its history holds before it could be told, or than there was room for when it was deleted. How it
	// ended was, or will be.
	ReasonTransitionsDropped = "TransitionsDropped"
	// ReasonOutboxFull: what waits to be told of deleted Operations takes all the room there is; further ones stay until there is some.
	ReasonOutboxFull = "OutboxFull"
)

// Keys of the Secret that a ControlPlane's spec.credentialsSecret names.
const (
	// SecretRegistrationToken is the one-time token; it is taken out once it has been used.
	SecretRegistrationToken = "registrationToken"
	// SecretToken is the bearer token that it was exchanged for.
	SecretToken = "token"
	// SecretClusterID is the identity that came with it.
	SecretClusterID = "clusterId"
	// SecretExpiresAt is when the token expires, in RFC 3339; absent when it does not.
	SecretExpiresAt = "expiresAt"
	// SecretCA holds the certificates, in PEM, that the other side's certificate must come from; those of the system when absent.
	SecretCA = "ca.crt"
	// SecretClientCertificate and SecretClientKey are our own certificate, in PEM, for mutual TLS.
	SecretClientCertificate = "tls.crt"
	// SecretClientKey is the key of SecretClientCertificate.
	SecretClientKey = "tls.key"
	// SecretSigningKeys is a JSON Web Key Set (RFC 7517) with the public keys by which jobs are signed.
	SecretSigningKeys = "signingKeys"
	// SecretDecryptionKey is a private JSON Web Key by which payloads are decrypted. One is made when the hub registers and none is there.
	SecretDecryptionKey = "decryptionKey"
)

// Defaults of a ControlPlane.
const (
	// DefaultCredentialsSecret in the hub's own namespace.
	DefaultCredentialsSecret = "vworkspace-control-plane"
	// DefaultControlPlaneAccount is the ServiceAccount, in the hub's own namespace, as which jobs are carried out.
	DefaultControlPlaneAccount = "vworkspace-control-plane"
)

// ControlPlaneSpec says where jobs come from, and what they may do.
type ControlPlaneSpec struct {
	// Endpoint is the base URL of the control plane, such as https://odoo.example.com; /api/agent/ lies below it.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",message="must be an http or https URL without user, query and fragment, such as https://odoo.example.com"
	Endpoint string `json:"endpoint"`
	// ClusterID is the identity at the control plane. The one that registration gave, when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClusterID string `json:"clusterId,omitempty"`
	// ManagedCluster that the identity stands for: its jobs go there and nowhere else, and it hears of nothing else. The whole fleet when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ManagedCluster string `json:"managedCluster,omitempty"`
	// CredentialsSecret is the name of a Secret in the hub's own namespace, with the keys registrationToken, token and others. One that the hub has rights on:
	// see controlPlane.secrets of its chart.
	// +optional
	// +kubebuilder:default=vworkspace-control-plane
	// +kubebuilder:validation:MaxLength=253
	CredentialsSecret string `json:"credentialsSecret,omitempty"`
	// ServiceAccount in the hub's own namespace as which jobs are carried out: they may do what it may, and it is who asks.
	// +optional
	// +kubebuilder:default=vworkspace-control-plane
	// +kubebuilder:validation:MaxLength=253
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// RequireSignatures refuses jobs without a signature. One that is there is verified in any case.
	// +optional
	RequireSignatures bool `json:"requireSignatures,omitempty"`
	// RequireEncryption refuses jobs whose payload was not encrypted.
	// +optional
	RequireEncryption bool `json:"requireEncryption,omitempty"`
	// RotateEvery is how old credentials may become; 168h when left out. They are exchanged sooner when they would expire.
	// +optional
	RotateEvery *metav1.Duration `json:"rotateEvery,omitempty"`
	// JobTimeout is how long a job waits for what it made to become ready before it has failed; 24h when left out. An Operation has its own spec.timeout, and a
	// job waits for its end.
	// +optional
	JobTimeout *metav1.Duration `json:"jobTimeout,omitempty"`
	// Suspend asks for no jobs and tells nothing, until it is false again. Operations that were begun go on, and nothing is lost.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// JobCounts of a ControlPlane.
type JobCounts struct {
	// Open have come, and their result is not in yet.
	// +kubebuilder:validation:Maximum=2147483647
	Open int32 `json:"open"`
	// Closed have had their result, or were given up by the control plane.
	// +kubebuilder:validation:Maximum=2147483647
	Closed int32 `json:"closed"`
}

// ControlPlaneStatus is how the hub gets on with a control plane.
type ControlPlaneStatus struct {
	// ObservedGeneration is the metadata.generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// ClusterID that is used.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClusterID string `json:"clusterId,omitempty"`
	// Conditions: Connected, Authenticated, BufferOverflow.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// LastContact is when it last answered, to the minute.
	// +optional
	LastContact *metav1.Time `json:"lastContact,omitempty"`
	// RotatedAt is when its credentials were last exchanged, or registered.
	// +optional
	RotatedAt *metav1.Time `json:"rotatedAt,omitempty"`
	// Jobs that the hub has a record of.
	// +optional
	Jobs *JobCounts `json:"jobs,omitempty"`
}

// ControlPlane is an Odoo (vWorkspace Server) that the hub takes jobs from and reports to, by outbound requests alone: docs/concepts/odoo.md.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=vcp,categories=vworkspace
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Cluster ID",type=string,JSONPath=`.status.clusterId`
// +kubebuilder:printcolumn:name="Connected",type=string,JSONPath=`.status.conditions[?(@.type=="Connected")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Connected")].reason`
// +kubebuilder:printcolumn:name="Open",type=integer,JSONPath=`.status.jobs.open`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ControlPlane struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ControlPlaneSpec `json:"spec"`
	// +optional
	Status ControlPlaneStatus `json:"status,omitempty"`
}

// ControlPlaneList is a list of ControlPlanes.
// +kubebuilder:object:root=true
type ControlPlaneList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ControlPlane `json:"items"`
}
