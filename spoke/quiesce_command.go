// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/exec"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// maxQuiescePods run a command at the same time, one connection each.
	maxQuiescePods = 32
	// defaultContainer on a pod names the container that kubectl takes by default.
	defaultContainer = "kubectl.kubernetes.io/default-container"
)

// quiesceCommand runs a command in every Running pod of the application: a replica that was left out would write on.
type quiesceCommand struct {
	// deleted is the target: an application without pods is then gone and not just away.
	deleted   bool
	pods      labels.Selector
	container string
	commands  map[quiesceStep][]string
	timeout   time.Duration
}

func (c quiesceCommand) repeatable() bool { return true }

// halt has nothing to do: the command ended, or its time was up and nothing can stop it. An unquiesce command has to cope with that.
func (c quiesceCommand) halt(context.Context, *visit) (bool, error) { return true, nil }

func (c quiesceCommand) blocker(ctx context.Context, v *visit) (*blocker, error) {
	pods, err := c.running(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case len(pods) == 0:
		return blocked(opsv1alpha1.ReasonTargetNotReady, "%s: start the application, or correct the annotation", c.none(v)), nil
	case len(pods) > maxQuiescePods:
		return blocked(opsv1alpha1.ReasonCapabilityMissing, "%d Running pods match annotation %s (%s), and a quiesce takes at most %d: narrow it",
			len(pods), opsv1alpha1.AnnotationQuiescePods, c.pods, maxQuiescePods), nil
	}
	for i := range pods {
		if name := c.containerOf(&pods[i]); !slices.ContainsFunc(pods[i].Spec.Containers, func(c corev1.Container) bool { return c.Name == name }) {
			return blocked(opsv1alpha1.ReasonCapabilityMissing, "pod %s has no container %s: correct annotation %s", pods[i].Name, name, opsv1alpha1.AnnotationQuiesceContainer), nil
		}
	}
	if allowed, err := c.allowed(ctx, v, pods); err != nil || allowed {
		return nil, err
	}
	return v.ungranted(ctx, "run commands in the pods of namespace "+v.op.Namespace, engines.Grant{
		// get is the same by WebSocket.
		Role: roleFor("vworkspace-quiesce-exec", v.op.Spec.TargetRef.Name), Namespace: v.op.Namespace, Verbs: []string{"create", "get"}, Resource: "pods/exec",
	})
}

// allowed asks for all pods at once, and then for each: a Role may name them.
func (c quiesceCommand) allowed(ctx context.Context, v *visit, pods []corev1.Pod) (bool, error) {
	exec := authorizationv1.ResourceAttributes{Namespace: v.op.Namespace, Verb: "create", Resource: "pods", Subresource: "exec"}
	if all, err := v.may(ctx, exec); err != nil || all {
		return all, err
	}
	for i := range pods {
		exec.Name = pods[i].Name
		if one, err := v.may(ctx, exec); err != nil || !one {
			return false, err
		}
	}
	return true, nil
}

// running lists the application's Running pods by name. Those of runs are not the application's, although a chart's hook has its labels.
func (c quiesceCommand) running(ctx context.Context, v *visit) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := v.live.List(ctx, &list, client.InNamespace(v.op.Namespace), client.MatchingLabelsSelector{Selector: c.pods}); err != nil {
		return nil, fmt.Errorf("list the application's pods: %w", err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Status.Phase != corev1.PodRunning || !p.DeletionTimestamp.IsZero() || p.Labels[opsv1alpha1.LabelOperation] != ""
	})
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return pods, nil
}

func (c quiesceCommand) none(v *visit) string {
	return fmt.Sprintf("no Running pod in namespace %s matches annotation %s (%s)", v.op.Namespace, opsv1alpha1.AnnotationQuiescePods, c.pods)
}

func (c quiesceCommand) containerOf(pod *corev1.Pod) string {
	return cmp.Or(c.container, pod.Annotations[defaultContainer], pod.Spec.Containers[0].Name)
}

// perform runs the step's command in all pods at the same time, and again in all of them when one could not be reached.
func (c quiesceCommand) perform(ctx context.Context, v *visit, s quiesceStep) (bool, string, error) {
	pods, err := c.running(ctx, v)
	switch {
	case err != nil:
		return false, "", err
	case len(pods) == 0 && c.deleted:
		return true, "", nil
	case len(pods) == 0:
		return false, "", errors.New(c.none(v))
	}
	failures, errs := make([]string, len(pods)), make([]error, len(pods))
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxQuiescePods)
	for i := range pods {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failures[i], errs[i] = c.runIn(ctx, v, &pods[i], s)
		})
	}
	wait.Wait()
	failures = slices.DeleteFunc(failures, func(f string) bool { return f == "" })
	if len(failures) > 0 {
		return false, strings.Join(failures, "; "), nil
	}
	err = errors.Join(errs...)
	return err == nil, "", err
}

func (c quiesceCommand) runIn(ctx context.Context, v *visit, pod *corev1.Pod, s quiesceStep) (failure string, err error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	said, err := v.remote.exec(bounded, pod.Namespace, pod.Name, c.containerOf(pod), c.commands[s])
	if said != "" {
		said = ": " + said
	}
	var exited exec.CodeExitError
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &exited):
		return fmt.Sprintf("the %s command in pod %s ended with exit code %d%s", s, pod.Name, exited.Code, said), nil
	case ctx.Err() == nil && bounded.Err() != nil:
		return fmt.Sprintf("the %s command in pod %s has not ended within %s%s", s, pod.Name, c.timeout, said), nil
	default:
		return "", fmt.Errorf("run the %s command in pod %s: %w", s, pod.Name, err)
	}
}
