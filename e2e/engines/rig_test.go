// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// rig is how a story makes an engine go one way or another. Each way makes what it needs, an instance among it, and returns an Operation that
// was not created yet.
type rig struct {
	engine opsv1alpha1.OperationEngine
	// succeeds ends well within seconds.
	succeeds func(t testing.TB) *opsv1alpha1.Operation
	// fails ends badly, with the reason.
	fails      func(t testing.TB) *opsv1alpha1.Operation
	failReason string
	// begun is the reason of a run that the executor has begun. Before, the executor may not know of it: who kills the agent then waits for nothing.
	begun string
	// hangs runs until it is stopped.
	hangs func(t testing.TB) *opsv1alpha1.Operation
	// slow is at work until release is called, and then ends well.
	slow func(t testing.TB) (op *opsv1alpha1.Operation, release func())
	// controller is the component that does the work, by its process name without the cluster.
	controller string
	// afterRestart is how a slow run ends whose controller was killed in its middle.
	afterRestart opsv1alpha1.OperationPhase
	// group of the CRDs that the engine needs; empty when Kubernetes itself serves its kinds. keeps are the kinds among them whose objects come
	// back with the CRDs, because an administrator has them in Git.
	group string
	keeps []string
	// stops tells whether the executor can be stopped.
	stops bool
}

// rigs by engine, in the order in which the reference lists them.
var rigs = []rig{jobRig, workflowRig, veleroRig, volsyncRig, helmRig, helmHookJobRig}

// everyRig runs a story with each of them.
func everyRig(t *testing.T, story func(t *testing.T, r rig)) {
	t.Helper()
	for _, r := range rigs {
		t.Run(string(r.engine), func(t *testing.T) { story(t, r) })
	}
}

// everyRigAtOnce is for a story that leaves all processes alone.
func everyRigAtOnce(t *testing.T, story func(t *testing.T, r rig)) {
	t.Helper()
	everyRig(t, func(t *testing.T, r rig) {
		t.Parallel()
		story(t, r)
	})
}

// unique makes a name for what a test makes: the last part of the test's name, and a number.
func unique(t testing.TB) string {
	t.Helper()
	name := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	name, _, _ = strings.Cut(name, "#") // which go test puts before the number of a test that runs again
	return fmt.Sprintf("%s-%d", name, counter.Add(1))
}

var counter atomic.Int32

// placeholder makes an instance without a release that advertises every type with the engine, and waits until it is Ready.
func placeholder(t testing.TB, engine opsv1alpha1.OperationEngine) string {
	t.Helper()
	ai := advertising(unique(t), engine)
	ai.Spec = appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "probe"}}
	create(t, ai)
	ready(t, ai)
	return ai.Name
}

// release makes a managed instance of chart probe 1.0.0, and waits until Flux has installed it.
func release(t testing.TB, engine opsv1alpha1.OperationEngine, values map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	ai := advertising(unique(t), engine)
	ai.Spec = appsv1alpha1.ApplicationInstanceSpec{
		Mode: appsv1alpha1.ModeManaged, AppRef: appsv1alpha1.AppRef{CatalogID: "probe"},
		Chart:   &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceHelm, URL: fleet.ChartRepoURL, Name: "probe", Version: "1.0.0"},
		Release: &appsv1alpha1.ReleaseSpec{Name: ai.Name, Namespace: namespace},
		Values:  &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{Raw: raw}},
	}
	create(t, ai)
	ready(t, ai)
	return ai.Name
}

func advertising(name string, engine opsv1alpha1.OperationEngine) *appsv1alpha1.ApplicationInstance {
	annotations := map[string]string{}
	for _, typ := range opsv1alpha1.OperationTypes() {
		annotations[typ.Capability()] = string(engine)
	}
	return &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Annotations: annotations}}
}

func ready(t testing.TB, ai *appsv1alpha1.ApplicationInstance) {
	t.Helper()
	eventually(t, "ApplicationInstance "+ai.Name+" to be Ready", func(ctx context.Context) (bool, string) {
		err := k8s.Get(ctx, keyOf(ai), ai)
		return err == nil && ai.Status.Ready == metav1.ConditionTrue, fmt.Sprintf("%s: %s: %v", ai.Status.ReadyReason, ai.Status.ReadyMessage, err)
	})
}
