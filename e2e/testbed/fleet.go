// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Fleet is a running fleet. It lives until Down, or as long as the process that called Up.
type Fleet struct {
	// Hub is the hub's control plane; each spoke has its OCM cluster namespace there.
	Hub *Cluster
	// Spokes are the managed clusters, in the order of their names.
	Spokes []*Cluster
	// ChartRepoURL is a Helm repository (http://HOST:PORT) with the charts of Options.
	ChartRepoURL string
	// OCIURL is an OCI registry with the same charts, as oci://HOST:PORT/PATH/CHART:VERSION without the last part.
	// It speaks plain HTTP: set `insecure: true` in an OCIRepository.
	OCIURL string

	// EtcdURL is the etcd (http://HOST:PORT) of all control planes.
	EtcdURL string
	// S3URL is the S3 server (http://HOST:PORT) that the spokes' Veleros write to; empty without the engine velero.
	S3URL string

	engines   []string
	addOns    bool
	grpc      *grpcServer // nil when no cluster needs it
	dir       layout
	bin       *binaries
	sup       *supervisor
	charts    *charts
	unlock    func()
	temporary bool

	downOnce sync.Once
	downErr  error
}

// Up builds what is missing, starts a fleet and joins its spokes to the hub. It returns when every cluster is
// Available and every component ready. When a component dies or the time is up, it stops everything and returns an
// error that names the component, with the last lines of its log.
func Up(ctx context.Context, o Options) (*Fleet, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("testbed options: %w", err)
	}
	p := newProgress(o.Progress)
	components, manifests := needs(o.Engines, o.Bare)
	if o.AddOns {
		components = append(components, ocmAddOn)
	}
	if o.GRPC > 0 {
		components = append(components, ocmServer)
	}
	bin, err := ensure(ctx, p, providedBy(os.Getenv(assetsVariable), envtestComponents), components, manifests)
	if err != nil {
		return nil, err
	}
	self, err := identify(os.Getpid())
	if err != nil {
		return nil, err
	}
	f := &Fleet{bin: bin, engines: o.Engines, addOns: o.AddOns, temporary: o.Dir == ""}
	if f.temporary {
		if o.Dir, err = os.MkdirTemp("", "vworkspace-fleet-"); err != nil {
			return nil, fmt.Errorf("create the fleet's folder: %w", err)
		}
	}
	if f.dir, f.unlock, err = prepare(o.Dir); err != nil {
		return nil, err
	}
	f.plan(o.Clusters)
	if o.GRPC > 0 {
		f.grpc = &grpcServer{clusters: f.Spokes[o.Clusters-o.GRPC:]}
	}
	f.sup = newSupervisor(f.dir, p, f.initialState(self))
	if err := f.bringUp(ctx, p, o); err != nil {
		return nil, errors.Join(err, f.stop(PhaseFailed, err.Error()))
	}
	return f, nil
}

// bringUp starts everything in the prepared folder.
func (f *Fleet) bringUp(ctx context.Context, p *progress, o Options) error {
	begun := time.Now()
	for _, dir := range []string{f.dir.logs(), f.dir.data("tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create the fleet's folder: %w", err)
		}
	}
	if err := f.sup.save(); err != nil {
		return err
	}
	var err error
	if f.charts, err = serveCharts(f.dir.data("charts"), o.Charts); err != nil {
		return err
	}
	f.ChartRepoURL, f.OCIURL = f.charts.repoURL, f.charts.ociURL

	starting, cancel := f.untilFailure(ctx, o.Timeout)
	defer cancel()
	start := f.startAll
	if o.Bare {
		start = f.startBare
	}
	if err := start(starting); err != nil {
		return f.whyNotUp(ctx, err)
	}
	p.say("fleet is up: hub and %d clusters in %s", len(f.Spokes), seconds(begun))
	return f.sup.update(func(s *State) {
		s.Phase, s.ChartRepoURL, s.OCIURL = PhaseUp, f.ChartRepoURL, f.OCIURL
	})
}

