// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/engines"
)

const (
	// lookEvery is how often it is looked for pods, and for the end of a run, while it is followed.
	lookEvery = time.Second
	// mainContainer does the work in a pod of Argo's, beside what Argo adds.
	mainContainer = "main"
	// annotationContainer names the container that kubectl takes when none is named.
	annotationContainer = "kubectl.kubernetes.io/default-container"
)

// containers of a pod whose logs are to be printed: those that do the work, and those that failed before it.
func (p *Printer) containers(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.InitContainers {
		if p.AllContainers || failed(pod.Status.InitContainerStatuses, c.Name) {
			names = append(names, c.Name)
		}
	}
	var all []string
	for _, c := range pod.Spec.Containers {
		all = append(all, c.Name)
	}
	main := pod.Annotations[annotationContainer]
	if main == "" && pod.Labels["workflows.argoproj.io/workflow"] != "" {
		main = mainContainer
	}
	if !p.AllContainers && slices.Contains(all, main) {
		all = []string{main}
	}
	return append(names, all...)
}

func failed(statuses []corev1.ContainerStatus, name string) bool {
	return slices.ContainsFunc(statuses, func(c corev1.ContainerStatus) bool {
		return c.Name == name && c.State.Terminated != nil && c.State.Terminated.ExitCode != 0
	})
}

// pod prints the logs of a pod.
func (p *Printer) pod(ctx context.Context, pod *corev1.Pod, several bool) {
	names := p.containers(pod)
	for _, container := range names {
		prefix := ""
		if several || len(names) > 1 {
			prefix = fmt.Sprintf("[%s/%s/%s] ", pod.Namespace, pod.Name, container)
		}
		if err := p.container(ctx, pod, container, prefix); err != nil && ctx.Err() == nil {
			p.unread(pod, container, err)
		}
	}
}

// container prints the log of a container, line by line.
func (p *Printer) container(ctx context.Context, pod *corev1.Pod, container, prefix string) error {
	o := &corev1.PodLogOptions{Container: container, Follow: p.Follow, Previous: p.Previous}
	if p.Tail >= 0 {
		o.TailLines = ptr.To(p.Tail)
	}
	if p.Since > 0 {
		o.SinceSeconds = ptr.To(max(1, int64(p.Since.Seconds())))
	}
	stream, err := p.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, o).Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	return eachLine(stream, func(line string) { p.line(prefix, line) })
}

// eachLine of a text, of whatever length.
func eachLine(r io.Reader, do func(string)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			do(strings.TrimSuffix(line, "\n"))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unread says why a log could not be read, and what the pod's status has kept of it: the kubelet that holds the log may be gone, and the API server not.
func (p *Printer) unread(pod *corev1.Pod, container string, err error) {
	why := err.Error()
	switch {
	case apierrors.IsNotFound(err):
		why = "the pod, or its log, is gone"
	case apierrors.IsForbidden(err):
		why = "you have no right to get pods/log in namespace " + pod.Namespace
	case apierrors.IsBadRequest(err): // the container has not started, or has no previous run; the API server says it well
	case fromKubelet(err):
		why = fmt.Sprintf("the kubelet of node %s does not give it: %s", pod.Spec.NodeName, why)
	}
	p.note("the log of container %s of pod %s/%s could not be read: %s", container, pod.Namespace, pod.Name, why)
	if last := lastWords(pod, container); last != "" {
		p.note("its status has kept: %s", last)
	}
}

// fromKubelet tells whether the API server passes on that it got nothing from the kubelet: it answers so with a status of 500 or more, and no reason.
func fromKubelet(err error) bool {
	status, is := errors.AsType[*apierrors.StatusError](err)
	return is && status.ErrStatus.Code >= http.StatusInternalServerError
}

// lastWords of a container, by its status.
func lastWords(pod *corev1.Pod, container string) string {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if c.Name != container {
			continue
		}
		for _, end := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if end != nil {
				return said(fmt.Sprintf("exit code %d", end.ExitCode), engines.Redact(strings.TrimSpace(end.Message)))
			}
		}
	}
	return ""
}

// begun tells whether a container of the pod has run, so that there is a log.
func begun(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil || c.State.Terminated != nil
	})
}

// follow the pods of something that was made, also those that come later, until the run has ended.
func (p *Printer) follow(ctx context.Context, in *chain.Instance, m *chain.Made, several bool) error {
	var streams sync.WaitGroup
	defer streams.Wait()
	seen := map[string]bool{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		// Whether it has ended is asked before its pods are listed: those that there are then are all.
		op := &opsv1alpha1.Operation{}
		if err := p.Client.Get(ctx, client.ObjectKeyFromObject(in.Operation), op); client.IgnoreNotFound(err) != nil {
			return err
		}
		parts, err := chain.Parts(ctx, p.Client, in.Operation, m.Object)
		if err != nil {
			return err
		}
		for _, part := range parts {
			pod, is := part.(*corev1.Pod)
			if !is || seen[pod.Name] || !begun(pod) {
				continue
			}
			seen[pod.Name] = true
			streams.Go(func() { p.pod(ctx, pod, several || len(parts) > 1) })
		}
		if op.Name == "" || op.Status.Phase.Terminal() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
