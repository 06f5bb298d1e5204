// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/engines"
)

// trouble is what a pod, or another part, says of itself.
type trouble struct {
	state                         State
	phase, message, cause, advice string
	since                         *metav1.Time
}

// pod is the link of a pod.
func (w *walk) pod(pod *corev1.Pod, depth int) {
	t := podTrouble(pod)
	w.add(node{
		Link: Link{Step: StepPart, Depth: depth, Name: "Pod " + pod.Namespace + "/" + pod.Name, State: t.state, Phase: t.phase, Since: t.since, Message: t.message,
			Object: partRef("v1", "Pod", pod)},
		cause: t.cause, advice: strings.ReplaceAll(t.advice, "{logs}", w.logs()),
	})
}

// podTrouble says how a pod is, and what keeps it from doing what it should.
func podTrouble(pod *corev1.Pod) trouble {
	t := trouble{state: OK, phase: cmp.Or(string(pod.Status.Phase), "Pending"), since: pod.Status.StartTime}
	if t.since == nil {
		t.since = &pod.CreationTimestamp
	}
	name := "pod " + pod.Namespace + "/" + pod.Name
	describe := fmt.Sprintf("kubectl -n %s describe pod %s", pod.Namespace, pod.Name)
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for i := range statuses {
		if c := containerTrouble(&statuses[i]); c != nil {
			c.cause = fmt.Sprintf("container %s of %s %s", statuses[i].Name, name, c.cause)
			c.advice = strings.NewReplacer("{describe}", describe, "{namespace}", pod.Namespace, "{pod}", pod.Name, "{container}", statuses[i].Name).Replace(c.advice)
			c.since = cmp.Or(c.since, t.since)
			return *c
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return trouble{Broken, cmp.Or(c.Reason, "Unschedulable"), c.Message, name + " is not given a node: " + c.Message,
				"give the cluster what the pod asks for, or ask for less: " + describe, &c.LastTransitionTime}
		}
	}
	if pod.Status.Phase == corev1.PodFailed {
		t.state, t.phase, t.message = Broken, cmp.Or(pod.Status.Reason, "Failed"), engines.Redact(pod.Status.Message)
		t.cause, t.advice = fmt.Sprintf("%s failed: %s", name, said(t.phase, t.message)), describe
	}
	return t
}

// imageTroubles are waits of a container that do not end by themselves.
var imageTroubles = []string{"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}

// containerTrouble says what is wrong with a container; nil when nothing is. In texts {describe} and the like are for the caller to fill in.
func containerTrouble(c *corev1.ContainerStatus) *trouble {
	if end := c.State.Terminated; end != nil && end.ExitCode != 0 {
		return terminated(end, "")
	}
	wait := c.State.Waiting
	if wait == nil || wait.Reason == "" || wait.Reason == "ContainerCreating" || wait.Reason == "PodInitializing" {
		return nil
	}
	message := engines.Redact(strings.TrimSpace(wait.Message))
	switch {
	case slices.Contains(imageTroubles, wait.Reason):
		return &trouble{state: Broken, phase: wait.Reason, message: message,
			cause:  fmt.Sprintf("cannot get its image %s: %s", c.Image, said(wait.Reason, message)),
			advice: "correct the image in a new Operation, or give the cluster access to its registry: {describe}"}
	case wait.Reason == "CrashLoopBackOff" && c.LastTerminationState.Terminated != nil:
		return terminated(c.LastTerminationState.Terminated, fmt.Sprintf("starts and ends again and again (%d times): ", c.RestartCount))
	}
	return &trouble{state: Broken, phase: wait.Reason, message: message, cause: "does not start: " + said(wait.Reason, message), advice: "{describe}"}
}

// terminated is a container that ended badly; before is put before what it did.
func terminated(end *corev1.ContainerStateTerminated, before string) *trouble {
	last := engines.Redact(strings.TrimSpace(end.Message))
	t := &trouble{state: Broken, phase: cmp.Or(end.Reason, "Error"), message: said(fmt.Sprintf("exit code %d", end.ExitCode), last), since: &end.FinishedAt}
	if before != "" {
		t.phase = "CrashLoopBackOff"
	}
	t.cause = before + said(fmt.Sprintf("exited with code %d", end.ExitCode), last)
	t.advice = "{logs}, or kubectl -n {namespace} logs {pod} -c {container} there"
	if before != "" {
		t.advice = "kubectl -n {namespace} logs {pod} -c {container} --previous"
	}
	if end.Reason == "OOMKilled" {
		t.phase, t.cause = end.Reason, before+"was killed because it used more memory than its limit (OOMKilled)"
		t.advice = "raise its memory limit in a new Operation (spec.parameters.resources)"
	}
	return t
}
