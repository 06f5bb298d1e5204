// SPDX-License-Identifier: Apache-2.0

package job

import (
	corev1 "k8s.io/api/core/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Parameters of the engine: spec.parameters of an Operation with engine job.
type Parameters struct {
	// Image of the container. Required.
	Image string `json:"image" jsonschema:"minLength=1"`
	// Command replaces the image's entry point. Default: the image's.
	Command []string `json:"command,omitempty"`
	// Args replace the image's arguments. Default: the image's.
	Args []string `json:"args,omitempty"`
	// Env of the container. Take secrets from a Secret by valueFrom.secretKeyRef; a value written here is readable in the Operation.
	// Default: none.
	Env []corev1.EnvVar `json:"env,omitempty"`
	// ServiceAccountName of the pod. Its token is mounted only when it is named here. Default vworkspace-operation-runner, without a token.
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// TimeoutSeconds bounds the Job from its start on, over all attempts; 1 or more. Default: no bound; spec.timeout bounds the run as well.
	TimeoutSeconds *int64 `json:"timeoutSeconds,omitempty" jsonschema:"minimum=1"`
	// ActiveDeadlineSeconds is the same as timeoutSeconds, by its Kubernetes name; the two must not differ. Default: what timeoutSeconds says.
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty" jsonschema:"minimum=1"`
	// BackoffLimit is how often a failed pod is tried again, 0 to 100. The next attempt waits until the one before has ended. Default 0: only
	// the author of a command knows whether it may run twice.
	BackoffLimit *int32 `json:"backoffLimit,omitempty" jsonschema:"minimum=0,maximum=100"`
	// Volumes mounted into the container, at most 16. Each has exactly one source: secret, configMap, persistentVolumeClaim or emptyDir.
	// Default: none.
	Volumes []Volume `json:"volumes,omitempty" jsonschema:"maxItems=16"`
	// Resources of the container. Default: none; the namespace's LimitRange decides.
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// SecurityContext sets the user that the container runs as. Default: the image's, which must not be root.
	SecurityContext *SecurityContext `json:"securityContext,omitempty"`
	// PodAnnotations are put on the pod. Default: none.
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`
}

// Volume is mounted at mountPath and has exactly one source.
type Volume struct {
	// Name of the volume, a DNS label. Required.
	Name string `json:"name" jsonschema:"pattern=^[a-z0-9]([-a-z0-9]*[a-z0-9])?$,maxLength=63"`
	// MountPath in the container, absolute. Required.
	MountPath string `json:"mountPath" jsonschema:"pattern=^/[^:]*$"`
	// ReadOnly mounts it for reading only. Secrets and ConfigMaps always are. Default false.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Secret in the Operation's namespace. Required, unless the volume has another source.
	Secret *corev1.SecretVolumeSource `json:"secret,omitempty"`
	// ConfigMap in the Operation's namespace. Required, unless the volume has another source.
	ConfigMap *corev1.ConfigMapVolumeSource `json:"configMap,omitempty"`
	// PersistentVolumeClaim in the Operation's namespace. Required, unless the volume has another source.
	PersistentVolumeClaim *corev1.PersistentVolumeClaimVolumeSource `json:"persistentVolumeClaim,omitempty"`
	// EmptyDir lives as long as the pod. Required, unless the volume has another source.
	EmptyDir *corev1.EmptyDirVolumeSource `json:"emptyDir,omitempty"`
}

// SecurityContext is what may be chosen within the restricted Pod Security Standard.
type SecurityContext struct {
	// RunAsUser is a user ID other than 0. Default: the image's, which must not be root.
	RunAsUser *int64 `json:"runAsUser,omitempty" jsonschema:"minimum=1"`
	// RunAsGroup is a group ID. Default: left to the container runtime.
	RunAsGroup *int64 `json:"runAsGroup,omitempty" jsonschema:"minimum=0"`
	// FSGroup is the ID of the group that owns the files of the volumes. Default: none.
	FSGroup *int64 `json:"fsGroup,omitempty" jsonschema:"minimum=0"`
}

// decode reads and checks what op asks for. The error is an *engines.InvalidError that lists everything that is wrong.
func decode(op *opsv1alpha1.Operation) (*Parameters, error) {
	if err := engines.Supports(Engine{}, op.Spec.Type); err != nil {
		return nil, err
	}
	p := &Parameters{}
	if err := engines.DecodeParameters(op, p); err != nil {
		return nil, err
	}
	if err := engines.Invalid(p.validate(engines.ParametersPath())...); err != nil {
		return nil, err
	}
	return p, nil
}

// deadline is the one of the two aliases that was set.
func (p *Parameters) deadline() *int64 {
	if p.ActiveDeadlineSeconds != nil {
		return p.ActiveDeadlineSeconds
	}
	return p.TimeoutSeconds
}

// backoffLimit with its default.
func (p *Parameters) backoffLimit() int32 {
	if p.BackoffLimit == nil {
		return 0
	}
	return *p.BackoffLimit
}
