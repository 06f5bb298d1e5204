// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MediaType of every request and answer.
const MediaType = "application/vnd.vworkspace.agent.v1+json"

// Kinds of jobs.
const (
	// KindApply carries an object.
	KindApply = "apply"
	// KindDelete carries a reference to an object.
	KindDelete = "delete"
	// KindIntent carries an Intent.
	KindIntent = "intent"
)

// Job is something that the control plane wants done.
type Job struct {
	// ID is stable and opaque.
	ID string `json:"id"`
	// Kind is KindApply, KindDelete or KindIntent.
	Kind string `json:"kind"`
	// Payload by kind; absent where EncryptedPayload is there.
	Payload json.RawMessage `json:"payload,omitempty"`
	// EncryptedPayload is a JWE (RFC 7516) of the payload, in compact serialization.
	EncryptedPayload string `json:"encryptedPayload,omitempty"`
	// IdempotencyKey is the same for what is to be done once: KIND/NAMESPACE/NAME@GENERATION, or any text.
	IdempotencyKey string `json:"idempotencyKey,omitempty"`
	// CreatedAt is when the control plane made it.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	// ExpiresAt is until when it may be begun; for ever when zero.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Signature is a detached JWS (RFC 7515, appendix F) over the canonical JSON (RFC 8785) of the payload, before encryption; empty when it is not signed.
	Signature string `json:"signature,omitempty"`
	// RequestedBy is the person who asked, as the control plane knows them; empty when it does not say. An extension of ours.
	RequestedBy string `json:"requestedBy,omitempty"`
	// Malformed says what is wrong with a job that could not be read: it has nothing else but its ID, if that, and can only be refused. The client sets it.
	Malformed string `json:"malformed,omitempty"`
}

// Outcomes of jobs.
const (
	// OutcomeSucceeded: it was done, and what it made is ready, has succeeded, or is gone.
	OutcomeSucceeded = "succeeded"
	// OutcomeFailed: it was not; the error says why.
	OutcomeFailed = "failed"
	// OutcomeNoop: there was nothing to do.
	OutcomeNoop = "noop"
	// OutcomeConflict: somebody else holds a field; the error names them and it.
	OutcomeConflict = "conflict"
)

// Ref names an object.
type Ref struct {
	// APIVersion of the object.
	APIVersion string `json:"apiVersion"`
	// Kind of the object.
	Kind string `json:"kind"`
	// Namespace of the object; empty when it has none.
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	Name string `json:"name"`
	// UID of the object; empty when unknown.
	UID string `json:"uid,omitempty"`
	// Generation of the object; 0 when unknown.
	Generation int64 `json:"generation,omitempty"`
}

// Status of a job that is under way.
type Status struct {
	// Phase in one word.
	Phase string `json:"phase"`
	// Conditions of what the job made.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Message for people.
	Message string `json:"message,omitempty"`
	// Timestamp of the status.
	Timestamp time.Time `json:"timestamp"`
}

// Result of a job.
type Result struct {
	// Outcome is one of the four.
	Outcome string `json:"outcome"`
	// Error for people; never empty with OutcomeFailed and OutcomeConflict.
	Error string `json:"error,omitempty"`
	// AppliedRef is what the job made, changed or deleted.
	AppliedRef *Ref `json:"appliedRef,omitempty"`
	// Timestamp of the result.
	Timestamp time.Time `json:"timestamp"`
}

// Kinds of events.
const (
	// EventCondition: conditions of an object changed.
	EventCondition = "ConditionTransition"
	// EventClusterResult: a cluster has ended its part of a fleet Operation. An extension of ours, with Event.Cluster.
	EventClusterResult = "ClusterResult"
	// EventHeartbeat: the identity is well.
	EventHeartbeat = "ClusterHeartbeat"
	// EventCredentialRotated: the identity has new credentials.
	EventCredentialRotated = "CredentialRotated"
	// EventJobRefused: a job was not carried out. An extension of ours.
	EventJobRefused = "JobRefused"
	// EventDeleted: an object is gone. An extension of ours.
	EventDeleted = "Deleted"
)

// Event is something that happened.
type Event struct {
	// EventKey is the same whenever the same event is told again.
	EventKey string `json:"eventKey"`
	// Kind of event.
	Kind string `json:"kind"`
	// ResourceRef is what it happened to.
	ResourceRef Ref `json:"resourceRef"`
	// Conditions that changed, or hold.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Timestamp is when it happened.
	Timestamp time.Time `json:"timestamp"`
	// Sequence of the event among those of the object: it never falls. An extension of ours.
	Sequence int64 `json:"sequence,omitempty"`
	// Cluster that it is about, of a fleet Operation. An extension of ours.
	Cluster string `json:"cluster,omitempty"`
	// Snapshot tells that it repeats how things stand, and that nothing may have happened. An extension of ours.
	Snapshot bool `json:"snapshot,omitempty"`
	// Audit says who asked for what. An extension of ours.
	Audit *Audit `json:"audit,omitempty"`
}

// Terminal tells whether an event is the end of its object, or of a cluster's part of it: such a one is never dropped.
func (e *Event) Terminal() bool {
	if e.Kind == EventClusterResult || e.Kind == EventJobRefused {
		return true
	}
	if e.Kind != EventCondition || e.ResourceRef.Kind != "Operation" {
		return false
	}
	for _, c := range e.Conditions {
		if c.Status == metav1.ConditionTrue && (c.Type == "Succeeded" || c.Type == "Failed" || c.Type == "Cancelled") {
			return true
		}
	}
	return false
}

// Audit says who asked for what, and what became of it as a whole.
type Audit struct {
	// RequestedBy is the user that the API server knew whoever asked by.
	RequestedBy string `json:"requestedBy,omitempty"`
	// OnBehalfOf is the person for whom they did; empty when it is not known, or was themselves.
	OnBehalfOf string `json:"onBehalfOf,omitempty"`
	// Job that asked, as CONTROLPLANE/ID; empty when it was none.
	Job string `json:"job,omitempty"`
	// Action that was asked for, such as Backup.
	Action string `json:"action,omitempty"`
	// Engine that it runs on; empty while that is open.
	Engine string `json:"engine,omitempty"`
	// Template that it follows; empty while that is open.
	Template string `json:"template,omitempty"`
	// Target: the Placement, or the ApplicationInstance, by kind and name.
	Target string `json:"target,omitempty"`
	// ApprovedBy is who agreed; empty when nobody had to, or has yet.
	ApprovedBy string `json:"approvedBy,omitempty"`
	// Progress is done/total of its clusters.
	Progress string `json:"progress,omitempty"`
	// Failed is how many of its clusters did.
	Failed int32 `json:"failed,omitempty"`
	// Failures are the first few, CLUSTER: CAUSE.
	Failures []string `json:"failures,omitempty"`
}

// Credentials of an identity.
type Credentials struct {
	// ClusterID is the identity; empty in the answer to a rotation.
	ClusterID string `json:"clusterId,omitempty"`
	// Token that every request carries.
	Token string `json:"token"`
	// ExpiresAt is when the token expires; never when nil.
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}

// Registration asks for credentials.
type Registration struct {
	// RegistrationToken can be used once.
	RegistrationToken string `json:"registrationToken"`
	// ClusterID that is wished for; empty to be given one.
	ClusterID string `json:"clusterId,omitempty"`
	// DisplayName for people.
	DisplayName string `json:"displayName,omitempty"`
	// PublicKey is a JSON Web Key to encrypt payloads to. An extension of ours.
	PublicKey json.RawMessage `json:"publicKey,omitempty"`
}
