// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func byCommands() map[string]string {
	return map[string]string{
		opsv1alpha1.CapabilityQuiesce: opsv1alpha1.QuiesceExec, opsv1alpha1.AnnotationQuiescePods: "app=web",
		opsv1alpha1.AnnotationQuiesceCommand: `["maintenance","on now"]`, opsv1alpha1.AnnotationUnquiesceCommand: `["maintenance","off"]`,
	}
}

var web = map[string]string{"app": "web"}

// obedient does what it is told.
func obedient(context.Context, string, string) (string, int) { return "ok", 0 }

func TestQuiesceByCommand(t *testing.T) {
	ns := gatedNamespace(t)
	kubelet := newKubelet(t, obedient)
	kubelet.runs(t, ns, "web-0", web, "app", "sidecar")
	kubelet.runs(t, ns, "web-1", web, "app", "sidecar")
	kubelet.runs(t, ns, "db-0", map[string]string{"app": "db"}, "app")
	kubelet.runs(t, ns, "hook", map[string]string{"app": "web", opsv1alpha1.LabelOperation: "another"}, "app")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonRbacProfileMissing)
	says(t, op, "kubectl create role vworkspace-quiesce-exec-web -n "+ns+" --verb=create,get --resource=pods/exec &&",
		"--user=system:serviceaccount:vworkspace-agent:vworkspace-agent")
	if ran := kubelet.heard(); len(ran) > 0 {
		t.Fatalf("ran without the right: %v", ran)
	}
	allow(t, ns, "pods/exec", "create", "get")

	w := widgetAs(t, op, "", 1)
	on := []string{"web-0/app: maintenance on now", "web-1/app: maintenance on now"}
	if diff := cmp.Diff(on, kubelet.heard()); diff != "" {
		t.Errorf("before the run (-want +got):\n%s", diff)
	}
	done(t, w)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	off := []string{"web-0/app: maintenance off", "web-0/app: maintenance on now", "web-1/app: maintenance off", "web-1/app: maintenance on now"}
	if diff := cmp.Diff(off, kubelet.heard()); diff != "" {
		t.Errorf("after the run (-want +got):\n%s", diff)
	}
}

// TestQuiesceCommandBySPDY: a Role that allows create only shuts the WebSocket protocol out, which begins with a GET.
func TestQuiesceCommandBySPDY(t *testing.T) {
	ns := gatedNamespace(t)
	kubelet := newKubelet(t, obedient)
	kubelet.runs(t, ns, "web-0", web, "app", "sidecar")
	allow(t, ns, "pods/exec", "create")
	quiescible(t, ns, with(byCommands(), opsv1alpha1.AnnotationQuiesceContainer, "sidecar"))
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, "", 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if diff := cmp.Diff([]string{"web-0/sidecar: maintenance off", "web-0/sidecar: maintenance on now"}, kubelet.heard()); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
}

// TestQuiesceCommandFails: in one of two pods. Both are woken up.
func TestQuiesceCommandFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(ctx context.Context, pod, command string) (string, int)
		says   []string
	}{
		"exits": {func(_ context.Context, pod, command string) (string, int) {
			if pod == "web-1" && strings.Contains(command, " on") {
				return "cannot connect: password=hunter2", 3
			}
			return "", 0
		}, []string{"the quiesce command in pod web-1 ended with exit code 3: cannot connect: password=***"}},
		"hangs": {func(ctx context.Context, pod, command string) (string, int) {
			if pod == "web-1" && strings.Contains(command, " on") {
				<-ctx.Done()
			}
			return "", 0
		}, []string{"the quiesce command in pod web-1 has not ended within 5s"}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			kubelet := newKubelet(t, c.answer)
			kubelet.runs(t, ns, "web-0", web, "app")
			kubelet.runs(t, ns, "web-1", web, "app")
			allow(t, ns, "pods/exec", "create", "get")
			quiescible(t, ns, with(byCommands(), opsv1alpha1.AnnotationQuiesceTimeout, "5s"))
			op := quiescing(t, ns, "copy")
			create(t, op)
			reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonQuiesceFailed)
			says(t, op, c.says...)
			says(t, op, "nothing was applied")
			if strings.Contains(op.Status.Message, "hunter2") {
				t.Error("a secret was told")
			}
			if len(widgetsOf(t, op)) > 0 {
				t.Error("the run's engine was started")
			}
			ran := kubelet.heard()
			if len(ran) != 4 || ran[0] != "web-0/app: maintenance off" || ran[2] != "web-1/app: maintenance off" {
				t.Errorf("ran %v", ran)
			}
		})
	}
}

