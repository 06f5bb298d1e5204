// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/doctor"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
)

// diagnosis of a cluster, as a script reads it.
func diagnosis(t *testing.T, kubeconfig string, args ...string) (doctor.Diagnosis, result) {
	t.Helper()
	got := call(t, kubeconfig, append([]string{"doctor", "-o", "json"}, args...)...)
	var d doctor.Diagnosis
	if err := json.Unmarshal([]byte(got.out), &d); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return d, got
}

// TestDoctorWell: nothing is broken in a fleet that is well, on the hub and on a cluster.
func TestDoctorWell(t *testing.T) {
	for name, kubeconfig := range map[string]string{"hub": fleet.Fleet.Hub.KubeconfigPath, "cluster": fleet.Fleet.Spokes[0].KubeconfigPath} {
		d, got := diagnosis(t, kubeconfig)
		t.Logf("vw doctor, %s:\n%s", name, call(t, kubeconfig, "doctor").out)
		if got.status != 0 || d.Counts.Fail > 0 || d.Counts.OK < 8 || d.Hub != (name == "hub") || d.Spoke == d.Hub {
			t.Errorf("%s: status %d, %+v", name, got.status, d)
		}
	}
}

// finds waits until doctor ends with status 2 because a check has found what is broken, with some words.
func finds(t *testing.T, kubeconfig, check, words string, args ...string) {
	t.Helper()
	eventually(t, check+" finds: "+words, func() (bool, string) {
		d, got := diagnosis(t, kubeconfig, args...)
		for _, f := range d.Findings {
			if f.Check == check && f.Level != doctor.OK && strings.Contains(f.Message, words) {
				if f.Why == "" || f.Fix == "" || got.status != 2 {
					t.Errorf("status %d, %+v", got.status, f)
				}
				t.Logf("%s %s: %s\n  why %s\n  fix %s", f.Level, f.Check, f.Message, f.Why, f.Fix)
				return true, ""
			}
		}
		return false, got.out + got.errOut
	})
}

func TestDoctorFindsAFreeze(t *testing.T) {
	freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "doctor"}, Spec: opsv1alpha1.FreezeSpec{Reason: "the books are being closed"}}
	if err := fleet.Hub.Create(t.Context(), freeze); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := fleet.Hub.Delete(t.Context(), freeze); err != nil {
			t.Error(err)
		}
		spoke := fleet.Fleet.Spokes[0].KubeconfigPath
		eventually(t, "the freeze is gone from the cluster", func() (bool, string) {
			d, got := diagnosis(t, spoke, "--only", "freezes")
			return d.Counts.Warn == 0, got.out
		})
	}()
	finds(t, fleet.Fleet.Hub.KubeconfigPath, "freezes", "the books are being closed", "--only", "freezes", "--strict")
	finds(t, fleet.Fleet.Spokes[0].KubeconfigPath, "freezes", "freeze hub.doctor holds", "--only", "freezes", "--strict")
}