// whyNotUp picks the cause out of what a failed start has to tell: one component's death, or a Ctrl-C, makes
// everything else fail too.
func (f *Fleet) whyNotUp(ctx context.Context, err error) error {
	if death := f.Err(); death != nil {
		return death
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("the start of the fleet was cancelled: %w", context.Cause(ctx))
	}
	return err
}

// plan names the clusters and their kubeconfigs.
func (f *Fleet) plan(clusters int) {
	f.Hub = &Cluster{Name: "hub", KubeconfigPath: f.dir.kubeconfig("hub")}
	for i := range clusters {
		name := fmt.Sprintf("spoke%d", i+1)
		f.Spokes = append(f.Spokes, &Cluster{Name: name, KubeconfigPath: f.dir.kubeconfig(name)})
	}
}

func (f *Fleet) initialState(self identity) State {
	s := State{Phase: PhaseStarting, Supervisor: self, Hub: ClusterState{f.Hub.Name, f.Hub.KubeconfigPath}}
	for _, c := range f.Spokes {
		s.Spokes = append(s.Spokes, ClusterState{c.Name, c.KubeconfigPath})
	}
	return s
}

// untilFailure returns a context that ends with the timeout, or when a component dies.
func (f *Fleet) untilFailure(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the fleet did not start within %s", timeout))
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-f.Failed():
			cancel(f.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); stop() }
}

// Dir is the fleet's folder.
func (f *Fleet) Dir() string { return f.dir.dir }

// Kubectl is the path of a kubectl that fits the fleet.
func (f *Fleet) Kubectl() string { return f.bin.path(kubectl) }

// Start starts a process that belongs to the fleet: it ends with it, its log is in DIR/logs, and when it ends by
// itself, the fleet has failed. Start does not wait until the process is ready.
func (f *Fleet) Start(c Command) (*Process, error) {
	p, err := f.sup.start(c)
	if err != nil {
		return nil, err
	}
	p.guard()
	return p, nil
}

// Process returns a process of the fleet by name, for instance "etcd", "hub-kube-apiserver", "hub-ocm-work",
// "hub-ocm-grpc", "spoke1-klusterlet", "spoke1-kwok" or "spoke1-helm-controller"; nil if there is none.
func (f *Fleet) Process(name string) *Process { return f.sup.process(name) }

// Failed is closed when a process of the fleet has ended by itself. Everything else goes on until Down.
func (f *Fleet) Failed() <-chan struct{} { return f.sup.failed }

// Err tells, once Failed is closed, which process ended and why: an *ExitError. It is nil before.
func (f *Fleet) Err() error {
	if isClosed(f.sup.failed) {
		return f.sup.failure
	}
	return nil
}

// Down stops everything that the fleet has started and returns when it is gone. It removes a temporary folder;
// another keeps its logs. A second call does nothing and returns what the first did.
func (f *Fleet) Down() error {
	f.downOnce.Do(func() {
		if err := f.Err(); err != nil {
			f.downErr = f.stop(PhaseFailed, err.Error())
		} else {
			f.downErr = f.stop(PhaseDown, "")
		}
	})
	return f.downErr
}

func (f *Fleet) stop(phase, reason string) error {
	errs := []error{f.sup.stopAll()}
	if f.charts != nil {
		errs = append(errs, f.charts.close())
	}
	errs = append(errs, f.sup.update(func(s *State) { s.Phase, s.Error = phase, reason }))
	f.unlock()
	if f.temporary {
		errs = append(errs, os.RemoveAll(f.dir.dir))
	}
	return errors.Join(errs...)
}

// childEnv is added to the environment of every component.
func (f *Fleet) childEnv() []string {
	return []string{
		"TMPDIR=" + f.dir.data("tmp"), // serving certificates and chart archives, gone with the fleet
		gogc, memoryLimit(),
	}
}
