// SPDX-License-Identifier: Apache-2.0

// Package workflow is the engine that runs a WorkflowTemplate, as a Workflow of Argo Workflows.
//
//	spec.parameters, checked against the template -> Workflow (workflowTemplateRef, owned by the Operation)
//	Workflow phase and completed label, and its nodes -> Outcome
//
// The Workflow's own phase decides; its nodes only explain. Argo reads the template once, when it takes the Workflow up; what becomes of the
// template later does not matter to a run.
package workflow
