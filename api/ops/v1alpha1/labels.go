// SPDX-License-Identifier: Apache-2.0

package v1alpha1

const (
	// LabelOperation is on everything that is made for an Operation; its value is that Operation's UID.
	LabelOperation = "ops.vworkspace.io/operation"
	// LabelStep is on what is made for an Operation beside the work of its engine: quiesce or unquiesce.
	LabelStep = "ops.vworkspace.io/step"
	// LabelParent is on an Operation that another one made; its value is the parent's UID.
	LabelParent = "ops.vworkspace.io/parent"
	// LabelRoot is on every Operation below a fleet Operation; its value is the UID of the one that a person made on the hub.
	LabelRoot = "ops.vworkspace.io/root"
	// LabelPart tells apart what the hub makes beside deliveries: PartPlan, PartPreview, PartResult, PartEarlier, PartJob, PartLetter,
	// PartEntry or PartCatalog.
	LabelPart = "ops.vworkspace.io/part"
	// PartPlan is a chunk of a frozen plan.
	PartPlan = "plan"
	// PartPreview is a chunk of what a dry run foresees, in plain text.
	PartPreview = "preview"
	// PartResult is a chunk of kept cluster results.
	PartResult = "result"
	// PartEarlier is a chunk of what clusters had come to before they were started again.
	PartEarlier = "earlier"
	// PartJob is the record of a job that came from a control plane.
	PartJob = "job"
	// PartLetter is what is to be told of an Operation that is gone.
	PartLetter = "letter"
	// PartEntry is a catalog entry that came from a control plane.
	PartEntry = "entry"
	// PartCatalog is a ManifestWork with what is the hub's own: OperationTemplates, or Freezes.
	PartCatalog = "catalog"

	// AnnotationOrigin is on an Operation that another one made: NAMESPACE/NAME of the parent, for people to read.
	AnnotationOrigin = "ops.vworkspace.io/origin"
	// AnnotationStartBefore is on an Operation that a hub has delivered: the time, in RFC 3339, until which it may arrive. What arrives later is not
	// run, and until then its record is not swept away, so that nothing runs again that is delivered again (docs/adr/0008).
	AnnotationStartBefore = "ops.vworkspace.io/start-before"

	// AnnotationRequestedBy is on every Operation that a person or a program has created: the user name that the API server knew them by. It is written at
	// admission and nobody can choose or change it. What lies below an Operation carries the one of the top.
	AnnotationRequestedBy = "ops.vworkspace.io/requested-by"
	// AnnotationRequestedByGroups holds the groups of that user, one a line.
	AnnotationRequestedByGroups = "ops.vworkspace.io/requested-by-groups"
	// AnnotationOnBehalfOf is on an Operation that the hub makes by itself: the requester of the one that it is made for, or the person who made a control plane
	// ask for it. Where anybody else has written it, it says nothing.
	AnnotationOnBehalfOf = "ops.vworkspace.io/on-behalf-of"

	// AnnotationReminded is on an object that whoever works on it seemed to have forgotten, and was reminded of by this change: when, in RFC 3339. The hub reminds
	// Open Cluster Management's agent of a ManifestWork, and the agent reminds Velero of a Backup.
	AnnotationReminded = "ops.vworkspace.io/reminded"

	// CapabilityPrefix begins the annotations by which an ApplicationInstance advertises what may be done to it
	// and with which engine, such as ops.vworkspace.io/backup=velero.
	CapabilityPrefix = "ops.vworkspace.io/"

	// OperationFinalizer keeps a running Operation until its run is cancelled.
	OperationFinalizer = "ops.vworkspace.io/finalizer"

	// AnnotationJob is on what a job of a control plane made: CONTROLPLANE/JOB. Where anybody but the hub has written it, it says nothing.
	AnnotationJob = "ops.vworkspace.io/job"
	// ReportFinalizer keeps an Operation until all who are to hear how it went have heard it, or it is written down for them. It is on every Operation of a
	// hub that has a ControlPlane or an AuditSink.
	ReportFinalizer = "ops.vworkspace.io/report"
	// AnnotationReported is on an Operation that has ended and of which all has been told: to whom, as names divided by commas.
	AnnotationReported = "ops.vworkspace.io/reported"

	// FieldManager owns what an Operation applies to objects that it did not create.
	FieldManager = "vworkspace-operation"
)

// Where the hub and an agent meet on a spoke.
const (
	// DefaultAgentNamespace is the spoke's namespace of the agent. Operations from the hub land here and nowhere else, so that one
	// informer brings all feedback back and the ManifestWork's executor needs rights in this one namespace.
	DefaultAgentNamespace = "vworkspace-agent"
	// OperationExecutor is the ServiceAccount in the agent's namespace as which Operations from the hub are applied.
	OperationExecutor = "vworkspace-operations"
	// InstanceExecutor is the ServiceAccount in the agent's namespace as which ApplicationInstances from the hub are applied.
	InstanceExecutor = "vworkspace-instances"
	// CatalogExecutor is the ServiceAccount in the agent's namespace as which OperationTemplates and Freezes from the hub are applied.
	CatalogExecutor = "vworkspace-catalog"
	// ClaimApp and ClaimEngine end the names of the ClusterClaims by which an agent says what runs where it is, and so that it is there:
	// nextcloud.app.vworkspace.io=3, helm.engine.vworkspace.io=installed.
	ClaimApp    = ".app.vworkspace.io"
	ClaimEngine = ".engine.vworkspace.io"
	// DefaultPlatformNamespace is the hub's namespace whose fleet Operations may select across the namespaces of a spoke.
	DefaultPlatformNamespace = "vworkspace-platform"
)
