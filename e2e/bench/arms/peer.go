// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

// goneWithin bounds how long a peer may take to delete what it made. It says nothing about how fast it is.
const goneWithin = 10 * time.Minute

// A peer is at rest when all its processes together used no more than this much of a core for a while. One that never is, is measured all the same.
const (
	restFor     = 2 * time.Second
	restPercent = 2
	restWithin  = 3 * time.Minute
)

// othersKinds are the API groups of the other arms. In a control plane of its own a peer would not find them; where it watches every kind there is, it is
// told to leave these alone.
var othersKinds = []string{
	"work.open-cluster-management.io", "cluster.open-cluster-management.io", "addon.open-cluster-management.io",
	"ops.vworkspace.io", "apps.vworkspace.io",
	"policy.karmada.io", "work.karmada.io", "cluster.karmada.io", "apps.karmada.io", "autoscaling.karmada.io", "config.karmada.io",
	"networking.karmada.io", "remedy.karmada.io",
	"placement.kubernetes-fleet.io", "cluster.kubernetes-fleet.io",
	"fleet.cattle.io",
}

// peer is what the arms of other projects have in common: programs that are built from a module of their own, and processes of them.
type peer struct {
	bed     *bed.Bed
	paths   map[string]string // of the programs, by name
	folders map[string]string // of their YAML, by name
	members int               // how many clusters are registered
	running []*testbed.Process

	installed bool
}

// build makes sure that the programs exist, and that what they need once has been installed.
func (p *peer) build(ctx context.Context, b *bed.Bed, m testbed.Module, install func(context.Context) error) (err error) {
	if p.installed {
		return nil
	}
	if p.paths, p.folders, err = testbed.BuildFrom(ctx, b.Say, m); err != nil {
		return err
	}
	p.bed = b
	if err := install(ctx); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	p.installed = true
	return nil
}

// launch starts one of the programs and waits until it answers at its health endpoint.
func (p *peer) launch(ctx context.Context, program, health string, env []string, args ...string) error {
	process, err := p.bed.Fleet.Start(testbed.Command{
		Name: program, Path: p.paths[program], Args: args, Env: append(env, "KUBECONFIG="+p.bed.Fleet.Hub.KubeconfigPath),
	})
	if err != nil {
		return err
	}
	p.running = append(p.running, process)
	return process.AwaitHealthy(ctx, health)
}

func (p *peer) Processes() []*testbed.Process { return p.running }

// halt ends the processes. They are still known, for whoever reads their logs.
func (p *peer) halt() error {
	var errs []error
	for _, process := range p.running {
		errs = append(errs, process.Stop())
	}
	return errors.Join(errs...)
}

// delete parents as a user does, and wait until their peer has done with them.
func (p *peer) delete(ctx context.Context, parents ...client.Object) error {
	for _, parent := range parents {
		if err := p.bed.Client.Delete(ctx, parent); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete %s: %w", client.ObjectKeyFromObject(parent), err)
		}
	}
	for _, parent := range parents {
		if err := p.gone(ctx, parent); err != nil {
			return err
		}
	}
	return nil
}

// gone waits until an object that is being deleted is gone. What a peer has not finished when it is stopped, it would finish in its next turn.
func (p *peer) gone(ctx context.Context, o client.Object) error {
	ctx, cancel := bed.Within(ctx, goneWithin)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := p.bed.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("wait until %s is gone: %w", client.ObjectKeyFromObject(o), err)
	}
	return nil
}

// ready is over when a payload for one cluster has come and gone, and the processes have done with what they find at their start: some look at every object
// there is, or write the status of every cluster anew, and that is not measured.
func (p *peer) ready(ctx context.Context, a Arm) error {
	if err := warmUp(ctx, p.bed, a); err != nil {
		return err
	}
	before, err := bed.UsageOf(p.running)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, restFor, restWithin, false, func(context.Context) (bool, error) {
		now, err := bed.UsageOf(p.running)
		used := now.CPU - before.CPU
		before = now
		return used <= restFor*restPercent/100, err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		p.bed.Tell("%s has not come to rest in %s", a.Name(), restWithin)
		return nil
	}
	return err
}

// apply objects as the administrator.
func (p *peer) apply(ctx context.Context, objects ...map[string]any) error {
	var documents [][]byte
	for _, o := range objects {
		raw, err := json.Marshal(o)
		if err != nil {
			return err
		}
		documents = append(documents, raw)
	}
	return testbed.Apply(ctx, p.bed.Config, documents...)
}

// undoneWithin bounds what is undone when something has gone wrong.
const undoneWithin = 30 * time.Second

// undo is a context for what must be undone even when the run was cancelled.
func undo() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), undoneWithin)
}

// loopback is a free port, and its address on 127.0.0.1.
func loopback() (port int, address string, err error) {
	port, err = testbed.FreePort()
	return port, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}
