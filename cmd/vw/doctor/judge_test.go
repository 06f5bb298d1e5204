// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/inventory"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// verdict of a judge: the findings as LEVEL and message, one a line. Whatever is wrong has a fix.
func verdict(t *testing.T, judge func(*Findings)) string {
	t.Helper()
	f := &Findings{check: Check{Name: "test", Why: "it matters"}}
	judge(f)
	var lines []string
	for _, finding := range f.list {
		lines = append(lines, string(finding.Level)+" "+finding.Message)
		if (finding.Level == Warn || finding.Level == Fail) && (finding.Fix == "" || finding.Why == "") {
			t.Errorf("%q has no fix, or no why", finding.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// judged is one row of a table.
type judged struct {
	name  string
	judge func(*Findings)
	want  string
}

func check(t *testing.T, rows []judged) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := verdict(t, row.judge); got != row.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
			}
		})
	}
}

func TestClock(t *testing.T) {
	check(t, []judged{
		{"right", func(f *Findings) { judgeClock(f, -2*time.Second) }, "OK the API server's clock and this machine's agree"},
		{"ahead", func(f *Findings) { judgeClock(f, 20*time.Second) }, "WARN the API server's clock is 20s ahead of this machine's"},
		{"behind", func(f *Findings) { judgeClock(f, -5*time.Minute) }, "FAIL the API server's clock is 5m0s behind this machine's"},
	})
}

func TestDefinitions(t *testing.T) {
	own, err := ownDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(*definition)) func(*Findings) {
		return func(f *Findings) {
			have := own[0]
			have.Spec.Versions = []definedVersion{own[0].Spec.Versions[0]}
			change(&have)
			judgeDefinition(f, &have, &own[0])
		}
	}
	with := func(name string) func(*definition) {
		return func(d *definition) {
			d.Spec.Versions[0].Schema.OpenAPIV3Schema = property{Properties: map[string]property{name: {}}}
		}
	}
	older := verdict(t, changed(with("spec")))
	if !strings.HasPrefix(older, "WARN CRD applicationinstances.apps.vworkspace.io is older than vw: it lacks apiVersion, kind, metadata, spec.appRef, spec.appRef.catalogId and ") {
		t.Errorf("older: %s", older)
	}
	newer := verdict(t, changed(with("fancy")))
	if !strings.Contains(newer, "WARN CRD applicationinstances.apps.vworkspace.io is newer than vw: it has fancy") {
		t.Errorf("newer: %s", newer)
	}
	check(t, []judged{
		{"same", changed(func(*definition) {}), ""},
		{"not established", changed(func(d *definition) {
			d.Status.Conditions = []metav1.Condition{{Type: "Established", Status: metav1.ConditionFalse, Message: "not yet"}}
		}), "FAIL CRD applicationinstances.apps.vworkspace.io is not Established: not yet"},
		{"other version", changed(func(d *definition) { d.Spec.Versions[0].Served = false }), "FAIL CRD applicationinstances.apps.vworkspace.io does not serve v1alpha1"},
		{"stored", changed(func(d *definition) { d.Status.StoredVersions = []string{"v1alpha0", "v1alpha1"} }),
			"FAIL CRD applicationinstances.apps.vworkspace.io has objects stored as v1alpha0, which it has no more"},
	})
}

func TestPolicy(t *testing.T) {
	judge := func(action admissionregistrationv1.ValidationAction, warning string) func(*Findings) {
		return func(f *Findings) {
			policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
			if warning != "" {
				policy.Status.TypeChecking = &admissionregistrationv1.TypeChecking{ExpressionWarnings: []admissionregistrationv1.ExpressionWarning{{Warning: warning}}}
			}
			judgePolicy(f, policy, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
				Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{ValidationActions: []admissionregistrationv1.ValidationAction{action}},
			})
		}
	}
	check(t, []judged{
		{"in force", judge(admissionregistrationv1.Deny, ""), ""},
		{"audit only", judge(admissionregistrationv1.Audit, ""), "FAIL ValidatingAdmissionPolicy p denies nothing: its binding says [Audit]"},
		{"not understood", judge(admissionregistrationv1.Deny, "no such field"), "WARN the API server does not understand ValidatingAdmissionPolicy p: no such field"},
	})
	names, err := ownPolicies()
	if err != nil || len(names) < 8 {
		t.Errorf("%v %v", names, err)
	}
}

