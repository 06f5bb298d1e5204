// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Annotations by which an ApplicationInstance says how its application is brought to rest for the time of a run that asks for it by
// spec.parameters.quiesce, and woken up after. Whoever may set them decides what is run in the namespace's pods.
const (
	// CapabilityQuiesce is QuiesceExec or the name of an engine that does a RunCommand.
	CapabilityQuiesce = CapabilityPrefix + "quiesce"
	// QuiesceExec is the value of CapabilityQuiesce for a command in the application's own pods, or a request to its own Service.
	QuiesceExec = "exec"

	// AnnotationQuiescePods is a label selector. The commands run in every Running pod of the instance's namespace that matches.
	AnnotationQuiescePods = CapabilityPrefix + "quiesce-pods"
	// AnnotationQuiesceContainer names the container; by default it is the one that kubectl would take.
	AnnotationQuiesceContainer = CapabilityPrefix + "quiesce-container"
	// AnnotationQuiesceCommand and AnnotationUnquiesceCommand are JSON arrays of strings. No shell splits them.
	AnnotationQuiesceCommand   = CapabilityPrefix + "quiesce-command"
	AnnotationUnquiesceCommand = CapabilityPrefix + "unquiesce-command"

	// AnnotationQuiesceURL and AnnotationUnquiesceURL are SERVICE:PORT/PATH of a Service in the instance's namespace, which gets a POST through the
	// API server.
	AnnotationQuiesceURL   = CapabilityPrefix + "quiesce-url"
	AnnotationUnquiesceURL = CapabilityPrefix + "unquiesce-url"

	// AnnotationQuiesceParameters and AnnotationUnquiesceParameters are JSON objects: the parameters of the engine that CapabilityQuiesce names.
	AnnotationQuiesceParameters   = CapabilityPrefix + "quiesce-parameters"
	AnnotationUnquiesceParameters = CapabilityPrefix + "unquiesce-parameters"

	// AnnotationQuiesceTimeout bounds each of the two steps, at most 10m. Default: 1m, and 5m for an engine.
	AnnotationQuiesceTimeout = CapabilityPrefix + "quiesce-timeout"
)
