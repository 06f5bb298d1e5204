// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	addonv1alpha1 "open-cluster-management.io/api/addon/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/executors"
	"vworkspace.io/fleet/hub"
)

// Scheme knows every kind that is read, on the hub and on a cluster.
func Scheme() *runtime.Scheme {
	scheme := hub.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{executors.AddToScheme, addonv1alpha1.Install} {
		if err := add(scheme); err != nil {
			panic(err) // only a kind registered twice fails, and that is a bug
		}
	}
	return scheme
}

// ReadBelow reads what is on a cluster of the Operation that was delivered to it, through a client with Scheme. It is to be called after Read, which knows its name.
func (f *Facts) ReadBelow(ctx context.Context, from client.Reader, through string) error {
	b := &Below{Through: through}
	f.Below = b
	if f.Cluster == "" || f.Operation.Status.Plan == nil {
		b.Operation, b.Proven = found(f.Operation), true
	} else {
		key := client.ObjectKey{Namespace: opsv1alpha1.DefaultAgentNamespace, Name: f.WorkName}
		var err error
		if b.Operation, err = look(ctx, from, key, &opsv1alpha1.Operation{}, "so that what the cluster says of it is not known"); err != nil {
			return err
		}
		if op := b.Operation.Object; op != nil && op.Labels[opsv1alpha1.LabelRoot] != string(f.Operation.UID) {
			return fmt.Errorf("%s is not cluster %s: Operation %s there is of another run; name the right one by --spoke-context", through, f.Cluster, key)
		}
		b.Proven = b.Operation.Object != nil
		f.readAgent(ctx, from)
	}
	if b.Operation.Object == nil {
		return nil
	}
	ops, err := instancesOf(ctx, from, b.Operation.Object, f.Instance)
	if unreadable(err) {
		b.Why = short(err)
		return nil
	}
	if err != nil {
		return err
	}
	for i := range ops {
		in, err := readInstance(ctx, from, &ops[i], i < maxInstances)
		if err != nil {
			return err
		}
		b.Instances = append(b.Instances, in)
	}
	return nil
}

// readAgent's pods. Where it is hosted, or nobody may look, there are none.
func (f *Facts) readAgent(ctx context.Context, from client.Reader) {
	pods := &corev1.PodList{}
	if err := from.List(ctx, pods, client.InNamespace(opsv1alpha1.DefaultAgentNamespace)); err == nil {
		f.Below.Agent = pods.Items
	}
}

// instancesOf an Operation on a cluster: those below it, or itself. Those that have not succeeded come first.
func instancesOf(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, instance string) ([]opsv1alpha1.Operation, error) {
	if op.Spec.TargetRef != nil && op.Labels[opsv1alpha1.LabelRoot] == "" {
		return []opsv1alpha1.Operation{*op}, nil
	}
	list := &opsv1alpha1.OperationList{}
	if err := from.List(ctx, list, client.MatchingLabels{opsv1alpha1.LabelParent: string(op.UID)}); err != nil {
		return nil, err
	}
	all := list.Items
	if len(all) == 0 && op.Spec.TargetRef != nil {
		all = []opsv1alpha1.Operation{*op}
	}
	if instance != "" {
		names := make([]string, len(all))
		for i := range all {
			names[i] = InstanceName(&all[i])
		}
		all = slices.DeleteFunc(all, func(o opsv1alpha1.Operation) bool { return !isInstance(&o, instance) })
		if len(all) == 0 && len(names) > 0 {
			slices.Sort(names)
			return nil, fmt.Errorf("--instance: %s is none of this Operation's: they are %s", instance, listed(names))
		}
	}
	slices.SortFunc(all, func(a, b opsv1alpha1.Operation) int {
		return cmp.Or(rank(&a)-rank(&b), cmp.Compare(InstanceName(&a), InstanceName(&b)))
	})
	return all, nil
}

// listed are names for people, the first of them when they are many.
func listed(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// InstanceName is NAMESPACE/NAME of the instance that an Operation is on.
func InstanceName(op *opsv1alpha1.Operation) string {
	if op.Spec.TargetRef == nil {
		return op.Namespace + "/" + op.Name
	}
	return op.Namespace + "/" + op.Spec.TargetRef.Name
}

func isInstance(op *opsv1alpha1.Operation, instance string) bool {
	full := InstanceName(op)
	return full == instance || strings.TrimPrefix(full, op.Namespace+"/") == instance
}

// readInstance reads what there is of the Operation of an instance; closely also what it made.
func readInstance(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, closely bool) (in Instance, err error) {
	in.Operation = op
	in.Skimmed = !closely
	if !closely || op.Spec.TargetRef == nil {
		return in, nil
	}
	key := client.ObjectKey{Namespace: op.Namespace, Name: op.Spec.TargetRef.Name}
	if in.Target, err = look(ctx, from, key, &appsv1alpha1.ApplicationInstance{}, "so that whether it is Ready is not known"); err != nil {
		return in, err
	}
	if op.Status.Reason == opsv1alpha1.ReasonNamespaceNotGated {
		if in.Namespace, err = look(ctx, from, client.ObjectKey{Name: op.Namespace}, &corev1.Namespace{}, "so that its labels are not known"); err != nil {
			return in, err
		}
	}
	return in, in.readMade(ctx, from)
}

// Refresh reads the instance's Operation and what it has made again. It is gone when ok is false.
func (in *Instance) Refresh(ctx context.Context, from client.Reader) (ok bool, err error) {
	op := &opsv1alpha1.Operation{}
	if err := from.Get(ctx, client.ObjectKeyFromObject(in.Operation), op); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	fresh, err := readInstance(ctx, from, op, true)
	if err == nil {
		*in = fresh
	}
	return true, err
}
