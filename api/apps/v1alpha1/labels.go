// SPDX-License-Identifier: Apache-2.0

package v1alpha1

const (
	// LabelManagedBy tells which control plane an object belongs to.
	LabelManagedBy = "app.vworkspace.io/managed-by"
	// ManagedByControlPlane is the value that this project writes to LabelManagedBy.
	// Other values, such as "odoo", are the writer's own and are left alone.
	ManagedByControlPlane = "control-plane"
	// LabelClusterID names the managed cluster that an ApplicationInstance on the hub is delivered to.
	LabelClusterID = "app.vworkspace.io/cluster-id"
	// LabelApplicationInstance names the ApplicationInstance that an object was made for.
	LabelApplicationInstance = "app.vworkspace.io/application-instance"

	// LabelNamespaceGate opens a namespace of a spoke to this project when its value is NamespaceGated.
	// Nothing is read, created or changed for an Operation in a namespace without it.
	LabelNamespaceGate = "managed-by"
	// NamespaceGated is the value of LabelNamespaceGate that opens a namespace.
	NamespaceGated = "vworkspace"

	// AnnotationUpgradedFrom is written by an Upgrade together with a new spec.chart.version and holds
	// the version before. The hub takes over a version from a spoke only when this is the version that
	// the hub itself asked for: a compare-and-swap across two API servers.
	AnnotationUpgradedFrom = "apps.vworkspace.io/upgraded-from"
	// AnnotationRolledBackTo is on an instance or a release whose last Upgrade asked to roll back: the version that was chosen.
	AnnotationRolledBackTo = "apps.vworkspace.io/rolled-back-to"
	// AnnotationUpgradedBy holds the UID of the Operation that last moved spec.chart.version or spec.values.
	AnnotationUpgradedBy = "apps.vworkspace.io/upgraded-by"

	// ApplicationInstanceFinalizer keeps an instance until what was made for it is gone.
	ApplicationInstanceFinalizer = "apps.vworkspace.io/finalizer"
)
