// SPDX-License-Identifier: Apache-2.0

package v1alpha1

const (
	// LabelHookPodSecurity on a namespace says how much the pods may ask for that engine helmHookJob starts there. Their spec is the chart's, and without
	// this label it has to be restricted, as Kubernetes' Pod Security Standards call it.
	LabelHookPodSecurity = "ops.vworkspace.io/hook-pod-security"
	// HookPodSecurityBaseline is the only value that counts: a hook may run as root, say, but neither privileged nor with anything of its node.
	HookPodSecurityBaseline = "baseline"
)
