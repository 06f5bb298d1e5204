// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// jobRig: Kubernetes' own Job controller, in kube-controller-manager. Simulated pods take as long, and end, as their annotations say.
var jobRig = rig{
	engine:   opsv1alpha1.EngineJob,
	succeeds: func(t testing.TB) *opsv1alpha1.Operation { return command(t, nil) },
	fails: func(t testing.TB) *opsv1alpha1.Operation {
		return command(t, map[string]string{testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "disk full"})
	},
	failReason: "JobFailedBackoffExceeded",
	hangs: func(t testing.TB) *opsv1alpha1.Operation {
		return command(t, map[string]string{testbed.AnnotationDuration: "1h"})
	},
	slow: func(t testing.TB) (*opsv1alpha1.Operation, func()) {
		return command(t, map[string]string{testbed.AnnotationDuration: "6s"}), func() {}
	},
	begun:        opsv1alpha1.ReasonEngineRunning,
	controller:   "kube-controller-manager",
	afterRestart: opsv1alpha1.PhaseSucceeded,
	stops:        true,
}

func command(t testing.TB, pod map[string]string) *opsv1alpha1.Operation {
	t.Helper()
	return operation(t, placeholder(t, opsv1alpha1.EngineJob), opsv1alpha1.TypeRunCommand, opsv1alpha1.EngineJob, map[string]any{
		"image": "registry.example.com/probe:1", "command": []string{"true"}, "podAnnotations": pod,
	})
}