// TestCancelDuringAQuiesceCommand: what is asked for while the command takes its time is heeded before the engine starts.
func TestCancelDuringAQuiesceCommand(t *testing.T) {
	ns := gatedNamespace(t)
	begun, cancelled := make(chan struct{}, 10), make(chan struct{})
	kubelet := newKubelet(t, func(ctx context.Context, _, command string) (string, int) {
		if command == "maintenance on now" {
			begun <- struct{}{}
			select {
			case <-cancelled:
			case <-ctx.Done():
			}
		}
		return "", 0
	})
	kubelet.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	<-begun
	patch(t, op, func() { op.Spec.Cancel = true })
	close(cancelled)
	reaches(t, op, opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
	if n := stepsOf(t, op)[""]; n != 0 {
		t.Error("the run's engine was started after the run had been cancelled")
	}
	if ran := kubelet.heard(); !slices.Contains(ran, "web-0/app: maintenance off") {
		t.Errorf("the application was not woken up: %v", ran)
	}
}

// TestQuiesceCommandIsNotRepeated beside an engine that is at work already, though the agent died before it could record that.
func TestQuiesceCommandIsNotRepeated(t *testing.T) {
	ns := gatedNamespace(t)
	var tries atomic.Int32
	kubelet := newKubelet(t, func(_ context.Context, _, command string) (string, int) {
		if command == "maintenance on now" && tries.Add(1) > 1 {
			return "it is on", 1
		}
		return "", 0
	})
	kubelet.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	died := false
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		if verb == "status" && records(obj) && !died {
			died = true
			return errors.New("the agent died")
		}
		return nil
	})
	defer faults.heal(ns)
	op := quiescing(t, ns, "copy")
	create(t, op)
	done(t, widgetAs(t, op, "", 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if n := tries.Load(); n != 1 {
		t.Errorf("quiesced %d times", n)
	}
}

func TestQuiesceContainerOfNobody(t *testing.T) {
	ns := gatedNamespace(t)
	kubelet := newKubelet(t, obedient)
	kubelet.runs(t, ns, "web-0", web, "app")
	quiescible(t, ns, with(byCommands(), opsv1alpha1.AnnotationQuiesceContainer, "ap"))
	op := quiescing(t, ns, "copy")
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonCapabilityMissing)
	says(t, op, "pod web-0 has no container ap", opsv1alpha1.AnnotationQuiesceContainer)
}

func TestQuiesceTooManyPods(t *testing.T) {
	ns := gatedNamespace(t)
	kubelet := newKubelet(t, obedient)
	for i := range maxQuiescePods + 1 {
		kubelet.runs(t, ns, fmt.Sprintf("web-%d", i), web, "app")
	}
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonCapabilityMissing)
	says(t, op, "33 Running pods match", "narrow it")
}

// TestQuiesceUnreachable: a node that does not answer is asked again; it may be on its way.
func TestQuiesceUnreachable(t *testing.T) {
	ns := gatedNamespace(t)
	kubelet := newKubelet(t, obedient)
	nowhere := &fakeKubelet{node: "no-such-node"}
	pod := nowhere.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	says(t, op, "run the quiesce command in pod web-0")
	if op.Status.Phase != opsv1alpha1.PhaseRunning {
		t.Errorf("phase %s", op.Status.Phase)
	}
	if err := k8s.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	gone(t, pod)
	kubelet.runs(t, ns, "web-1", web, "app")
	done(t, widgetAs(t, op, "", 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestQuiesceThatTakesLong: its time is neither that of the verdict nor that of the next attempt.
func TestQuiesceThatTakesLong(t *testing.T) {
	agentClock.resetAfter(t)
	ns := gatedNamespace(t)
	var mu sync.Mutex
	var tried []time.Time
	kubelet := newKubelet(t, func(_ context.Context, _, command string) (string, int) {
		if !strings.HasSuffix(command, "off") {
			agentClock.forward(undoDeadline)
			return "too many sessions", 1
		}
		mu.Lock()
		defer mu.Unlock()
		agentClock.forward(time.Minute)
		if tried = append(tried, agentClock.Now()); len(tried) < 3 {
			return fmt.Sprintf("not yet (%d)", len(tried)), 1
		}
		return "", 0
	})
	kubelet.runs(t, ns, "web-0", web, "app")
	allow(t, ns, "pods/exec", "create", "get")
	quiescible(t, ns, byCommands())
	op := quiescing(t, ns, "copy")
	create(t, op)
	eventually(t, func() string {
		p := reload(t, op).Status.Preparations
		if len(p) == 0 || !strings.Contains(p[0].Message, "not yet (") {
			return fmt.Sprintf("%+v", p)
		}
		mu.Lock()
		defer mu.Unlock()
		if ended := tried[0].Truncate(time.Second); p[0].TriedAt.Time.Before(ended) {
			t.Errorf("an attempt that ended at %s was tried at %s", ended, p[0].TriedAt)
		}
		return ""
	})
	reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonQuiesceFailed)
	mu.Lock()
	defer mu.Unlock()
	if len(tried) != 3 {
		t.Errorf("tried %d times", len(tried))
	}
}