// authority that ends at a time, in PEM.
func authority(t *testing.T, ends time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-time.Hour), NotAfter: ends}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func TestAuthorities(t *testing.T) {
	old, soon, good := authority(t, now.Add(-time.Hour)), authority(t, now.Add(48*time.Hour)), authority(t, now.Add(200*24*time.Hour))
	judge := func(bundle []byte) func(*Findings) {
		return func(f *Findings) {
			judgeAuthorities(f, hook{"stamp", admissionregistrationv1.WebhookClientConfig{CABundle: bundle}}, now)
		}
	}
	check(t, []judged{
		{"good beside an old one", judge(append(old, good...)), ""},
		{"none", judge(nil), "FAIL webhook stamp trusts nobody: its caBundle is empty"},
		{"ended", judge(old), "FAIL webhook stamp: the authority that it trusts ended on 2030-01-02"},
		{"soon", judge(soon), "WARN webhook stamp: the authority that it trusts ends on 2030-01-04, and should have been replaced"},
	})
}

func TestControllers(t *testing.T) {
	deployment := func(replicas, ready int32) func(*Findings) {
		return func(f *Findings) {
			judgeDeployment(f, &inventory.Component{Name: "vworkspace-hub", Namespace: "vworkspace-hub", Version: "0.1.0", Replicas: replicas, Ready: ready})
		}
	}
	lease := func(holder string, renewed time.Duration) func(*Findings) {
		return func(f *Findings) {
			judgeLease(f, &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Namespace: "vworkspace-hub", Name: "vworkspace-hub"},
				Spec: coordinationv1.LeaseSpec{
					HolderIdentity: &holder, LeaseDurationSeconds: ptr.To[int32](15), RenewTime: ptr.To(metav1.NewMicroTime(now.Add(-renewed))),
				},
			}, now)
		}
	}
	engine := func(name string, replicas, ready int32) func(*Findings) {
		return func(f *Findings) {
			judgeControllers(f, []appsv1.Deployment{{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: appsv1.DeploymentSpec{Replicas: &replicas}, Status: appsv1.DeploymentStatus{ReadyReplicas: ready},
			}})
		}
	}
	check(t, []judged{
		{"ready", deployment(2, 2), "OK 2 pods of Deployment vworkspace-hub/vworkspace-hub are ready (0.1.0)"},
		{"one of two", deployment(2, 1), "WARN 1 of 2 pods of Deployment vworkspace-hub/vworkspace-hub are ready"},
		{"none", deployment(2, 0), "FAIL no pod of Deployment vworkspace-hub/vworkspace-hub is ready"},
		{"scaled to 0", deployment(0, 0), "FAIL Deployment vworkspace-hub/vworkspace-hub is scaled to 0"},
		{"led", lease("pod-1", 10*time.Second), "OK pod-1 leads"},
		{"not led", lease("pod-1", time.Minute), "FAIL Lease vworkspace-hub/vworkspace-hub was last renewed 1m0s ago: no vworkspace-hub leads"},
		{"given up", lease("", time.Second), "FAIL nobody holds Lease vworkspace-hub/vworkspace-hub: no vworkspace-hub leads"},
		{"velero is well", engine("velero", 1, 1), "OK 1 Deployments of their controllers are ready"},
		{"argo is not", engine("argo-workflows-workflow-controller", 1, 0), "FAIL engine workflow: Deployment ns/argo-workflows-workflow-controller does not get on: no pod is ready"},
		{"flux is stopped", engine("helm-controller", 0, 0), "WARN engine helm: Deployment ns/helm-controller is scaled to 0"},
		{"somebody else's", engine("web", 1, 0), ""},
	})
}