func TestDoctorFindsNoStorageLocation(t *testing.T) {
	spoke := fleet.Fleet.Spokes[1]
	c, err := client.New(spoke.Config(), client.Options{Scheme: doctor.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	location := &velerov1.BackupStorageLocation{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "default"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(location), location); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	defer func() {
		location.ObjectMeta = metav1.ObjectMeta{Namespace: location.Namespace, Name: location.Name, Labels: location.Labels, Annotations: location.Annotations}
		location.Status = velerov1.BackupStorageLocationStatus{}
		if err := c.Create(t.Context(), location); err != nil {
			t.Error(err)
		}
		eventually(t, "the location is Available again", func() (bool, string) {
			d, got := diagnosis(t, spoke.KubeconfigPath, "--only", "storage")
			return d.Counts.Fail == 0, got.out
		})
	}()
	finds(t, spoke.KubeconfigPath, "storage", "namespace velero has no BackupStorageLocation")
}

func TestDoctorFindsAPolicyThatIsNotInForce(t *testing.T) {
	spoke := fleet.Fleet.Spokes[1]
	c, err := client.New(spoke.Config(), client.Options{Scheme: doctor.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "gate.vworkspace.io"}, binding); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	defer func() {
		binding.ObjectMeta = metav1.ObjectMeta{Name: binding.Name, Labels: binding.Labels, Annotations: binding.Annotations}
		if err := c.Create(t.Context(), binding); err != nil {
			t.Error(err)
		}
	}()
	finds(t, spoke.KubeconfigPath, "policies", "ValidatingAdmissionPolicy gate.vworkspace.io is not in force")
}

// TestDoctorFindsAWebhookThatTrustsNobody: an authority that has ended, until the hub has put its own back.
func TestDoctorFindsAWebhookThatTrustsNobody(t *testing.T) {
	c, err := client.New(fleet.Fleet.Hub.Config(), client.Options{Scheme: doctor.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ended := endedAuthority(t)
	for range 3 { // the hub looks every half minute, and may look just then
		hooks := &admissionregistrationv1.MutatingWebhookConfiguration{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: "vworkspace-hub-admission"}, hooks); err != nil {
			t.Fatal(err)
		}
		hooks.Webhooks[0].ClientConfig.CABundle = ended
		if err := c.Update(t.Context(), hooks); err != nil {
			t.Fatal(err)
		}
		if d, got := diagnosis(t, fleet.Fleet.Hub.KubeconfigPath, "--only", "webhooks"); d.Counts.Fail > 0 {
			if got.status != 2 || !strings.Contains(got.out, "the authority that it trusts ended on") {
				t.Errorf("%+v", got)
			}
			break
		}
	}
	if err := install.AwaitAdmission(t.Context(), fleet.Fleet.Hub.Config()); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorFindsAHubThatIsGone(t *testing.T) {
	if err := fleet.Installed.Hub.Kill(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := fleet.Installed.Hub.Restart(); err != nil {
			t.Error(err)
		}
		if err := install.AwaitAdmission(t.Context(), fleet.Fleet.Hub.Config()); err != nil {
			t.Error(err)
		}
	}()
	finds(t, fleet.Fleet.Hub.KubeconfigPath, "admission", "no Operation can be created")
	finds(t, fleet.Fleet.Hub.KubeconfigPath, "hub", "no vworkspace-hub leads")
}

func TestDoctorFindsAnAgentThatIsGone(t *testing.T) {
	spoke := fleet.Fleet.Spokes[2]
	agent := fleet.Installed.Agents[spoke.Name]
	if err := agent.Stop(); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(spoke.Config(), client.Options{Scheme: doctor.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "nobody-there"},
		Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeRunCommand, Selector: &opsv1alpha1.InstanceSelector{}, DryRun: true},
	}
	if err := c.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(c.Delete(t.Context(), op), agent.Restart()); err != nil {
			t.Error(err)
		}
	}()
	finds(t, spoke.KubeconfigPath, "operations", "nobody has taken up: shops/nobody-there")
}

func TestDoctorFindsAClusterThatIsAway(t *testing.T) {
	spoke := fleet.Fleet.Spokes[2]
	klusterlet := fleet.Fleet.Process(spoke.Name + "-klusterlet")
	lease := func(seconds int32) {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"leaseDurationSeconds":%d}}`, seconds))
		if err := fleet.Hub.Patch(t.Context(), &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: spoke.Name}}, patch); err != nil {
			t.Error(err)
		}
	}
	lease(4)
	if err := klusterlet.Stop(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		lease(60)
		if err := klusterlet.Restart(); err != nil {
			t.Error(err)
		}
		eventually(t, spoke.Name+" is available again", func() (bool, string) {
			d, got := diagnosis(t, fleet.Fleet.Hub.KubeconfigPath, "--only", "clusters", "--cluster", spoke.Name)
			return d.Counts.Fail+d.Counts.Warn == 0, got.out
		})
		must(t, fleet.Fleet.Place(t.Context(), demo.Namespace, demo.Placement)) // the Placement selects it again, too
	}()
	finds(t, fleet.Fleet.Hub.KubeconfigPath, "clusters", "1 of 3 clusters are not available: "+spoke.Name, "--only", "clusters")
	finds(t, fleet.Fleet.Hub.KubeconfigPath, "clusters", "1 of 1 clusters are not available: "+spoke.Name, "--cluster", spoke.Name)
}

// endedAuthority is a certificate that has ended, in PEM.
func endedAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour), IsCA: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}
