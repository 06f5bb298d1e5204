// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/admission"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/e2e/testbed"
)

// authorizing is a fleet whose hub runs what the one who asks may run.
func authorizing(t *testing.T, n int) *fleet {
	t.Helper()
	f := newFleet(t, n)
	f.options.Authorize = true
	f.must(applyPolicies(f.ctx))
	return f
}

func applyPolicies(ctx context.Context) error {
	return testbed.ApplyFiles(ctx, apiConfig, filepath.Join("..", "deploy", "policies", "requester.yaml"))
}

// grant gives a user rights in the fleet's namespace.
func (f *fleet) grant(user, verb, group, resource string, names ...string) {
	f.t.Helper()
	named := metav1.ObjectMeta{Namespace: f.ns, GenerateName: "test-"}
	role := &rbacv1.Role{ObjectMeta: named, Rules: []rbacv1.PolicyRule{{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names}}}
	f.must(api.Create(f.ctx, role))
	f.must(api.Create(f.ctx, &rbacv1.RoleBinding{ObjectMeta: named, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}, {APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: user}}}))
	f.may(user, role.Rules[0])
}

// ask makes an Operation as a user who may do that, and who writes down themselves who they are, as the webhook would.
func (f *fleet) ask(user, name string, change func(*opsv1alpha1.Operation)) *opsv1alpha1.Operation {
	f.t.Helper()
	f.grant(user, "create", opsv1alpha1.GroupVersion.Group, "operations")
	config := rest.CopyConfig(apiConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"staff"}}
	c, err := client.New(config, client.Options{Scheme: NewScheme()})
	f.must(err)
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: name, Annotations: map[string]string{
			opsv1alpha1.AnnotationRequestedBy: user, opsv1alpha1.AnnotationRequestedByGroups: "staff\nsystem:authenticated",
		}},
		Spec: opsv1alpha1.OperationSpec{
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
			Selector:  &opsv1alpha1.InstanceSelector{}, Type: opsv1alpha1.TypeBackup,
		},
	}
	if change != nil {
		change(op)
	}
	f.must(c.Create(f.ctx, op))
	return op
}

// TestAuthorize: whoever may create an Operation reaches only what they may target, and hears what is missing.
func TestAuthorize(t *testing.T) {
	f := authorizing(t, 2)
	f.startHub()
	f.place("all", f.clusters...)
	velero := func(op *opsv1alpha1.Operation) { op.Spec.Engine = opsv1alpha1.EngineVelero }
	untaught := f.await(f.ask("alice", "untaught", velero), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized)
	if want := "alice may not run operationtemplates.ops.vworkspace.io backup-velero in namespace " + f.ns; !strings.HasPrefix(untaught.Status.Message, want) {
		t.Errorf("got %s, want %s", untaught.Status.Message, want)
	}
	f.grant("staff", VerbRun, "ops.vworkspace.io", "operationtemplates", "backup-velero")
	f.await(f.ask("alice", "any", nil), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized) // it may follow others, too
	f.grant("staff", VerbRun, "ops.vworkspace.io", "operationtemplates")
	denied := f.await(f.ask("alice", "denied", nil), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized)
	want := fmt.Sprintf("alice may not target placements.cluster.open-cluster-management.io all in namespace %[1]s: ask for a Role there that grants it. To allow it: "+
		"kubectl -n %[1]s create role vworkspace-target-all --verb=target --resource=placements.cluster.open-cluster-management.io --resource-name=all && "+
		"kubectl -n %[1]s create rolebinding vworkspace-target-all --role=vworkspace-target-all --user=alice; then create the Operation again", f.ns)
	if denied.Status.Message != want {
		t.Errorf("got  %s\nwant %s", denied.Status.Message, want)
	}
	if n := len(f.works(denied)); n != 0 || denied.Status.Plan != nil {
		t.Errorf("%d works and the plan %v of what was denied", n, denied.Status.Plan)
	}
	f.await(f.ask("alice", "peek", func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true }), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized)

	f.grant("alice", VerbTarget, "cluster.open-cluster-management.io", "placements", "others")
	f.await(f.ask("alice", "other", nil), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized)
	f.shell(strings.TrimSuffix(strings.SplitAfter(denied.Status.Message, "To allow it: ")[1], "; then create the Operation again"))
	op := f.ask("alice", "allowed", nil)
	for _, w := range f.awaitWorks(op, 2) {
		raw := string(w.Spec.Workload.Manifests[0].Raw)
		if !strings.Contains(raw, `"ops.vworkspace.io/requested-by":"alice"`) || strings.Contains(raw, "staff") {
			t.Errorf("what is sent does not say who asked, or says more: %s", raw)
		}
	}

	f.grant("staff", VerbTarget, "cluster.open-cluster-management.io", "placements", "all")
	f.awaitWorks(f.ask("bob", "by-group", nil), 2)
}

