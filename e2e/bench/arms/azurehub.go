// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	azureModule  = "go.goms.io/fleet"
	azureAgent   = "azure-hubagent"
	azureSystem  = "fleet-system"
	azureMembers = "fleet-member-" // is what the namespaces of Works begin with
	// azureFleet is the size of fleet that the hub agent has workers for by default.
	azureFleet = 100
	// azureRegister is how long a new cluster may take to join.
	azureRegister = 15 * time.Minute
)

var (
	azureMember   = schema.GroupVersionKind{Group: "cluster.kubernetes-fleet.io", Version: "v1beta1", Kind: "MemberCluster"}
	azureInternal = schema.GroupVersionKind{Group: "cluster.kubernetes-fleet.io", Version: "v1beta1", Kind: "InternalMemberCluster"}
)

// azurePrograms are built from e2e/bench/peers/azure.
func azurePrograms() testbed.Module {
	return testbed.Module{
		Path:     "e2e/bench/peers/azure",
		Packages: map[string]string{azureAgent: azureModule + "/cmd/hubagent"},
		Folders:  []testbed.Folder{{Name: "azure-crds", Module: azureModule, Dir: "config/crd/bases", Files: "*.kubernetes-fleet.io_*.yaml"}},
	}
}

// Prepare installs the CRDs and registers clusters. The hub agent makes their namespaces, with its limits lifted, because that is not what is measured.
func (a *azure) Prepare(ctx context.Context, b *bed.Bed, n int) error {
	err := a.build(ctx, b, azurePrograms(), a.install)
	if err != nil || a.members >= n {
		return err
	}
	err = a.startAgent(ctx, true, n)
	if err == nil {
		err = a.register(ctx, n)
	}
	if err == nil {
		a.members = n
	}
	return errors.Join(err, a.Stop())
}

func (a *azure) install(ctx context.Context) error {
	if err := testbed.ApplyFiles(ctx, a.bed.Config, a.folders["azure-crds"]); err != nil {
		return err
	}
	return a.apply(ctx, namespaceObject(azureSystem))
}

// Start is over when a ClusterRole has been brought to one cluster.
func (a *azure) Start(ctx context.Context, n int) error {
	if err := a.startAgent(ctx, a.lifted, n); err != nil {
		return err
	}
	return a.ready(ctx, a)
}

func (a *azure) Stop() error { return a.halt() }

// startAgent starts the hub agent. It watches every kind that it might be asked to place; the other arms' are left out.
func (a *azure) startAgent(ctx context.Context, lifted bool, n int) error {
	_, health, err := loopback()
	if err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + a.bed.Fleet.Hub.KubeconfigPath, "--leader-elect=false", "--enable-webhook=false",
		"--metrics-bind-address=0", "--health-probe-bind-address=" + health, "--skipped-propagating-apis=" + strings.Join(othersKinds, ";"),
	}
	if lifted {
		args = append(args, "--hub-api-qps=10000", "--hub-api-burst=10000", "--max-fleet-size="+strconv.Itoa(max(n, azureFleet)))
	}
	a.running = nil
	return a.launch(ctx, azureAgent, "http://"+health+"/healthz", nil, args...)
}

// register makes MemberClusters until there are n, has the agent of each say that it has joined, and waits until the hub agent agrees.
func (a *azure) register(ctx context.Context, n int) error {
	had, begun := a.members, time.Now()
	err := bed.Each(ctx, n-had, func(ctx context.Context, i int) error { return a.addMember(ctx, had+i) })
	if err == nil {
		err = bed.Each(ctx, n-had, func(ctx context.Context, i int) error { return a.join(ctx, a.bed.Clusters(n)[had+i]) })
	}
	if err != nil {
		return fmt.Errorf("register clusters with Azure Fleet: %w", err)
	}
	a.bed.Tell("%d clusters with Azure Fleet in %s", n, time.Since(begun).Round(time.Second))
	return nil
}

func (a *azure) addMember(ctx context.Context, i int) error {
	name := a.bed.Clusters(i + 1)[i]
	m := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"heartbeatPeriodSeconds": 600,
		"identity":               map[string]any{"kind": "ServiceAccount", "namespace": azureSystem, "name": "agent-of-" + name},
	}}}
	m.SetGroupVersionKind(azureMember)
	m.SetName(name)
	m.SetLabels(a.bed.Labels(i))
	return client.IgnoreAlreadyExists(a.bed.Client.Create(ctx, m))
}

// join reports, as a member agent, that it has joined and is healthy. A scheduler wants a heartbeat of the last five minutes: a fake agent's last one is a
// day ahead.
func (a *azure) join(ctx context.Context, name string) error {
	key := client.ObjectKey{Namespace: azureMembers + name, Name: name}
	internal := &unstructured.Unstructured{}
	internal.SetGroupVersionKind(azureInternal)
	if err := a.until(ctx, key, internal, func() bool { return true }); err != nil {
		return err
	}
	now := metav1.Now()
	condition := func(kind, reason string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, LastTransitionTime: now, ObservedGeneration: internal.GetGeneration(),
		}
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": []any{}, "resourceUsage": map[string]any{},
		"agentStatus": []any{map[string]any{
			"type": "MemberAgent", "lastReceivedHeartbeat": metav1.NewTime(now.Add(24 * time.Hour)),
			"conditions": []metav1.Condition{condition("Joined", "InternalMemberClusterJoined"), condition("Healthy", "InternalMemberClusterHealthy")},
		}},
	}})
	if err != nil {
		return err
	}
	if err := a.bed.Client.Status().Patch(ctx, internal, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("report on %s: %w", key, err)
	}
	member := &unstructured.Unstructured{}
	member.SetGroupVersionKind(azureMember)
	joined := func() bool {
		conditions, _, _ := unstructured.NestedFieldNoCopy(member.Object, "status", "conditions")
		return isTrue(conditions, "Joined")
	}
	return errors.Join(a.until(ctx, client.ObjectKey{Name: name}, member, joined), a.bed.HasAccount(ctx, azureMembers+name))
}

// until waits until an object is there and as wanted.
func (a *azure) until(ctx context.Context, key client.ObjectKey, o *unstructured.Unstructured, wanted func() bool) error {
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, azureRegister, true, func(ctx context.Context) (bool, error) {
		if err := a.bed.Client.Get(ctx, key, o); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		return wanted(), nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s %s: %w", o.GetKind(), key, err)
	}
	return nil
}
