// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var catalogThere sync.Once

// withCatalog has the templates that are shipped on the API server.
func withCatalog(t *testing.T) {
	t.Helper()
	catalogThere.Do(func() {
		files, err := filepath.Glob(filepath.Join(server.Root, "deploy", "catalog", "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			template := &opsv1alpha1.OperationTemplate{}
			if err := yaml.Unmarshal(text, template); err != nil {
				t.Fatal(err)
			}
			if err := api.Create(t.Context(), template); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// shopsOn are a namespace with two shops, on spoke1 and spoke2 as the hub says, and Placement everywhere, which has decided for both, the first as its canary.
func shopsOn(t *testing.T) string {
	t.Helper()
	withCatalog(t)
	ns := namespace(t)
	for i, cluster := range []string{"spoke1", "spoke2"} {
		c := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}}
		if err := api.Create(t.Context(), c); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		shop := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: fmt.Sprintf("shop-%c", 'a'+i), Labels: map[string]string{"app": "shop"},
			Annotations: map[string]string{opsv1alpha1.TypeRunCommand.Capability(): "job", opsv1alpha1.TypeBackup.Capability(): "velero"},
		}}
		shop.Spec.Mode, shop.Spec.AppRef.CatalogID = appsv1alpha1.ModePlaceholder, "shop"
		if err := api.Create(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
		shop.Status.Cluster = cluster
		if err := api.Status().Update(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}
	p := &clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "everywhere"}}
	if err := api.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p.Status.NumberOfSelectedClusters = 2
	p.Status.Conditions = []metav1.Condition{{
		Type: clusterv1beta1.PlacementConditionSatisfied, Status: metav1.ConditionTrue, Reason: "AllDecisionsScheduled", LastTransitionTime: metav1.Now(),
	}}
	if err := api.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for i, group := range []string{"canary", "rest"} {
		d := &clusterv1beta1.PlacementDecision{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "everywhere-" + group, Labels: map[string]string{
			clusterv1beta1.PlacementLabel: "everywhere", clusterv1beta1.DecisionGroupIndexLabel: fmt.Sprint(i), clusterv1beta1.DecisionGroupNameLabel: group,
		}}}
		if err := api.Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		d.Status.Decisions = []clusterv1beta1.ClusterDecision{{ClusterName: fmt.Sprintf("spoke%d", i+1)}}
		if err := api.Status().Update(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	return ns
}

// asked is the Operation that a call of vw printed the name of.
func asked(t *testing.T, ns string, got result) *opsv1alpha1.Operation {
	t.Helper()
	line, _, _ := strings.Cut(got.out, "\n")
	name, found := strings.CutSuffix(strings.TrimPrefix(line, "operation.ops.vworkspace.io/"), " created")
	if got.status != ExitOK || !found {
		t.Fatalf("status %d, printed %q, said %q", got.status, got.out, got.errOut)
	}
	op := &opsv1alpha1.Operation{}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, op); err != nil {
		t.Fatal(err)
	}
	return op
}

// TestAsk: what is said on the command line becomes an Operation that the API server takes, with all of its rules.
func TestAsk(t *testing.T) {
	ns := shopsOn(t)
	file := filepath.Join(t.TempDir(), "parameters.yaml")
	if err := os.WriteFile(file, []byte("targetVersion: 1.0.0\nvaluesPatch: {a: 1, b: {c: x}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args  []string
		want  string // spec as JSON
		notes string
	}{
		"a command everywhere": {
			[]string{"exec", "--placement", "everywhere", "--app", "shop", "--image", "shop:1", "--pod-annotations=example.com/a=b", "--", "shop", "--clear"},
			`{"parameters":{"command":["shop","--clear"],"image":"shop:1","podAnnotations":{"example.com/a":"b"}},"placement":{"placementRef":{"name":"everywhere"}},
			 "selector":{"names":["shop-a","shop-b"]},"templateRef":{"name":"runcommand-job"},"type":"RunCommand"}`,
			"shop is 2 instances, by catalog id\n",
		},
		"a backup of one": {
			[]string{"backup", "--app", "shop-b", "--ttl", "24h", "--includedResources", "pods", "--included-resources=secrets", "--snapshot-volumes=false"},
			`{"parameters":{"includedResources":["pods","secrets"],"snapshotVolumes":false,"ttl":"24h"},
			 "targetRef":{"apiVersion":"apps.vworkspace.io/v1alpha1","kind":"ApplicationInstance","name":"shop-b"},"templateRef":{"name":"backup-velero"},"type":"Backup"}`, "",
		},
		"an upgrade with a canary": {
			[]string{"upgrade", "-l", "app=shop", "--placement=everywhere", "--parameters", file, "--set", "valuesPatch.b.c=1.5,valuesPatch.d=true", "--targetVersion", "1.2.0",
				"--canary", "1", "--soak", "15m", "--max-concurrency", "2", "--on-breach", "rollback", "--timeout", "10m"},
			`{"parameters":{"targetVersion":"1.2.0","valuesPatch":{"a":1,"b":{"c":"1.5"},"d":true}},"placement":{"placementRef":{"name":"everywhere"}},
			 "rollout":{"gate":"None","onBreach":"Rollback","progressive":{"mandatoryDecisionGroups":[{"groupName":"canary"}],"maxConcurrency":2,"maxFailures":0,"minSuccessTime":"15m0s","progressDeadline":"None"},"type":"Progressive"},
			 "selector":{"labelSelector":{"matchLabels":{"app":"shop"}}},"templateRef":{"name":"upgrade-helm"},"timeout":"10m0s","type":"Upgrade"}`, "",
		},
		"any template, and parameters with the names of other flags": {
			[]string{"run", "runbook-workflow", "--placement", "everywhere", "--param-template", "close", "--param-parameters", "day=0815", "--param-parameters", "n=2", "--cancel", "Stop", "--suspend"},
			`{"parameters":{"cancel":"Stop","parameters":{"day":"0815","n":2},"template":"close"},"placement":{"placementRef":{"name":"everywhere"}},"selector":{},"suspend":true,
			 "templateRef":{"name":"runbook-workflow"},"type":"Runbook"}`, "",
		},
		"what is found on the clusters": {
			[]string{"migrate", "--placement", "everywhere", "--window", "@daily for 2h", "--require-approval"},
			`{"approvals":{"required":true},"maintenanceWindow":{"duration":"2h0m0s","schedule":"@daily"},"placement":{"placementRef":{"name":"everywhere"}},"selector":{},"type":"Migration"}`, "",
		},
		"an engine": {
			[]string{"restore", "--engine", "Velero", "--app", "shop-a", "--backup-name", "x"},
			`{"engine":"velero","parameters":{"backupName":"x"},"targetRef":{"apiVersion":"apps.vworkspace.io/v1alpha1","kind":"ApplicationInstance","name":"shop-a"},
			 "templateRef":{"name":"restore-velero"},"type":"Restore"}`, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := vw(t, append([]string{"-n", ns}, tt.args...)...)
			op := asked(t, ns, got)
			spec, err := json.Marshal(op.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := canonical(t, string(spec)), canonical(t, tt.want); a != b {
				t.Errorf("%s\nwant %s", a, b)
			}
			if got.errOut != tt.notes {
				t.Errorf("said %q, want %q", got.errOut, tt.notes)
			}
			if !strings.HasPrefix(op.Name, strings.ToLower(string(op.Spec.Type))+"-") {
				t.Error("named", op.Name)
			}
		})
	}
}

// canonical JSON.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err, text)
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

// TestClusters: for clusters by name a Placement is made, which goes with the Operation.
func TestClusters(t *testing.T) {
	ns := shopsOn(t)
	op := asked(t, ns, vw(t, "-n", ns, "backup", "--cluster", "spoke1", "--cluster", "spoke2", "--app", "shop"))
	p := &clusterv1beta1.Placement{}
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(op), p); err != nil {
		t.Fatal(err)
	}
	if op.Spec.Placement == nil || op.Spec.Placement.PlacementRef.Name != p.Name {
		t.Errorf("%+v does not go by Placement %s", op.Spec, p.Name)
	}
	if len(p.OwnerReferences) != 1 || p.OwnerReferences[0].UID != op.UID {
		t.Errorf("owners: %v", p.OwnerReferences)
	}
	if got := p.Spec.Predicates[0].RequiredClusterSelector.CelSelector.CelExpressions; len(got) != 1 || got[0] != `managedCluster.metadata.name in ["spoke1", "spoke2"]` {
		t.Errorf("selects %v", got)
	}

	got := vw(t, "-n", ns, "backup", "--cluster", "spoke1", "--name", "mine", "--dry-run=client")
	if got.status != ExitOK || strings.Count(got.out, "\nkind: ") != 2 || !strings.Contains(got.out, "kind: Placement") {
		t.Errorf("%+v", got)
	}
	if one := asked(t, ns, vw(t, "-n", ns, "backup", "--cluster", "spoke2", "--app", "shop")); one.Spec.TargetRef == nil || one.Spec.TargetRef.Name != "shop-b" || one.Spec.Placement != nil {
		t.Errorf("the one shop there needs no Placement: %+v", one.Spec)
	}
}

func TestDryRuns(t *testing.T) {
	ns := shopsOn(t)
	args := []string{"-n", ns, "backup", "--app", "shop-a", "--ttl", "24h", "--name", "nightly"}
	client := vw(t, append(args, "--dry-run=client")...)
	const want = `apiVersion: ops.vworkspace.io/v1alpha1
kind: Operation
metadata:
  name: nightly
  namespace: NS
spec:
  parameters:
    ttl: 24h
  targetRef:
    apiVersion: apps.vworkspace.io/v1alpha1
    kind: ApplicationInstance
    name: shop-a
  templateRef:
    name: backup-velero
  type: Backup
`
	if got := strings.ReplaceAll(client.out, ns, "NS"); got != want || client.status != ExitOK {
		t.Errorf("got %s (%s)", got, client.errOut)
	}
	for format, begins := range map[string]string{"json": "{\n", "name": "operation.ops.vworkspace.io/nightly\n", "jsonpath={.spec.type}": "Backup"} {
		if got := vw(t, append(args, "--dry-run=client", "-o", format)...); !strings.HasPrefix(got.out, begins) {
			t.Errorf("%s: %+v", format, got)
		}
	}
	if got := vw(t, append(args, "--dry-run=server")...); got.out != "operation.ops.vworkspace.io/nightly created (server dry run)\n" {
		t.Errorf("%+v", got)
	}
	list := &opsv1alpha1.OperationList{}
	if err := api.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for _, op := range list.Items {
		if op.Namespace == ns {
			t.Error("was created:", op.Name)
		}
	}
	got := vw(t, append(args, "--dry-run", "--wait-timeout", "1s")...) // no hub runs here, that would answer
	if got.status != ExitTimeout || !strings.Contains(got.errOut, "operation nightly has not ended within 1s") {
		t.Errorf("%+v", got)
	}
}

// TestWrongAsking: what is wrong is said before anything is created, with what to say instead.
func TestWrongAsking(t *testing.T) {
	ns := shopsOn(t)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"nowhere":             {[]string{"backup"}, "--placement: say where"},
		"no such Placement":   {[]string{"backup", "--placement", "evrywhere"}, "--placement: there is no Placement evrywhere in namespace NS; did you mean everywhere?"},
		"no such cluster":     {[]string{"backup", "--cluster", "spokr1"}, "--cluster: there is no ManagedCluster spokr1; did you mean spoke1?"},
		"no such app":         {[]string{"backup", "--app", "shpo"}, "--app: no instance in namespace NS has the name or the catalog id shpo; did you mean shop?"},
		"no such template":    {[]string{"run", "upgrade-hlm", "--app", "shop-a"}, "there is no OperationTemplate upgrade-hlm; did you mean upgrade-helm?"},
		"another's template":  {[]string{"backup", "--template", "upgrade-helm", "--app", "shop-a"}, "--template: upgrade-helm is for type Upgrade, and this is Backup"},
		"no template":         {[]string{"run", "--app", "shop-a"}, "name an OperationTemplate, before its parameters: vw run TEMPLATE"},
		"which template":      {[]string{"restore", "--app", "shop-a", "--backup-name", "x"}, "unknown flag: --backup-name\n  if it is a parameter, say of which template: --template restore-helmhookjob, or restore-job"},
		"no such parameter":   {[]string{"upgrade", "--app", "shop-a", "--target-vesion", "1"}, "unknown flag: --target-vesion; did you mean target-version?\n  vw run upgrade-helm --help lists"},
		"a parameter missing": {[]string{"exec", "--app", "shop-a", "--", "true"}, "--image: OperationTemplate runcommand-job asks for it"},
		"a parameter wrong":   {[]string{"exec", "--app", "shop-a", "--image", "x", "--backoff-limit", "101"}, "--backoff-limit: "},
		"no whole number":     {[]string{"exec", "--app", "shop-a", "--image", "x", "--backoff-limit", "many"}, `--backoff-limit: "many" is not a whole number`},
		"not one of them":     {[]string{"backup", "--app", "shop-a", "--partial-failure", "Ignore"}, `--partial-failure: "Ignore" is not one of Fail, Accept`},
		"not after --":        {[]string{"exec", "--app", "shop-a", "--image", "x", "ls"}, `"ls": write the command after --, such as: vw exec ... -- ls`},
		"a command elsewhere": {[]string{"backup", "--app", "shop-a", "--", "ls"}, "a command after -- is for type RunCommand, and this is Backup"},
		"a command twice":     {[]string{"exec", "--app", "shop-a", "--image", "x", "--command", "a", "--", "b"}, "--command: the command is after -- too"},
		"an argument":         {[]string{"backup", "shop-a"}, `"shop-a": this takes no more arguments; instances are named by --app`},
		"an argument besides": {[]string{"backup", "--app", "shop-a", "shop-b"}, `"shop-b": this takes no more arguments; instances are named by --app`},
		"engine":              {[]string{"backup", "--app", "shop-a", "--engine", "warp"}, "--engine: warp is not one of velero, workflow"},
		"selector":            {[]string{"backup", "--placement", "everywhere", "-l", "app in"}, "--selector: "},
		"dry run":             {[]string{"backup", "--app", "shop-a", "--dry-run=perhaps"}, "--dry-run: perhaps is not one of client"},
		"wait for nothing":    {[]string{"backup", "--app", "shop-a", "--dry-run=server", "--wait"}, "--wait: there is nothing to wait for"},
		"a file":              {[]string{"backup", "--app", "shop-a", "--parameters", "/no/such"}, "--parameters: /no/such: "},
		"canaries of one":     {[]string{"backup", "--app", "shop-a", "--canary", "x"}, "--canary: there are no clusters"},
		"canaries of some":    {[]string{"backup", "--cluster", "spoke1", "--canary", "x"}, "--canary: the clusters of --cluster are in one group"},
		"window":              {[]string{"backup", "--app", "shop-a", "--window", "always"}, `--window: "always" is not "SCHEDULE for DURATION"`},
		"output":              {[]string{"backup", "--app", "shop-a", "--dry-run=client", "-o", "xml"}, `--output: "xml" is not known`},
		"the API server":      {[]string{"backup", "--placement", "everywhere", "--on-breach", "rollback"}, "rollout.onBreach Rollback is for type Upgrade"},
	} {
		t.Run(name, func(t *testing.T) {
			got := vw(t, append([]string{"-n", ns}, tt.args...)...)
			if said := strings.ReplaceAll(got.errOut, ns, "NS"); got.status != ExitError || !strings.Contains(said, "Error: ") || !strings.Contains(said, tt.want) {
				t.Errorf("status %d, said %s\nwant %s", got.status, said, tt.want)
			}
		})
	}
	asked(t, ns, vw(t, "-n", ns, "backup", "--app", "shop-a", "--name", "taken"))
	if got := vw(t, "-n", ns, "backup", "--app", "shop-a", "--name", "taken"); !strings.Contains(got.errOut, "--name: there is an Operation taken in namespace "+ns+" already") {
		t.Errorf("%+v", got)
	}
}

