// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
)

// echo runs a command in every shop of the fleet, and waits until it has ended.
func echo(t *testing.T, name string) {
	t.Helper()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeRunCommand, Selector: &opsv1alpha1.InstanceSelector{},
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: demo.Placement}},
			Parameters: &runtime.RawExtension{Raw: []byte(`{"image":"busybox:1","command":["true"]}`)},
		},
	}
	if err := fleet.Hub.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	eventually(t, "operation "+name+" ends", func() (bool, string) {
		if err := fleet.Hub.Get(t.Context(), client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		return op.Status.Phase.Terminal(), string(op.Status.Phase) + ": " + op.Status.Message
	})
	if op.Status.Phase != opsv1alpha1.PhaseSucceeded {
		t.Fatalf("%s: %s", op.Status.Phase, op.Status.Message)
	}
}

// eventually polls until something is so; last says what it was like at the end.
func eventually(t *testing.T, what string, so func() (bool, string)) {
	t.Helper()
	var last string
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, patience, true, func(context.Context) (done bool, _ error) {
		done, last = so()
		return done, nil
	})
	if err != nil {
		t.Fatalf("%s: not within %s; last: %s", what, patience, last)
	}
}

// has checks that an output has some words.
func has(t *testing.T, what string, got result, words ...string) {
	t.Helper()
	for _, word := range words {
		if got.status != 0 || !strings.Contains(got.out, word) {
			t.Errorf("%s: no %q in\n%s%s(status %d)", what, word, got.out, got.errOut, got.status)
			return
		}
	}
	t.Logf("%s\n%s%s", what, got.out, got.errOut)
}

func TestGet(t *testing.T) {
	echo(t, "get-echo")
	ns := []string{"-n", demo.Namespace}
	has(t, "vw get op", vw(t, append(ns, "get", "op", "get-echo")...), "get-echo", "RunCommand", "Succeeded", "3/3", "AllSucceeded")
	has(t, "vw get op NAME --clusters", vw(t, append(ns, "get", "op", "get-echo", "--clusters")...), "spoke1", "spoke2", "spoke3", "succeeded", "2/2")
	got := vw(t, append(ns, "get", "clusters", "--of", "get-echo", "-o", "json")...)
	var doc struct {
		Clusters []struct {
			Cluster, State, Work string
			Instances            opsv1alpha1.Counts
		}
	}
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil || len(doc.Clusters) != clusters {
		t.Fatalf("%v %+v", err, got)
	}
	for _, c := range doc.Clusters {
		if c.State != "succeeded" || c.Instances.Succeeded != 2 || c.Work == "" {
			t.Errorf("%+v", c)
		}
	}
	spoke := fleet.Fleet.Spokes[0]
	has(t, "vw get op -A, on a cluster", call(t, spoke.KubeconfigPath, "get", "op", "-A"), "get-echo", "NAMESPACE", "vworkspace-agent", demo.Namespace)
	has(t, "vw get appinst", vw(t, append(ns, "get", "appinst")...), "shop-spoke1-a", "spoke1", "1.0.0")
}

func TestFleet(t *testing.T) {
	has(t, "vw clusters", vw(t, "clusters"), "spoke1", "spoke3", "True", "yes", "helm", "velero", "workflow", "shop=2")
	has(t, "vw apps", vw(t, "apps"), "shop", "1.0.0", "6", "3")
	has(t, "vw apps --by cluster", vw(t, "apps", "--by", "cluster"), "spoke1", "spoke2", "spoke3")
	has(t, "vw apps, on a cluster", call(t, fleet.Fleet.Spokes[0].KubeconfigPath, "apps"), "shop", "2")
	has(t, "vw templates", vw(t, "templates"), "backup-velero", "upgrade-helm", "image")
	has(t, "vw templates NAME", vw(t, "templates", "backup-job"), "image", "yes", "vw run backup-job --placement PLACEMENT --set image=IMAGE")
	has(t, "vw version", vw(t, "version"), "v0.0.0-e2e", "kubernetes", "v1.34")
}
