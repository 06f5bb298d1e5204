// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// maxSummary bytes are what a failure may say before it quotes the pod, so that the quotation always has room.
const maxSummary = 320

// latest is the youngest pod, whose logs are those to look at; by name when two are equally old, so that the answer never flips.
func latest(pods []corev1.Pod) *corev1.Pod {
	return newest(pods, func(*corev1.Pod) bool { return true }, func(p *corev1.Pod) time.Time { return p.CreationTimestamp.Time })
}

// latestFailed is the pod that failed last. A pod that is stopped at a deadline fails by being deleted, and may be gone.
func latestFailed(pods []corev1.Pod) *corev1.Pod {
	return newest(pods, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed || failedContainer(p) != nil },
		func(p *corev1.Pod) time.Time {
			if t := failedContainer(p); t != nil {
				return t.FinishedAt.Time
			}
			return p.CreationTimestamp.Time
		})
}

func newest(pods []corev1.Pod, match func(*corev1.Pod) bool, at func(*corev1.Pod) time.Time) *corev1.Pod {
	var found *corev1.Pod
	for i := range pods {
		p := &pods[i]
		if !match(p) {
			continue
		}
		if found == nil || at(p).After(at(found)) || (at(p).Equal(at(found)) && p.Name > found.Name) {
			found = p
		}
	}
	return found
}

// failed is how a container failed.
type failed struct {
	*corev1.ContainerStateTerminated
	// of says which one, when the pod has more than one.
	of string
}

// failedContainer is how the pod's container failed, or nil when none did or nobody knows. Those that do the work come first: one that
// only runs beside them is stopped, and may call that a failure.
func failedContainer(pod *corev1.Pod) *failed {
	several := len(pod.Status.ContainerStatuses)+len(pod.Status.InitContainerStatuses) > 1
	for _, c := range slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses) {
		if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
			f := &failed{ContainerStateTerminated: t}
			if several {
				f.of = "container " + c.Name + " of "
			}
			return f
		}
	}
	return nil
}

// cause says in at most n bytes why the pod failed: the exit code and the last lines of its log, which the kubelet put into the status.
func cause(pod *corev1.Pod, n int) string {
	t := failedContainer(pod)
	if t == nil {
		why := strings.TrimSpace(pod.Status.Reason + " " + pod.Status.Message)
		if why == "" {
			why = "its status does not say why"
		}
		return opsv1alpha1.Truncate(fmt.Sprintf("pod %s failed: %s", pod.Name, oneLine(why)), n)
	}
	head := fmt.Sprintf("%spod %s exited with code %d", t.of, pod.Name, t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" {
		head += " (" + t.Reason + ")"
	}
	log := tail(engines.Redact(strings.TrimSpace(t.Message)), n-len(head)-len(": "))
	if log == "" {
		return opsv1alpha1.Truncate(head, n)
	}
	return head + ": " + log
}

// tail keeps the last n bytes, from the beginning of a line where there is one: the end of a log says why it ended.
func tail(s string, n int) string {
	const cut = "..."
	if len(s) <= n {
		return s
	}
	if n <= len(cut) {
		return ""
	}
	s = s[len(s)-n+len(cut):]
	if _, rest, ok := strings.Cut(s, "\n"); ok && rest != "" {
		return cut + rest
	}
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return cut + s
}

// waiting says what a pod that has not started waits for, or "" when there is nothing wrong with it.
func waiting(pod *corev1.Pod) string {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
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

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func phase(pod *corev1.Pod) string {
	if pod.Status.Phase == "" {
		return "pending"
	}
	return strings.ToLower(string(pod.Status.Phase))
}
