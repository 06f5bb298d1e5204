// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// completed is what a completion offers for what was typed.
func completed(t *testing.T, kubeconfig, namespace string, of func(*Env) completion, args []string, typed string) []string {
	t.Helper()
	env := newEnv("v0.0.0-test", genericiooptions.NewTestIOStreamsDiscard())
	*env.Flags.KubeConfig, *env.Flags.Namespace = kubeconfig, namespace
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	names, directive := of(env)(cmd, args, typed)
	if directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("the shell is told %v, and offers files", directive)
	}
	return names
}

func TestCompleteOperations(t *testing.T) {
	ns := namespace(t)
	for _, name := range []string{"nightly", "night-shift", "upgrade"} {
		op := &opsv1alpha1.Operation{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns},
			Spec:       opsv1alpha1.OperationSpec{Type: opsv1alpha1.TypeBackup, Selector: &opsv1alpha1.InstanceSelector{}},
		}
		if err := api.Create(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		typed string
		args  []string
		want  string
	}{
		{"", nil, "night-shift nightly upgrade"},
		{"night", nil, "night-shift nightly"},
		{"night", []string{"nightly"}, "night-shift"},
		{"x", nil, ""},
	} {
		if got := strings.Join(completed(t, kubeconfig, ns, completeOperations, c.args, c.typed), " "); got != c.want {
			t.Errorf("%q after %v: offers %q, want %q", c.typed, c.args, got, c.want)
		}
	}
	one := func(env *Env) completion { return oneArgument(completeOperations(env)) }
	if got := completed(t, kubeconfig, ns, one, []string{"nightly"}, ""); len(got) > 0 {
		t.Errorf("offers %v for a second argument", got)
	}
	flag := func(env *Env) completion { return forFlag(completeOperations(env)) }
	if got := completed(t, kubeconfig, ns, flag, []string{"nightly"}, "nightl"); len(got) != 1 {
		t.Errorf("offers %v for a flag", got)
	}
}

func TestCompleteOthers(t *testing.T) {
	for name, of := range map[string]func(*Env) completion{
		"instances": completeInstances, "placements": completePlacements, "clusters": completeClusters, "templates": completeTemplates,
	} {
		if got := completed(t, kubeconfig, namespace(t), of, nil, "no-such-"); len(got) > 0 {
			t.Errorf("%s: offers %v", name, got)
		}
	}
	ns := namespace(t)
	if got := completed(t, kubeconfig, "", completeNamespaces, nil, ns); !slices.Contains(got, ns) {
		t.Errorf("namespaces: offers %v, without %s", got, ns)
	}
	if got := completed(t, kubeconfig, "", completeContexts, nil, ""); len(got) != 1 {
		t.Errorf("contexts: offers %v, want one", got)
	}
}

func TestCompleteSaysNothingOnErrors(t *testing.T) {
	if got := completed(t, "/no/such/kubeconfig", "", completeOperations, nil, ""); len(got) > 0 {
		t.Errorf("offers %v", got)
	}
}
