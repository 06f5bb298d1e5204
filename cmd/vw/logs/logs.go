// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// Options say how much is printed.
type Options struct {
	// Follow until the run has ended.
	Follow bool
	// Tail is how many lines of each log, counted from its end; all when negative.
	Tail int64
	// Since is how old lines of pods may be; any when 0.
	Since time.Duration
	// Previous prints the run of a container before the one that runs.
	Previous bool
	// AllContainers prints those too that prepare a pod, and those that an engine adds to it.
	AllContainers bool
}

// Printer prints the logs of one cluster.
type Printer struct {
	// Client of the cluster, with chain.Scheme, and Kube of the same.
	Client client.Client
	Kube   kubernetes.Interface
	// Out takes logs, and ErrOut what is to be said about them.
	Out, ErrOut io.Writer
	Options

	mu      sync.Mutex // held while a line is written
	printed bool
}

// Print what the runs of instances said: one after the other, or all at once when they are followed. It returns false when there was nothing that could be printed;
// why is said on ErrOut.
func (p *Printer) Print(ctx context.Context, all []chain.Instance) (bool, error) {
	group, ctx := errgroup.WithContext(ctx)
	if !p.Follow {
		group.SetLimit(1)
	}
	for i := range all {
		if all[i].Skimmed {
			p.note("%d more instances are left out: name one by --instance", len(all)-i)
			break
		}
		group.Go(func() error { return p.instance(ctx, &all[i], len(all) > 1) })
	}
	err := group.Wait()
	return p.printed, err
}

// instance prints what its run said. several tells that there are others, so that lines are to say whose they are.
func (p *Printer) instance(ctx context.Context, in *chain.Instance, several bool) error {
	if err := p.await(ctx, in); err != nil {
		return err
	}
	if len(in.Made) == 0 {
		s := &in.Operation.Status
		p.note("%s has made nothing that could have a log: %s", chain.InstanceName(in.Operation), said(string(s.Phase), said(s.Reason, s.Message)))
		return nil
	}
	for i := range in.Made {
		m := &in.Made[i]
		name := fmt.Sprintf("%s %s/%s", m.Ref.Kind, m.Ref.Namespace, m.Ref.Name)
		switch {
		case m.Object == nil && m.Why != "":
			p.note("%s could not be read: %s", name, m.Why)
			continue
		case m.Object == nil:
			p.note("%s is gone, and its logs with it", name)
			continue
		}
		if err := p.object(ctx, in, m, several || len(in.Made) > 1); err != nil {
			return err
		}
	}
	return nil
}

// await until a run that is followed has made something, or has ended.
func (p *Printer) await(ctx context.Context, in *chain.Instance) error {
	for p.Follow && len(in.Made) == 0 && !in.Operation.Status.Phase.Terminal() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
		if there, err := in.Refresh(ctx, p.Client); err != nil || !there {
			return err
		}
	}
	return nil
}

// object prints the logs of something that was made.
func (p *Printer) object(ctx context.Context, in *chain.Instance, m *chain.Made, several bool) error {
	switch o := m.Object.(type) {
	case *velerov1.Backup, *velerov1.Restore:
		return p.velero(ctx, o)
	case *helmv2.HelmRelease:
		return p.release(ctx, o)
	case *batchv1.Job:
	case *wfv1.Workflow:
		p.steps(o, m)
	case *volsyncv1alpha1.ReplicationSource:
		if o.Status != nil {
			defer p.mover("ReplicationSource", o, o.Status.LatestMoverStatus)
		}
	case *volsyncv1alpha1.ReplicationDestination:
		if o.Status != nil {
			defer p.mover("ReplicationDestination", o, o.Status.LatestMoverStatus)
		}
	default:
		return nil // a HelmRepository, a PersistentVolumeClaim: it runs nothing
	}
	pods := podsOf(m)
	if len(pods) == 0 && !p.Follow {
		p.note("%s %s/%s has no pods: none was made, or they are gone, and their logs with them", m.Ref.Kind, m.Ref.Namespace, m.Ref.Name)
		return nil
	}
	if p.Follow {
		return p.follow(ctx, in, m, several)
	}
	for _, pod := range pods {
		p.pod(ctx, pod, several || len(pods) > 1)
	}
	return nil
}

func podsOf(m *chain.Made) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, part := range m.Parts {
		if pod, is := part.(*corev1.Pod); is {
			pods = append(pods, pod)
		}
	}
	return pods
}

// note says something about the logs.
func (p *Printer) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.ErrOut, safe.Lines(fmt.Sprintf(format, args...)))
}

// line of a log.
func (p *Printer) line(prefix, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.printed = true
	fmt.Fprintln(p.Out, prefix+text)
}

func said(reason, message string) string {
	if message == "" || reason == "" {
		return reason + message
	}
	return reason + ": " + message
}
