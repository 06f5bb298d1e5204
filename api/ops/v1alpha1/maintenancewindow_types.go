// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LabelMaintenanceWindow on a ManagedCluster names the MaintenanceWindow in which the cluster may be acted on. An annotation of the same name does too,
// where there is no such label.
const LabelMaintenanceWindow = "ops.vworkspace.io/maintenance-window"

// Window is a time that comes again and again.
type Window struct {
	// Schedule is when the window opens: five cron fields, or one of @hourly, @daily, @weekly, @monthly.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule"`
	// Duration is for how long it stays open.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="must be at least 1m and at most 168h"
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	Duration metav1.Duration `json:"duration"`
	// TimeZone of the schedule, such as Europe/Zurich. Default UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// MaintenanceWindow is when the clusters that name it may be acted on. It is on the hub only.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=mw,categories=vworkspace
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.spec.schedule`
// +kubebuilder:printcolumn:name="Duration",type=string,JSONPath=`.spec.duration`
// +kubebuilder:printcolumn:name="Time Zone",type=string,JSONPath=`.spec.timeZone`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MaintenanceWindow struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec Window `json:"spec"`
}

// MaintenanceWindowList is a list of MaintenanceWindows.
// +kubebuilder:object:root=true
type MaintenanceWindowList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MaintenanceWindow `json:"items"`
}