func TestStorage(t *testing.T) {
	location := func(name string, phase velerov1.BackupStorageLocationPhase, isDefault bool) velerov1.BackupStorageLocation {
		l := velerov1.BackupStorageLocation{ObjectMeta: metav1.ObjectMeta{Name: name}}
		l.Spec.Default, l.Status.Phase = isDefault, phase
		return l
	}
	judge := func(l ...velerov1.BackupStorageLocation) func(*Findings) {
		return func(f *Findings) { judgeLocations(f, l) }
	}
	good, bad := velerov1.BackupStorageLocationPhaseAvailable, velerov1.BackupStorageLocationPhaseUnavailable
	check(t, []judged{
		{"well", judge(location("a", good, true)), "OK 1 BackupStorageLocations are Available"},
		{"none", judge(), "FAIL namespace velero has no BackupStorageLocation"},
		{"away", judge(location("a", bad, true)), "FAIL BackupStorageLocation a is not Available: Velero says Unavailable\nFAIL no BackupStorageLocation is Available"},
		{"one of two", judge(location("a", good, true), location("b", bad, false)), "WARN BackupStorageLocation b is not Available: Velero says Unavailable"},
		{"no default", judge(location("a", good, false)), "WARN no BackupStorageLocation is the default"},
	})
}

func instance(ns string, ready metav1.ConditionStatus) appsv1alpha1.ApplicationInstance {
	in := appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	in.Spec.AppRef.CatalogID, in.Status.Ready = "shop", ready
	return in
}

func TestNamespacesAndClaims(t *testing.T) {
	open := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "open", Labels: map[string]string{"managed-by": "vworkspace"}}}
	shut := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shut"}}
	in := []appsv1alpha1.ApplicationInstance{instance("open", metav1.ConditionTrue)}
	claim := func(value string) clusterv1alpha1.ClusterClaim {
		return clusterv1alpha1.ClusterClaim{
			ObjectMeta: metav1.ObjectMeta{Name: "shop.app.vworkspace.io", Labels: map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}},
			Spec:       clusterv1alpha1.ClusterClaimSpec{Value: value},
		}
	}
	claims := func(counted bool, list ...clusterv1alpha1.ClusterClaim) func(*Findings) {
		return func(f *Findings) { judgeClaims(f, list, in, []corev1.Namespace{open, shut}, counted) }
	}
	crowd := make([]clusterv1alpha1.ClusterClaim, 25)
	check(t, []judged{
		{"open", func(f *Findings) { judgeNamespaces(f, []corev1.Namespace{open, shut}, in) }, "OK 1 namespaces are open to the agent, and hold 1 ApplicationInstances"},
		{"shut", func(f *Findings) {
			judgeNamespaces(f, []corev1.Namespace{open, shut}, append(in, instance("shut", "")))
		},
			"WARN they hold ApplicationInstances and are not open to the agent: shut"},
		{"none open", func(f *Findings) { judgeNamespaces(f, []corev1.Namespace{shut}, nil) }, "WARN no namespace is open to the agent"},
		{"claims", claims(true, claim("1")), "OK 1 claims say what the cluster has"},
		{"no claims", claims(true), "FAIL the agent has made no claim, so that the hub takes it for missing"},
		{"old claims", claims(true, claim("2")), `WARN claims that are not up to date: shop.app.vworkspace.io says "2" for 1`},
		{"not counted", claims(false, claim("2")), "OK 1 claims say what the cluster has"},
		{"crowd", claims(true, append(crowd, claim("1"))...), "WARN there are 26 claims, and a klusterlet reports 20 unless it is told otherwise"},
		{"ready", func(f *Findings) { judgeInstances(f, in) }, "OK all 1 are Ready"},
		{"not ready", func(f *Findings) { judgeInstances(f, append(in, instance("open", metav1.ConditionFalse))) }, "WARN 1 of 2 are not Ready: open/web (nobody has looked at it)"},
	})
}

func TestFreezes(t *testing.T) {
	judge := func(spec opsv1alpha1.FreezeSpec) func(*Findings) {
		return func(f *Findings) {
			spec.Reason = "year end"
			judgeFreezes(f, []opsv1alpha1.Freeze{{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: spec}}, now)
		}
	}
	check(t, []judged{
		{"holds", judge(opsv1alpha1.FreezeSpec{}), "WARN freeze x holds until it is deleted: year end"},
		{"holds some", judge(opsv1alpha1.FreezeSpec{Types: []opsv1alpha1.OperationType{opsv1alpha1.TypeUpgrade}, Until: ptr.To(ago(-time.Hour))}),
			"WARN freeze x of Upgrade holds until 2030-01-02T04:04:05Z: year end"},
		{"is over", judge(opsv1alpha1.FreezeSpec{Until: ptr.To(ago(time.Hour))}), "OK nothing is frozen"},
	})
}

