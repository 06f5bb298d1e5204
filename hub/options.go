// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"time"

	"k8s.io/utils/clock"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// defaultStartDeadline is how long a run may be kept from starting by something that is wrong, unless its spec says otherwise.
	defaultStartDeadline = 5 * time.Minute
	// defaultTTL is how long a spoke keeps the record of an Operation whose hub Operation sets no TTL, in seconds: seven days.
	defaultTTL = int32(7 * 24 * 60 * 60)
	// dispatchBatch is how many clusters one pass starts at most: more than a turn's worth, see lanes.
	dispatchBatch = 500
	// retryEvery so many status intervals a ManifestWork that could not be created is tried again.
	retryEvery = 5
	// lostGrace is how long an Operation may be missing on its cluster before the hub gives the run up. The work agent polls within
	// 20 s and puts a missing object back after four minutes at the earliest: the hub must act between the two, because putting it back
	// would run it again.
	lostGrace = 30 * time.Second
	// policiesAgain is how soon a missing policy is looked for again.
	policiesAgain = 10 * time.Second
	// queueAgain is how soon an Operation looks again whether its turn has come; as a rule the end of the one before it says so at once.
	queueAgain = 5 * time.Second
	// releaseGrace is how long a deleted Operation waits for reachable clusters to take note.
	releaseGrace = 30 * time.Second
)

// Options of the hub. The zero value of a field means its default, except for WorkRetention.
type Options struct {
	// AgentNamespace is the namespace of the agent on every spoke.
	AgentNamespace string
	// PlatformNamespace is the hub's namespace whose Operations may select across the namespaces of a spoke.
	PlatformNamespace string
	// Namespace is the hub's own: of the keys of approvals, and of the records of those that were used. Default DefaultHubNamespace.
	Namespace string
	// ApprovalKeys is the Secret there with the keys by which approvals are verified. Default DefaultApprovalKeys.
	ApprovalKeys string
	// Authorize runs only what the one who asked for it may run: see authorize. It takes that the API server writes down who asks.
	Authorize bool
	// WorkRetention is how long ManifestWorks stay after their Operation ended, for people who want to look. Zero deletes them as soon
	// as their results are kept.
	WorkRetention time.Duration
	// StatusInterval is the shortest time between two writes of one Operation's status while it runs. Default 1s.
	StatusInterval time.Duration
	// Workers is how many ManifestWorks are written at once, by all Operations together. Default 32.
	Workers int
	// NoTemplate says what becomes of an Operation that no OperationTemplate allows. Default NoTemplateBlock.
	NoTemplate NoTemplate
	// DeliverCatalog brings the OperationTemplates of the hub to every cluster with an agent. On in DefaultOptions.
	DeliverCatalog bool
	// CatalogDelay gathers the changes of templates into one write per cluster. Default 1s.
	CatalogDelay time.Duration
	// Reports holds every Operation until whoever a ControlPlane or an AuditSink stands for has been told of it, while there are any. It takes that hub/odoo runs
	// beside, which lets them go. Without it, what an earlier hub held is let go when it is deleted.
	Reports bool
	// Clock tells the time. Default the system's.
	Clock clock.Clock
	// RemindAfter is for how long an agent that can be reached may leave a change of a ManifestWork alone before it is sent again. One that has heard of it
	// applies it within seconds. Default 1m.
	RemindAfter time.Duration
	// Metrics are what the hub counts. Register them where they are to be exported; by default nobody sees them.
	Metrics *Metrics
}

// DefaultOptions are what cmd/hub runs with unless its flags say otherwise.
func DefaultOptions() Options {
	return Options{WorkRetention: 5 * time.Minute, Authorize: true, DeliverCatalog: true}.complete()
}

func (o Options) complete() Options {
	if o.AgentNamespace == "" {
		o.AgentNamespace = opsv1alpha1.DefaultAgentNamespace
	}
	if o.PlatformNamespace == "" {
		o.PlatformNamespace = opsv1alpha1.DefaultPlatformNamespace
	}
	if o.Namespace == "" {
		o.Namespace = opsv1alpha1.DefaultHubNamespace
	}
	if o.ApprovalKeys == "" {
		o.ApprovalKeys = opsv1alpha1.DefaultApprovalKeys
	}
	if o.StatusInterval == 0 {
		o.StatusInterval = time.Second
	}
	if o.Workers == 0 {
		o.Workers = 32
	}
	if o.NoTemplate == "" {
		o.NoTemplate = NoTemplateBlock
	}
	if o.CatalogDelay == 0 {
		o.CatalogDelay = time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.RemindAfter == 0 {
		o.RemindAfter = time.Minute
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	return o
}

// startDeadline of an Operation.
func startDeadline(op *opsv1alpha1.Operation) time.Duration {
	if d := op.Spec.StartDeadline; d != nil {
		return d.Duration
	}
	return defaultStartDeadline
}
