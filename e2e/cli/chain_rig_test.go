// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// allContexts is the kubeconfig of a person who may reach the hub, which is the current context, and every cluster, by contexts of their names.
func allContexts(t *testing.T) string {
	t.Helper()
	all := clientcmdapi.NewConfig()
	for _, c := range append([]*testbed.Cluster{fleet.Fleet.Hub}, fleet.Fleet.Spokes...) {
		one, err := clientcmd.LoadFromFile(c.KubeconfigPath)
		if err != nil {
			t.Fatal(err)
		}
		its := one.Contexts[one.CurrentContext]
		all.Clusters[c.Name], all.AuthInfos[c.Name] = one.Clusters[its.Cluster], one.AuthInfos[its.AuthInfo]
		all.Contexts[c.Name] = &clientcmdapi.Context{Cluster: c.Name, AuthInfo: c.Name}
	}
	all.CurrentContext = fleet.Fleet.Hub.Name
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*all, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// everyShop is an Operation on one shop of every cluster, deleted when the test is over.
func everyShop(t *testing.T, name string, engine opsv1alpha1.OperationEngine, kind opsv1alpha1.OperationType, parameters map[string]any, change func(*opsv1alpha1.OperationSpec)) *opsv1alpha1.Operation {
	t.Helper()
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Type: kind, Engine: engine, Parameters: &runtime.RawExtension{Raw: raw},
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: demo.Placement}},
			Selector:  &opsv1alpha1.InstanceSelector{Names: []string{"shop-spoke1-a", "shop-spoke2-a", "shop-spoke3-a"}},
		},
	}
	if change != nil {
		change(&op.Spec)
	}
	if err := fleet.Hub.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := client.IgnoreNotFound(fleet.Hub.Delete(ctx, op)); err != nil {
			t.Errorf("delete Operation %s: %v", op.Name, err)
		}
	})
	return op
}

// shopCommand is what a Job runs; annotations say how KWOK plays it.
func shopCommand(annotations map[string]string) map[string]any {
	return map[string]any{"image": "registry.example.com/shop:1.0.0", "command": []string{"shop", "carts"}, "podAnnotations": annotations}
}

// comesTo waits until an Operation has ended in a phase.
func comesTo(t *testing.T, op *opsv1alpha1.Operation, phase opsv1alpha1.OperationPhase) {
	t.Helper()
	until(t, op.Name+" to end", func() (bool, string) {
		err := fleet.Hub.Get(t.Context(), client.ObjectKeyFromObject(op), op)
		return err == nil && op.Status.Phase.Terminal(), demo.Line(op)
	})
	if op.Status.Phase != phase {
		t.Fatalf("%s is %s (%s: %s), want %s", op.Name, op.Status.Phase, op.Status.Reason, op.Status.Message, phase)
	}
}

// until ok holds.
func until(t *testing.T, what string, ok func() (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(context.Context) (done bool, err error) {
		done, last = ok()
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
}

// onSpoke talks to a cluster as its administrator.
func onSpoke(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	cl, err := client.New(c.Config(), client.Options{Scheme: chain.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// chainOf is what vw finds out with a kubeconfig.
func chainOf(t *testing.T, kubeconfig string, args ...string) chain.Chain {
	t.Helper()
	got := call(t, kubeconfig, append([]string{"describe", "-n", demo.Namespace, "-o", "json"}, args...)...)
	var c chain.Chain
	if got.status != 0 {
		t.Fatalf("vw describe %v: %+v", args, got)
	}
	if err := json.Unmarshal([]byte(got.out), &c); err != nil {
		t.Fatalf("vw describe %v -o json printed %q: %v", args, got.out, err)
	}
	return c
}

// stop is where a chain has to stop: parts of the link's name, of the cause and of the suggestion.
type stop struct {
	step                    chain.Step
	state                   chain.State
	name, cause, suggestion string
}

// stopsAt waits until vw points at the right link of an Operation on a cluster, and shows what a person sees.
func stopsAt(t *testing.T, kubeconfig string, want stop, args ...string) {
	t.Helper()
	until(t, "vw describe to point at "+string(want.step), func() (bool, string) {
		c := chainOf(t, kubeconfig, args...)
		if c.Stop == nil {
			return false, "it stops nowhere"
		}
		s := c.Stop
		right := s.Step == want.step && s.State == want.state && strings.Contains(c.Links[s.Link].Name, want.name) &&
			strings.Contains(s.Cause, want.cause) && strings.Contains(s.Suggestion, want.suggestion)
		last, _ := json.MarshalIndent(s, "", " ")
		return right, c.Links[s.Link].Name + " " + string(last)
	})
	t.Logf("\n$ vw describe %s\n%s", strings.Join(args, " "), call(t, kubeconfig, append([]string{"describe", "-n", demo.Namespace}, args...)...).out)
}
