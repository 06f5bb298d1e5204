// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/deploy"
	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
)

var (
	// WorkKind is the kind of what a cluster is sent, by us and by Open Cluster Management.
	WorkKind      = schema.GroupVersion(workv1.GroupVersion).WithKind("ManifestWork")
	operationKind = opsv1alpha1.GroupVersion.WithKind("Operation")
)

// ours is the hub of this repository as it is installed: with its admission, which the API server asks before an Operation is stored, with its policies and
// its catalog.
type ours struct {
	bed      *bed.Bed
	process  *testbed.Process
	profiles string // address
}

// Profiled is an arm whose process serves Go's profiles at an address, by HTTP.
type Profiled interface{ ProfilesAt() string }

func (o *ours) ProfilesAt() string { return o.profiles }

func (*ours) Name() string { return "ours" }

func (*ours) Beyond() string {
	return "admission and authorization, template, plan and fence before the first write, result of every cluster kept"
}

func (o *ours) Prepare(ctx context.Context, b *bed.Bed, _ int) error {
	if o.process != nil {
		return nil
	}
	o.bed = b
	path, _, err := install.Binaries(ctx, b.Fleet.Dir())
	if err != nil {
		return err
	}
	if err := install.OnHub(ctx, b.Config); err != nil {
		return err
	}
	address, err := install.FreeAddress()
	if err != nil {
		return err
	}
	if err := install.Admission(ctx, b.Config, deploy.Hub, address); err != nil {
		return err
	}
	if o.profiles, err = install.FreeAddress(); err != nil {
		return err
	}
	o.process, err = b.Fleet.Start(testbed.Command{Name: "vworkspace-hub", Path: path, Args: []string{
		"--kubeconfig=" + b.Fleet.Hub.KubeconfigPath, "--leader-elect=false", "--admission-bind-address=" + address, "--work-retention=1h",
		"--leader-elect-namespace=" + install.HubNamespace, "--pprof-bind-address=" + o.profiles,
	}})
	if err != nil {
		return err
	}
	return errors.Join(install.AwaitAdmission(ctx, b.Config), o.process.Stop())
}

func (o *ours) Start(ctx context.Context, _ int) error {
	if err := o.process.Restart(); err != nil {
		return err
	}
	if err := install.AwaitAdmission(ctx, o.bed.Config); err != nil {
		return err
	}
	return warmUp(ctx, o.bed, o)
}

func (o *ours) Stop() error { return o.process.Stop() }

func (o *ours) Processes() []*testbed.Process { return []*testbed.Process{o.process} }

func (o *ours) Send(ctx context.Context, name string, n int) (*Run, error) {
	op, err := Operation(name, n)
	if err != nil {
		return nil, err
	}
	if err := o.bed.Client.Create(ctx, op); err != nil {
		return nil, fmt.Errorf("create Operation %s: %w", name, err)
	}
	return &Run{
		Children: WorkKind, Labels: client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}, Report: workDone,
		Parent: operationKind, Key: client.ObjectKeyFromObject(op), Completed: completedOf,
		Delete: func(ctx context.Context) error { return o.bed.Client.Delete(ctx, op) },
	}, nil
}

// Operation that runs a command with the payload on the first n clusters.
func Operation(name string, n int) (*opsv1alpha1.Operation, error) {
	parameters, err := json.Marshal(map[string]any{"image": "shop.example/shop:1.0.0", "command": []string{"echo", payload()}})
	if err != nil {
		return nil, err
	}
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: bed.Namespace, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: bed.Placement(n)}},
			TargetRef:  &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: "shop"},
			Type:       opsv1alpha1.TypeRunCommand,
			Engine:     opsv1alpha1.EngineJob,
			Parameters: &runtime.RawExtension{Raw: parameters},
			// The fakes take note of nothing before they report, and a crowd of them takes its time.
			StartDeadline: &metav1.Duration{Duration: time.Hour},
		},
	}, nil
}

// completedOf an Operation: how many clusters have ended.
func completedOf(parent *unstructured.Unstructured) int {
	n := int64(0)
	for _, ended := range []string{"succeeded", "failed", "cancelled"} {
		count, _, _ := unstructured.NestedInt64(parent.Object, "status", "summary", "clusters", ended)
		n += count
	}
	return int(n)
}