func TestParametersFromStandardInput(t *testing.T) {
	ns := shopsOn(t)
	got := vwWith(t, "ttl: 1h\n", "--kubeconfig", kubeconfig, "-n", ns, "backup", "--app", "shop-a", "--parameters", "-")
	if op := asked(t, ns, got); string(op.Spec.Parameters.Raw) != `{"ttl":"1h"}` {
		t.Errorf("%s", op.Spec.Parameters.Raw)
	}
}

func TestAskHelp(t *testing.T) {
	ns := shopsOn(t)
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"of a template":    {[]string{"run", "upgrade-helm", "--help"}, []string{"vw run TEMPLATE", "--placement", "Parameters of OperationTemplate upgrade-helm: Upgrade by Flux", "--target-version string", "--values-patch key=value"}},
		"of the only one":  {[]string{"upgrade", "-h"}, []string{"Parameters of OperationTemplate upgrade-helm"}},
		"of what they are": {[]string{"exec", "--app", "shop", "--placement", "everywhere", "--help"}, []string{"Parameters of OperationTemplate runcommand-job", "--args string ..."}},
		"of several":       {[]string{"restore", "--help"}, []string{"vw restore [flags]", "add --template restore-helmhookjob, or restore-job"}},
		"of run":           {[]string{"run", "--help"}, []string{"vw run clean-caches --help"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := vw(t, append([]string{"-n", ns}, tt.args...)...)
			if got.status != ExitOK {
				t.Errorf("%+v", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.out, want) {
					t.Errorf("%q is not in\n%s", want, got.out)
				}
			}
		})
	}
	got := vwWith(t, "", "--kubeconfig", "/no/such", "backup", "--help")
	if got.status != ExitOK || !strings.Contains(got.out, "--placement") || !strings.Contains(got.errOut, "The parameters are not listed: ") {
		t.Errorf("without a cluster: %+v", got)
	}
}

