// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

// hostedAgents: the agents of all spokes go, and one Deployment on the hub, that of deploy/hosted, becomes the agent of all, as
// docs/how-to/hosted-mode.md has it. It runs a command everywhere. Then each spoke has its own agent again, which takes over.
func hostedAgents(t *testing.T) {
	for _, spoke := range fleet.Spokes {
		create(t, spoke, placeholder("hosted", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{opsv1alpha1.TypeRunCommand: opsv1alpha1.EngineJob}))
		agents(t, spoke, 0)
	}
	host(t)
	command := func(name string) *opsv1alpha1.Operation {
		op := fleetwide(name, opsv1alpha1.TypeRunCommand, fmt.Sprintf(`{"image": %q, "command": ["true"]}`, kindfleet.ToolImage))
		op.Spec.Selector.Names = []string{"hosted"}
		return op
	}
	operate(t, command("hosted"))

	destroy(t, fleet.Hub, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: hosted.DefaultNamespace}})
	for _, spoke := range fleet.Spokes {
		agents(t, spoke, 1)
	}
	operate(t, command("hosted-no-more"))
}

// host runs the Deployment of deploy/hosted on the hub, in a namespace that takes only restricted pods, and hands all spokes over to it.
func host(t *testing.T) {
	t.Helper()
	if err := install.OnHosting(t.Context(), fleet.Hub.Config); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: hosted.DefaultNamespace}}
	restricted := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, podsecurity.EnforceLevelLabel, podsecurity.LevelRestricted))
	if err := connect(t, fleet.Hub).Patch(t.Context(), namespace, restricted); err != nil {
		t.Fatal(err)
	}
	release := current.Spoke("any")
	if err := fleet.Hub.Load(release.Images); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(checkout + "/deploy/hosted/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`image: \S+`).ReplaceAll(text, fmt.Append(nil, "image: ", kindfleet.Repository, "/spoke:", current.Tag))
	if err := testbed.Apply(t.Context(), fleet.Hub.Config, text); err != nil {
		t.Fatal(err)
	}
	for _, spoke := range fleet.Spokes {
		secret, err := install.HostedSecret(t.Context(), spoke.Name, spoke.Config, spoke.InternalURL())
		if err != nil {
			t.Fatal(err)
		}
		create(t, fleet.Hub, secret)
	}
	if err := fleet.Ready(t.Context(), fleet.Hub, hosted.DefaultNamespace); err != nil {
		t.Fatal(err)
	}
}

// agents says how many pods the agent of a spoke has, and waits until that is so.
func agents(t *testing.T, spoke *kindfleet.Cluster, n int) {
	t.Helper()
	k := connect(t, spoke)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: kindfleet.AgentNamespace, Name: "vworkspace-agent"}}
	if err := k.Patch(t.Context(), d, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n))); err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("%d pods of the agent on %s", n, spoke.Name), func(ctx context.Context) string {
		var pods corev1.PodList
		if err := k.List(ctx, &pods, client.InNamespace(kindfleet.AgentNamespace)); err != nil {
			return err.Error()
		}
		if len(pods.Items) != n {
			return fmt.Sprintf("there are %d", len(pods.Items))
		}
		return ""
	})
}
