// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Mode says who owns the Helm release of an instance.
// +kubebuilder:validation:Enum=managed;adopted;placeholder
type Mode string

const (
	// ModeManaged instances own a Flux HelmRelease and its chart source, made from spec.chart, spec.release and spec.values.
	ModeManaged Mode = "managed"
	// ModeAdopted instances name a HelmRelease that somebody else (usually GitOps) owns. Nothing of it is changed outside an Operation.
	ModeAdopted Mode = "adopted"
	// ModePlaceholder instances have no release: a target for cluster-wide Operations.
	ModePlaceholder Mode = "placeholder"
)

// ChartSourceType says how a chart is fetched.
// +kubebuilder:validation:Enum=oci;helm
type ChartSourceType string

const (
	// ChartSourceOCI is an OCI registry; chart.url begins with oci://.
	ChartSourceOCI ChartSourceType = "oci"
	// ChartSourceHelm is a Helm repository with an index; chart.url begins with http:// or https://.
	ChartSourceHelm ChartSourceType = "helm"
)

// ValuesSource says where chart values come from.
// +kubebuilder:validation:Enum=inline;secretRef;configMapRef
type ValuesSource string

const (
	// ValuesInline takes values.inline.
	ValuesInline ValuesSource = "inline"
	// ValuesSecretRef takes the YAML document under values.secretRef.
	ValuesSecretRef ValuesSource = "secretRef"
	// ValuesConfigMapRef takes the YAML document under values.configMapRef.
	ValuesConfigMapRef ValuesSource = "configMapRef"
)

// AppRef names the catalog entry that an instance was made from.
type AppRef struct {
	// CatalogID is the stable name of the catalog entry, such as "nextcloud". It is recorded and selected by, never looked up.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	CatalogID string `json:"catalogId"`
}

// ChartSpec is the chart that an instance is deployed from.
// +kubebuilder:validation:XValidation:rule="self.sourceType == 'oci' ? self.url.startsWith('oci://') : (self.url.startsWith('http://') || self.url.startsWith('https://'))",message="url must begin with oci:// for sourceType oci and with https:// or http:// for sourceType helm"
type ChartSpec struct {
	// SourceType is oci or helm.
	// +required
	SourceType ChartSourceType `json:"sourceType"`
	// URL of the registry path (oci://HOST/PATH, without the chart's name) or of the Helm repository.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url"`
	// Name of the chart.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Version is one exact semantic version; ranges are refused, so that a run means the same on every cluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^v?[0-9]+\\\\.[0-9]+\\\\.[0-9]+([-+][0-9A-Za-z.+-]+)?$')",message="must be one exact semantic version such as 1.2.3, not a range"
	Version string `json:"version"`
}

// ReleaseSpec is the identity of the Helm release. It cannot be changed: renaming a release would orphan it.
type ReleaseSpec struct {
	// Name of the HelmRelease object and of the Helm release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=53
	Name string `json:"name"`
	// Namespace of the release; must be the instance's own namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
}