// TestThaw: what the hub has brought to a cluster is deleted on the hub.
func TestThaw(t *testing.T) {
	for name, want := range map[string]string{"x": "kubectl delete freeze x, when it is over", "hub.x": "kubectl delete freeze x, on the hub, when it is over"} {
		if got := thaw(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOperations(t *testing.T) {
	judge := func(age time.Duration, change func(*opsv1alpha1.Operation)) func(*Findings) {
		return func(f *Findings) {
			op := opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "op", CreationTimestamp: ago(age)}}
			change(&op)
			judgeOperations(f, []opsv1alpha1.Operation{op}, now)
		}
	}
	blocked := func(reason string) func(*opsv1alpha1.Operation) {
		return func(op *opsv1alpha1.Operation) {
			op.Status.Phase, op.Status.Reason, op.Status.Blocked = opsv1alpha1.PhasePending, reason, true
			op.Status.Conditions = []metav1.Condition{{Type: opsv1alpha1.ConditionBlocked, Status: metav1.ConditionTrue, LastTransitionTime: ago(time.Hour)}}
		}
	}
	check(t, []judged{
		{"ended", judge(time.Hour, func(op *opsv1alpha1.Operation) { op.Status.Phase = opsv1alpha1.PhaseFailed }), "OK 0 have not ended, and none of them is stuck"},
		{"new", judge(time.Second, func(*opsv1alpha1.Operation) {}), "OK 1 have not ended, and none of them is stuck"},
		{"unseen", judge(time.Minute, func(*opsv1alpha1.Operation) {}), "FAIL nobody has taken up: ns/op (1m0s)"},
		{"blocked", judge(time.Hour, blocked(opsv1alpha1.ReasonAwaitingApproval)), "WARN blocked for long: ns/op (AwaitingApproval for 1h0m0s)"},
		{"in its window", judge(time.Hour, blocked(opsv1alpha1.ReasonOutsideMaintenanceWindow)), "OK 1 have not ended, and none of them is stuck"},
		{"failing", judge(time.Hour, func(op *opsv1alpha1.Operation) {
			op.Status.Phase, op.Status.FailingSince, op.Status.Message = opsv1alpha1.PhaseRunning, ptr.To(ago(time.Hour)), "timeout"
		}), "FAIL the agent gets no further with: ns/op (timeout)"},
		{"halted", judge(time.Hour, func(op *opsv1alpha1.Operation) {
			op.Status.Phase, op.Status.Reason = opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRolloutHalted
		}), "WARN rollouts that are halted: ns/op"},
		{"late", judge(time.Hour, func(op *opsv1alpha1.Operation) {
			op.Spec.TargetRef, op.Spec.Timeout = &opsv1alpha1.TargetRef{}, &metav1.Duration{Duration: time.Minute}
			op.Status.Phase, op.Status.StartedAt = opsv1alpha1.PhaseRunning, ptr.To(ago(time.Hour))
		}), "WARN run for longer than their spec.timeout: ns/op"},
	})
}

// TestOpenCluster: the Deployments of Open Cluster Management, and the gates that they were told of.
func TestOpenCluster(t *testing.T) {
	deployment := func(name string, ready int32, args ...string) *appsv1.Deployment {
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: ocmHubNamespace, Name: name}, Status: appsv1.DeploymentStatus{ReadyReplicas: ready},
			Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Args: args}}}}},
		}
	}
	judge := func(objects ...client.Object) func(*Findings) {
		return func(f *Findings) {
			s := &Site{Client: fake.NewClientBuilder().WithScheme(Scheme()).WithObjects(objects...).Build()}
			if err := checkOCM(t.Context(), s, f); err != nil {
				t.Error(err)
			}
		}
	}
	check(t, []judged{
		{"elsewhere", judge(), "SKIP no Deployment is in namespace open-cluster-management-hub: they run elsewhere"},
		{"well", judge(deployment("placement", 1), deployment("work", 1, "manager", "--feature-gates=B=true,A=true")), "OK 2 Deployments are ready (feature gates: A=true, B=true)"},
		{"broken", judge(deployment("placement", 0)), "FAIL no pod of Deployment open-cluster-management-hub/placement is ready"},
	})
}
