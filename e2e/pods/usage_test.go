// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/kindfleet"
)

// idle tells what the platform takes while nobody asks for anything, and holds that it is no more memory than the charts ask for.
func idle(t *testing.T) {
	const during = 20 * time.Second
	begun := tellUsage(t)
	select {
	case <-t.Context().Done():
	case <-time.After(during):
	}
	requested := map[string]uint64{"hub": requestOf(t, fleet.Hub, kindfleet.HubNamespace)}
	for _, spoke := range fleet.Spokes {
		requested["spoke of "+spoke.Name] = requestOf(t, spoke, kindfleet.AgentNamespace)
	}
	for pid, u := range tellUsage(t) {
		if earlier, lived := begun[pid]; lived {
			t.Logf("%s: %.1f %% of one CPU while idle", u.Name, 100*(u.CPU-earlier.CPU).Seconds()/during.Seconds())
		}
		if most := requested[u.Name]; u.Resident > most {
			t.Errorf("%s takes %d MB while idle, and its chart asks for %d", u.Name, u.Resident>>20, most>>20)
		}
	}
}

// usage tells what the platform takes after all that was asked of it, and at its most.
func usage(t *testing.T) { tellUsage(t) }

// requestOf is how many bytes of memory the pods of our chart in a namespace ask for.
func requestOf(t *testing.T, c *kindfleet.Cluster, namespace string) uint64 {
	t.Helper()
	var pods corev1.PodList
	if err := connect(t, c).List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) == 0 {
		t.Fatalf("there are no pods in %s on %s", namespace, c.Name)
	}
	return uint64(pods.Items[0].Spec.Containers[0].Resources.Requests.Memory().Value())
}

// tellUsage logs what every hub and agent takes, and returns it by their process IDs.
func tellUsage(t *testing.T) map[int]kindfleet.Usage {
	t.Helper()
	all, err := kindfleet.Usages()
	if err != nil {
		t.Fatal(err)
	}
	byPID := map[int]kindfleet.Usage{}
	for _, u := range all {
		t.Log(u)
		byPID[u.PID] = u
	}
	return byPID
}