// ObjectKeyRef names one key of a Secret or ConfigMap in the instance's namespace.
type ObjectKeyRef struct {
	// Name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key in its data that holds a YAML document.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// ValuesSpec is where chart values come from: exactly the field that source names.
// +kubebuilder:validation:XValidation:rule="(self.source == 'secretRef') == has(self.secretRef)",message="secretRef must be set when source is secretRef, and only then"
// +kubebuilder:validation:XValidation:rule="(self.source == 'configMapRef') == has(self.configMapRef)",message="configMapRef must be set when source is configMapRef, and only then"
// +kubebuilder:validation:XValidation:rule="self.source == 'inline' || !has(self.inline)",message="inline may be set only when source is inline"
type ValuesSpec struct {
	// Source is inline, secretRef or configMapRef.
	// +required
	Source ValuesSource `json:"source"`
	// Inline values, handed to the chart as they are. Not the place for secrets.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Inline *runtime.RawExtension `json:"inline,omitempty"`
	// SecretRef names a Secret's key. Flux reads it; it is never read or copied here.
	// +optional
	SecretRef *ObjectKeyRef `json:"secretRef,omitempty"`
	// ConfigMapRef names a ConfigMap's key.
	// +optional
	ConfigMapRef *ObjectKeyRef `json:"configMapRef,omitempty"`
}

// IntegrationsSpec is accepted for compatibility with the public API and kept as it is.
// The chart's own values say the same; nothing is derived from it.
type IntegrationsSpec struct {
	// ExternalSecrets integration.
	// +optional
	ExternalSecrets *IntegrationToggle `json:"externalSecrets,omitempty"`
	// CertManager integration.
	// +optional
	CertManager *IntegrationToggle `json:"certManager,omitempty"`
	// Ingress integration.
	// +optional
	Ingress *IngressIntegration `json:"ingress,omitempty"`
}

// IntegrationToggle turns an integration on.
type IntegrationToggle struct {
	// Enabled turns it on.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
}

// IngressIntegration is the ingress part of IntegrationsSpec.
type IngressIntegration struct {
	// Enabled turns it on.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
	// Host name.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`
}

// ApplicationInstanceSpec is the desired state of an ApplicationInstance.
// +kubebuilder:validation:XValidation:rule="self.mode != 'managed' || (has(self.chart) && has(self.release) && has(self.values))",message="mode managed needs chart, release and values"
// +kubebuilder:validation:XValidation:rule="self.mode != 'adopted' || (has(self.release) && !has(self.chart) && !has(self.values))",message="mode adopted needs release, and neither chart nor values: the HelmRelease's owner decides those"
// +kubebuilder:validation:XValidation:rule="self.mode != 'placeholder' || (!has(self.chart) && !has(self.release) && !has(self.values))",message="mode placeholder takes neither chart, release nor values"
// +kubebuilder:validation:XValidation:rule="self.mode == oldSelf.mode",message="mode is immutable: delete the instance and create it again"
// +kubebuilder:validation:XValidation:rule="has(self.release) == has(oldSelf.release) && (!has(self.release) || self.release == oldSelf.release)",message="release is immutable: renaming a release would orphan it; delete the instance and create it again"
type ApplicationInstanceSpec struct {
	// Mode is managed (default), adopted or placeholder.
	// +optional
	// +kubebuilder:default=managed
	Mode Mode `json:"mode,omitempty"`
	// AppRef names the catalog entry.
	// +required
	AppRef AppRef `json:"appRef"`
	// Chart to deploy; mode managed only.
	// +optional
	Chart *ChartSpec `json:"chart,omitempty"`
	// Release is the HelmRelease made (managed) or named (adopted).
	// +optional
	Release *ReleaseSpec `json:"release,omitempty"`
	// Values of the chart; mode managed only.
	// +optional
	Values *ValuesSpec `json:"values,omitempty"`
	// Integrations is kept for compatibility; nothing is derived from it.
	// +optional
	Integrations *IntegrationsSpec `json:"integrations,omitempty"`
}

// HelmReleaseRef names the HelmRelease of an instance.
type HelmReleaseRef struct {
	// Name of the HelmRelease.
	// +required
	Name string `json:"name"`
	// Namespace of the HelmRelease.
	// +required
	Namespace string `json:"namespace"`
}

// ChartSnapshot is the chart that runs, as opposed to the chart that is wanted.
type ChartSnapshot struct {
	// SourceType is oci or helm.
	// +optional
	SourceType ChartSourceType `json:"sourceType,omitempty"`
	// URL of the chart's source.
	// +optional
	URL string `json:"url,omitempty"`
	// Name of the chart.
	// +required
	Name string `json:"name"`
	// Version that Helm deployed last.
	// +required
	Version string `json:"version"`
}

// EndpointStatus is one address of the application.
type EndpointStatus struct {
	// Name of the endpoint.
	// +required
	Name string `json:"name"`
	// URL of the endpoint.
	// +required
	URL string `json:"url"`
	// Type such as ingress or service.
	// +optional
	Type string `json:"type,omitempty"`
	// Notes for people.
	// +optional
	Notes string `json:"notes,omitempty"`
}

// ApplicationInstanceStatus is the observed state of an ApplicationInstance.
type ApplicationInstanceStatus struct {
	// ObservedGeneration is the metadata.generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, Reconciling, Degraded, Blocked, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// HelmReleaseRef names the HelmRelease that was made or adopted.
	// +optional
	HelmReleaseRef *HelmReleaseRef `json:"helmReleaseRef,omitempty"`
	// LastAppliedChart is what Helm deployed last.
	// +optional
	LastAppliedChart *ChartSnapshot `json:"lastAppliedChart,omitempty"`
	// LastReconcileTime is when this status last changed.
	// +optional
	LastReconcileTime *metav1.Time `json:"lastReconcileTime,omitempty"`
	// Endpoints of the application.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	Endpoints []EndpointStatus `json:"endpoints,omitempty"`
	// Cluster is set on the hub: the managed cluster that the instance was delivered to. It never changes again.
	// +optional
	Cluster string `json:"cluster,omitempty"`

	// Ready, ReadyReason and ReadyMessage repeat the Ready condition as flat fields, for Open Cluster Management's scalar status feedback.
	// +optional
	Ready metav1.ConditionStatus `json:"ready,omitempty"`
	// ReadyReason is the reason of the Ready condition.
	// +optional
	ReadyReason string `json:"readyReason,omitempty"`
	// ReadyMessage is the message of the Ready condition, at most 1,024 bytes.
	// +optional
	ReadyMessage string `json:"readyMessage,omitempty"`
}

// ApplicationInstance is one Helm-deployed application on one cluster.
//
// On a spoke, mode managed makes a Flux HelmRelease from it. On the hub, an instance with the label
// app.vworkspace.io/cluster-id is delivered to that cluster, to the namespace of the same name, and its status comes back.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=appinst;ai,categories=vworkspace
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.metadata.labels.app\.vworkspace\.io/cluster-id`
// +kubebuilder:printcolumn:name="Chart",type=string,JSONPath=`.spec.chart.name`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.chart.version`
// +kubebuilder:printcolumn:name="Running",type=string,JSONPath=`.status.lastAppliedChart.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ApplicationInstance struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ApplicationInstanceSpec `json:"spec"`
	// +optional
	Status ApplicationInstanceStatus `json:"status,omitempty"`
}

// ApplicationInstanceList is a list of ApplicationInstances.
// +kubebuilder:object:root=true
type ApplicationInstanceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApplicationInstance `json:"items"`
}
