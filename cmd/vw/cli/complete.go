// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// completeWithin is how long a person who has pressed Tab is kept waiting.
	completeWithin = 2 * time.Second
	// completeLimit is how many objects are looked at: more names than that help nobody.
	completeLimit = 500
)

// completion offers the names that an argument or a flag may have.
type completion = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeOperations offers the Operations of the namespace.
func completeOperations(env *Env) completion {
	return completeNames(env, opsv1alpha1.GroupVersion.WithKind("Operation"), inNamespace)
}

// completeInstances offers the ApplicationInstances of the namespace.
func completeInstances(env *Env) completion {
	return completeNames(env, appsv1alpha1.GroupVersion.WithKind("ApplicationInstance"), inNamespace)
}

// completePlacements offers the Placements of the namespace.
func completePlacements(env *Env) completion {
	return completeNames(env, ocmKind(clusterv1beta1.GroupVersion, "Placement"), inNamespace)
}

// completeClusters offers the clusters of the fleet.
func completeClusters(env *Env) completion {
	return completeNames(env, ocmKind(clusterv1.GroupVersion, "ManagedCluster"), everywhere)
}

// completeTemplates offers the OperationTemplates.
func completeTemplates(env *Env) completion {
	return completeNames(env, opsv1alpha1.GroupVersion.WithKind("OperationTemplate"), everywhere)
}

// completeNamespaces offers the namespaces.
func completeNamespaces(env *Env) completion {
	return completeNames(env, corev1.SchemeGroupVersion.WithKind("Namespace"), everywhere)
}

// completeContexts offers the contexts of the kubeconfig.
func completeContexts(env *Env) completion {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		raw, err := env.Flags.ToRawKubeConfigLoader().RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for name := range raw.Contexts {
			names = append(names, name)
		}
		return offer(names, args, typed)
	}
}

// oneArgument offers what f does for the first argument, and nothing for those after it.
func oneArgument(f completion) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(cmd, args, typed)
	}
}

// forFlag is f for a flag, to which the arguments say nothing: a cluster may be named by both.
func forFlag(f completion) completion {
	return func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return f(cmd, nil, typed)
	}
}

// scope of a kind: whether its objects are looked for in the chosen namespace.
type scope bool

const (
	inNamespace scope = true
	everywhere  scope = false
)

// completeNames offers the names of a kind's objects. Whatever goes wrong, it offers nothing and says nothing: a line is being typed.
func completeNames(env *Env, kind schema.GroupVersionKind, in scope) completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names, err := namesOf(cmd.Context(), env, kind, in)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(names, args, typed)
	}
}

func namesOf(ctx context.Context, env *Env, kind schema.GroupVersionKind, in scope) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	c, err := env.Client()
	if err != nil {
		return nil, err
	}
	options := []client.ListOption{client.Limit(completeLimit)}
	if in == inNamespace {
		namespace, err := env.Namespace()
		if err != nil {
			return nil, err
		}
		options = append(options, client.InNamespace(namespace))
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := c.List(ctx, list, options...); err != nil {
		return nil, err
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, nil
}

// offer the names that begin as typed and have not been given yet.
func offer(names, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) || slices.Contains(given, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}