// shell runs commands as an administrator has them.
func (f *fleet) shell(commands string) {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "kubeconfig")
	f.must(os.WriteFile(file, kubeconfig, 0o600))
	cmd := exec.CommandContext(f.ctx, "sh", "-c", commands)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+file, "PATH="+kubectlDir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
}

// TestSelfWritten: what the documentation says for a hub without a webhook: whoever creates an Operation writes down who they are.
func TestSelfWritten(t *testing.T) {
	f := authorizing(t, 1)
	f.startHub()
	f.place("all", f.clusters...)
	page, err := os.ReadFile(filepath.Join("..", "docs", "concepts", "admission.md"))
	f.must(err)
	_, rest, found := strings.Cut(string(page), "    by=$(kubectl")
	commands, _, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatal("docs/concepts/admission.md does not say how")
	}
	dir := t.TempDir()
	f.must(os.WriteFile(filepath.Join(dir, "operation.yaml"), fmt.Appendf(nil,
		"apiVersion: ops.vworkspace.io/v1alpha1\nkind: Operation\nmetadata: {namespace: %s, name: mine}\nspec: {type: Backup, selector: {}, placement: {placementRef: {name: all}}}\n", f.ns), 0o600))
	f.shell("cd " + dir + "\nby=$(kubectl" + commands)
	op := f.get(&opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: f.ns, Name: "mine"}})
	f.awaitWorks(op, 1) // an administrator may
}

// TestAuthorizeTarget: an Operation on one instance takes the right to target that one.
func TestAuthorizeTarget(t *testing.T) {
	f := authorizing(t, 1)
	f.startHub()
	f.instance("web", f.clusters[0])
	f.grant("staff", VerbRun, "ops.vworkspace.io", "operationtemplates")
	onWeb := func(op *opsv1alpha1.Operation) {
		op.Spec.Placement, op.Spec.Selector = nil, nil
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "web"}
	}
	denied := f.await(f.ask("alice", "denied", onWeb), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonNotAuthorized)
	if want := "alice may not target applicationinstances.apps.vworkspace.io web"; !strings.Contains(denied.Status.Message, want) {
		t.Error(denied.Status.Message)
	}
	f.grant("alice", VerbTarget, "apps.vworkspace.io", "applicationinstances", "web")
	f.awaitWorks(f.ask("alice", "allowed", onWeb), 1)
}

// TestRequesterUnknown: what nobody was asked about is sent nowhere, and not for ever waited for.
func TestRequesterUnknown(t *testing.T) {
	f := authorizing(t, 1)
	clock := clocktesting.NewFakeClock(time.Now())
	f.options.Clock = clock
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("nobody", "all")
	blocked := f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonRequesterUnknown)
	if !blocked.Status.Blocked || !strings.Contains(blocked.Status.Message, "metadata.annotations: ops.vworkspace.io/requested-by is missing") {
		t.Errorf("%+v", blocked.Status)
	}
	clock.Step(defaultStartDeadline + time.Second)
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.StartDeadline = &metav1.Duration{Duration: time.Second} }) // has the hub look again
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRequesterUnknown)
	if n := len(f.works(op)); n != 0 {
		t.Errorf("%d works", n)
	}
}

func (f *fleet) editOp(op *opsv1alpha1.Operation, change func(*opsv1alpha1.Operation)) {
	f.t.Helper()
	got := f.get(op)
	before := got.DeepCopy()
	change(got)
	f.must(api.Patch(f.ctx, got, client.MergeFrom(before)))
}

