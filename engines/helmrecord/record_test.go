// SPDX-License-Identifier: Apache-2.0

package helmrecord

import (
	"encoding/base64"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v3/pkg/release"

	"vworkspace.io/fleet/engines/enginetest"
)

// Only a revision that is deployed has hooks that may be run, whatever other words Helm has.
func TestOnlyDeployedIsInForce(t *testing.T) {
	for _, status := range enginetest.Phases(t, "helm.sh/helm/v3/pkg/release", "Status") {
		found := InForce(helmv2.Snapshots{{Version: 2, Status: status}, {Version: 3, Status: status}})
		if want := status == release.StatusDeployed.String(); (found != nil) != want || (want && found.Version != 3) {
			t.Errorf("%s: %+v is in force", status, found)
		}
	}
}

// Helm 4, which Flux uses from 1.5 on, leaves times out that Helm 3 writes as empty text, and has fields that Helm 3 does not know.
func TestRecordsOfEveryHelm(t *testing.T) {
	for name, text := range map[string]string{
		"3":           `{"name":"shop","version":3,"hooks":[{"name":"m","kind":"Job","events":["post-upgrade"],"weight":-5,"last_run":{"started_at":"","completed_at":"","phase":""}}],"config":{"a":{"b":1}}}`,
		"of no chart": `{"name":"shop","version":3,"chart":7,"hooks":[{"name":"m","kind":"Job","events":["post-upgrade"],"weight":-5}]}`,
		"4":           `{"name":"shop","version":3,"apply_method":"ssa","chart":{"metadata":{"name":"shop","annotations":{"ops.vworkspace.io/backup":"velero"}},"templates":[{"data":"aGk="}]},"hooks":[{"name":"m","kind":"Job","events":["post-upgrade"],"weight":-5,"last_run":{"phase":""}}]}`,
	} {
		for how, stored := range map[string][]byte{"gzip": enginetest.PackRecord(t, []byte(text)), "plain": []byte(base64.StdEncoding.EncodeToString([]byte(text)))} {
			rec := &Record{}
			if err := unpack(stored, rec); err != nil {
				t.Errorf("Helm %s, %s: %v", name, how, err)
				continue
			}
			if rec.Name != "shop" || rec.Version != 3 || len(rec.Hooks) != 1 || rec.Hooks[0].Weight != -5 || rec.Hooks[0].Events[0] != release.HookPostUpgrade {
				t.Errorf("Helm %s, %s: %+v", name, how, rec)
			}
			if got, want := rec.Annotations["ops.vworkspace.io/backup"], map[string]string{"4": "velero"}[name]; got != want {
				t.Errorf("Helm %s, %s: the chart says %q, want %q", name, how, got, want)
			}
		}
	}
}
