// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"bytes"
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
	clientfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
)

// saying is what is printed of something that was made, and what is said about it. Client-go's fake says "fake logs" of every container.
func saying(t *testing.T, o client.Object, options Options, parts ...client.Object) (out, errOut string) {
	t.Helper()
	var b, e bytes.Buffer
	cl := clientfake.NewClientBuilder().WithScheme(chain.Scheme()).WithObjects(event("Normal", "UpgradeSucceeded", "done", 2)).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string { return []string{string(o.(*corev1.Event).InvolvedObject.UID)} }).Build()
	p := &Printer{Client: cl, Kube: fake.NewClientset(), Out: &b, ErrOut: &e, Options: options}
	in := chain.Instance{Operation: &opsv1alpha1.Operation{}, Made: []chain.Made{{Ref: opsv1alpha1.ResourceRef{Kind: "Thing", Namespace: "shops", Name: "x"}, Object: o, Parts: parts}}}
	if _, err := p.Print(t.Context(), []chain.Instance{in}); err != nil {
		t.Fatal(err)
	}
	return b.String(), e.String()
}

func at(minutes int) metav1.Time {
	return metav1.NewTime(time.Date(2030, 1, 2, 3, minutes, 0, 0, time.UTC))
}

func event(kind, reason, message string, minutes int) *corev1.Event {
	return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: strings.ToLower(reason)}, InvolvedObject: corev1.ObjectReference{UID: "release"},
		Type: kind, Reason: reason, Message: message, LastTimestamp: at(minutes)}
}

func TestRelease(t *testing.T) {
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-a", UID: "release"}}
	hr.Status.History = helmv2.Snapshots{{Version: 2, ChartName: "shop", ChartVersion: "1.1.0", Status: "deployed", LastDeployed: at(1)}}
	hr.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "UpgradeSucceeded", Message: "token=hunter2 was used", LastTransitionTime: at(3)}}
	out, errOut := saying(t, hr, Options{Tail: -1})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "03:01:00Z Helm revision 2: shop 1.1.0 is deployed") || !strings.HasSuffix(lines[1], "event Normal UpgradeSucceeded: done") ||
		!strings.Contains(lines[2], "condition Ready=True UpgradeSucceeded") || strings.Contains(out, "hunter2") || errOut != "" {
		t.Errorf("printed\n%s\nsaid %q", out, errOut)
	}
	if out, _ := saying(t, hr, Options{Tail: 1}); strings.Count(out, "\n") != 1 || !strings.Contains(out, "Ready=True") {
		t.Errorf("the last line is %q", out)
	}
}

// TestSteps: in the order of the steps, whatever that of the pods is; a step that never had a pod says why.
func TestSteps(t *testing.T) {
	pod := func(name, node string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: name, Labels: map[string]string{"workflows.argoproj.io/workflow": "books"},
			Annotations: map[string]string{"workflows.argoproj.io/node-id": node}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "wait"}, {Name: "main"}}}}
	}
	wf := &wfv1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "books"}, Status: wfv1.WorkflowStatus{Nodes: wfv1.Nodes{
		"a": {ID: "a", Name: "books[0].export", DisplayName: "export", Type: wfv1.NodeTypePod, Phase: wfv1.NodeSucceeded, StartedAt: at(1)},
		"b": {ID: "b", Name: "books[1].close", DisplayName: "close", Type: wfv1.NodeTypePod, Phase: wfv1.NodeSucceeded, StartedAt: at(2)},
		"c": {ID: "c", Name: "books[2].tell", DisplayName: "tell", Type: wfv1.NodeTypePod, Phase: wfv1.NodeError, Message: "no such template", StartedAt: at(3)},
	}}}
	out, errOut := saying(t, wf, Options{Tail: -1}, pod("second", "b"), pod("first", "a"))
	if out != "[shops/first/main] fake logs\n[shops/second/main] fake logs\n" {
		t.Errorf("printed %q", out)
	}
	if !strings.Contains(errOut, "step tell is Error: no such template and has no pod") {
		t.Errorf("said %q", errOut)
	}
	if out, _ := saying(t, wf, Options{Tail: -1, AllContainers: true}, pod("first", "a"), pod("second", "b")); strings.Count(out, "\n") != 4 {
		t.Errorf("of all containers %q", out)
	}
}

func TestMover(t *testing.T) {
	source := &volsyncv1alpha1.ReplicationSource{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "data"}, Status: &volsyncv1alpha1.ReplicationSourceStatus{
		LatestMoverStatus: &volsyncv1alpha1.MoverStatus{Result: volsyncv1alpha1.MoverResultFailed, Logs: "Starting container\nRESTIC_PASSWORD=hunter2\nno repository\n"}}}
	out, errOut := saying(t, source, Options{Tail: -1})
	if !strings.HasSuffix(out, "no repository\n") || strings.Contains(out, "hunter2") || !strings.Contains(errOut, "the mover ended as Failed; VolSync has kept this of its log") {
		t.Errorf("printed %q, said %q", out, errOut)
	}
}

// TestContainers: those that do the work, and those that failed before it.
func TestContainers(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: "fetch"}, {Name: "check"}}, Containers: []corev1.Container{{Name: "shop"}, {Name: "proxy"}}},
		Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{Name: "check", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}}}}
	for want, p := range map[string]*Printer{"check shop proxy": {}, "fetch check shop proxy": {Options: Options{AllContainers: true}}} {
		if got := strings.Join(p.containers(pod), " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	pod.Annotations = map[string]string{annotationContainer: "shop"}
	if got := strings.Join((&Printer{}).containers(pod), " "); got != "check shop" {
		t.Errorf("with a default container: %s", got)
	}
}