// TestPolicyMissing: where the API server does not hold the policy, anybody can write anybody's name, and nothing is sent.
func TestPolicyMissing(t *testing.T) {
	f := authorizing(t, 1)
	f.must(api.Delete(f.ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: admission.PolicyRequester}}))
	t.Cleanup(func() {
		if err := applyPolicies(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f.startHub()
	f.place("all", f.clusters...)
	f.grant("alice", VerbTarget, "cluster.open-cluster-management.io", "placements", "all")
	f.grant("alice", VerbRun, "ops.vworkspace.io", "operationtemplates")
	op := f.ask("alice", "backup", nil)
	blocked := f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonRequesterUnknown)
	if want := "the ValidatingAdmissionPolicy requester.ops.vworkspace.io is not in force: apply deploy/policies"; !strings.Contains(blocked.Status.Message, want) {
		t.Error(blocked.Status.Message)
	}
	f.must(api.Delete(f.ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: admission.PolicyRequester}}))
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.StartDeadline = &metav1.Duration{Duration: time.Hour} }) // has the hub look again
	f.eventually("it is said that the policy is not installed", func() (string, error) {
		message := f.get(op).Status.Message
		if strings.Contains(message, "is not installed: apply deploy/policies, or set the chart's value policies.install") {
			return "", nil
		}
		return message, nil
	})
	f.must(applyPolicies(f.ctx))
	f.editOp(op, func(op *opsv1alpha1.Operation) { op.Spec.StartDeadline = &metav1.Duration{Duration: 2 * time.Hour} })
	f.awaitWorks(op, 1)
}

// TestAuthorizeOff: without the option nobody is asked about.
func TestAuthorizeOff(t *testing.T) {
	f := newFleet(t, 1)
	f.funcs = interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if _, review := o.(*authorizationv1.SubjectAccessReview); review {
			t.Error("the API server was asked")
		}
		return c.Create(ctx, o, opts...)
	}}
	f.startHub()
	f.place("all", f.clusters...)
	f.awaitWorks(f.operation("backup", "all"), 1)
}

// TestNeeds: which rights an Operation takes.
func TestNeeds(t *testing.T) {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: opsv1alpha1.OperationSpec{
		Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}, TargetRef: &opsv1alpha1.TargetRef{Name: "web"},
	}}
	var got []string
	named := func(name string) *catalog.Entry {
		return &catalog.Entry{Template: &opsv1alpha1.OperationTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}}
	}
	for _, n := range needs(op, []*catalog.Entry{named("backup-velero"), named("nightly")}) {
		got = append(got, fmt.Sprintf("%s %s.%s/%s in %s", n.Verb, n.Resource, n.Group, n.Name, n.Namespace))
	}
	want := "run operationtemplates.ops.vworkspace.io/backup-velero in shop; run operationtemplates.ops.vworkspace.io/nightly in shop; " +
		"target placements.cluster.open-cluster-management.io/all in shop"
	if strings.Join(got, "; ") != want {
		t.Errorf("got %s", strings.Join(got, "; "))
	}
}

// TestDenialIsSafeToPaste: a shell reads the commands as they were meant, whatever a user is called.
func TestDenialIsSafeToPaste(t *testing.T) {
	need := authorizationv1.ResourceAttributes{Namespace: "shop", Verb: VerbTarget, Group: "cluster.open-cluster-management.io", Resource: "placements", Name: "all"}
	for user, want := range map[string]string{
		"alice":                             "--user=alice",
		"https://id.example.com#a1":         "--user=https://id.example.com#a1",
		"Alice O'Brien; touch /tmp/x":       "--user=Alice O'Brien; touch /tmp/x",
		"$(touch /tmp/x)":                   "--user=$(touch /tmp/x)",
		"a\\":                               "--user=a\\",
		"system:serviceaccount:ci:robot":    "--serviceaccount=ci:robot",
		"--as=admin":                        "--user=--as=admin",
		"line\nbreak":                       "",
		"\x1b[2Kescape":                     "",
		strings.Repeat("long", 400) + "end": "",
	} {
		_, command, found := strings.Cut(denial(admission.Requester{User: user}, need), "To allow it: ")
		if found != (want != "") {
			t.Errorf("%q: a command: %v", user, found)
			continue
		}
		if !found {
			continue
		}
		command = strings.TrimSuffix(command, "; then create the Operation again")
		script := "kubectl() { for last; do :; done; }; " + command + "; printf %s \"$last\""
		if out, err := exec.Command("sh", "-c", script).Output(); err != nil || string(out) != want {
			t.Errorf("%q: a shell reads %q (%v), want %q", user, out, err, want)
		}
	}
}
