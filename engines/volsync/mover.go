// SPDX-License-Identifier: Apache-2.0

package volsync

import (
	corev1 "k8s.io/api/core/v1"

	"vworkspace.io/fleet/engines"
)

// newest is the youngest pod, whose logs are those to look at; by name when two are equally old, so that the answer never flips.
func newest(pods []corev1.Pod) *corev1.Pod {
	var found *corev1.Pod
	for i := range pods {
		p := &pods[i]
		if found == nil || p.CreationTimestamp.After(found.CreationTimestamp.Time) ||
			(p.CreationTimestamp.Equal(&found.CreationTimestamp) && p.Name > found.Name) {
			found = p
		}
	}
	return found
}

func failedPods(pods []corev1.Pod) int {
	failed := 0
	for i := range pods {
		if pods[i].Status.Phase == corev1.PodFailed {
			failed++
		}
	}
	return failed
}

// active tells whether one of the pods may still move data.
func active(pods []corev1.Pod) *corev1.Pod {
	for i := range pods {
		if !over(&pods[i]) {
			return &pods[i]
		}
	}
	return nil
}

// notStarted says what a pod that has not started waits for, or "" when there is nothing wrong with it.
func notStarted(pod *corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && w.Reason != "" && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return reasoned(w.Reason, w.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return reasoned(c.Reason, c.Message)
		}
	}
	return ""
}

func reasoned(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + engines.Redact(oneLine(message))
}