func TestAskCompletion(t *testing.T) {
	ns := shopsOn(t)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a parameter":           {[]string{"run", "upgrade-helm", "--targ"}, "--target-version\t"},
		"its values":            {[]string{"backup", "--template", "backup-velero", "--partial-failure", ""}, "Fail\nAccept\n"},
		"its values after =":    {[]string{"backup", "--template", "backup-velero", "--partial-failure="}, "--partial-failure=Fail\n"},
		"values of other flags": {[]string{"run", "upgrade-helm", "--on-breach", ""}, "halt\ncontinue\nrollback\n"},
		"other flags":           {[]string{"run", "upgrade-helm", "--max-c"}, "--max-concurrency\t"},
		"templates":             {[]string{"run", "upgr"}, "upgrade-helm\n"},
		"placements":            {[]string{"run", "upgrade-helm", "--placement", "ev"}, "everywhere\n"},
		"placements after =":    {[]string{"backup", "--placement=ev"}, "--placement=everywhere\n"},
		"clusters":              {[]string{"backup", "--cluster", "spoke1", "--cluster", ""}, "spoke1\nspoke2\n"},
		"labels":                {[]string{"backup", "-l", "x"}, ":4\n"},
		"instances":             {[]string{"backup", "--app", "shop-"}, "shop-a\nshop-b\n"},
		"engines":               {[]string{"backup", "--engine", ""}, "velero\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := vwWith(t, "", append([]string{"__complete", tt.args[0], "--kubeconfig", kubeconfig, "-n", ns}, tt.args[1:]...)...)
			if !strings.Contains(got.out, tt.want) {
				t.Errorf("%q is not in %+v", tt.want, got)
			}
		})
	}
}
