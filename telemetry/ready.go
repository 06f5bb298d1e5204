// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// Readiness is what /readyz is to be true about.
type Readiness struct {
	// Kinds that the API server must serve, or the process cannot work; none where it only finds others there.
	Kinds []client.Object
	// Lease that the leader holds; none where there is no election.
	Lease types.NamespacedName
	// Every so often the API server is asked; three times that long a good answer holds. Default 10s.
	Every time.Duration
	// Clock tells the time. Default the system's.
	Clock clock.PassiveClock
}

// AddChecks makes a manager answer /healthz and /readyz. /healthz says that the process is there. /readyz says that it does its work, or that it stands by:
//
//	caches  what the process watches has been listed
//	api     the API server has answered of late: within the last 30 s
//	kinds   it serves the kinds that are needed, if any are
//	leader  this process leads, or somebody else does and goes on renewing the Lease
//
// It is asked every 10 s, however often the kubelet asks us.
func AddChecks(mgr ctrl.Manager, r Readiness) error {
	probes, err := r.probes(mgr.GetConfig(), mgr.GetHTTPClient(), mgr.GetScheme(), mgr.Elected())
	if err != nil {
		return fmt.Errorf("prepare the readiness checks: %w", err)
	}
	checks := map[string]healthz.Checker{"caches": synced(mgr.GetCache())}
	for _, p := range probes {
		if err := mgr.Add(p); err != nil {
			return fmt.Errorf("add the readiness check %s: %w", p.name, err)
		}
		checks[p.name] = p.Check
	}
	for name, check := range checks {
		if err := mgr.AddReadyzCheck(name, check); err != nil {
			return fmt.Errorf("add the readiness check %s: %w", name, err)
		}
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add the health check: %w", err)
	}
	return nil
}

// synced tells whether everything that a cache was asked for has been listed. On a stand-by that is little.
func synced(c cache.Cache) healthz.Checker {
	return func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), time.Second/2) // kubelet waits for a second
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("the caches have not been filled")
		}
		return nil
	}
}

func (r Readiness) probes(config *rest.Config, hc *http.Client, scheme *runtime.Scheme, elected <-chan struct{}) ([]*Probe, error) {
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.Every == 0 {
		r.Every = defaultProbeEvery
	}
	server, err := discovery.NewDiscoveryClientForConfigAndClient(config, hc)
	if err != nil {
		return nil, err
	}
	needed, err := kindsOf(scheme, r.Kinds)
	if err != nil {
		return nil, err
	}
	probes := []*Probe{
		newProbe("api", r.Every, r.Clock, func(ctx context.Context) error {
			_, err := server.ServerVersionWithContext(ctx)
			return err
		}),
	}
	if len(needed) > 0 {
		probes = append(probes, newProbe("kinds", r.Every, r.Clock, func(ctx context.Context) error { return served(ctx, server, needed) }))
	}
	if r.Lease.Name == "" {
		return probes, nil
	}
	leases, err := coordinationclient.NewForConfigAndClient(config, hc)
	if err != nil {
		return nil, err
	}
	s := standby{lease: r.Lease, elected: elected, clock: r.Clock, read: func(ctx context.Context) (*coordinationv1.Lease, error) {
		return leases.Leases(r.Lease.Namespace).Get(ctx, r.Lease.Name, metav1.GetOptions{})
	}}
	return append(probes, newProbe("leader", r.Every, r.Clock, s.ask)), nil
}

// kindsOf objects, by their group and version.
func kindsOf(scheme *runtime.Scheme, objects []client.Object) (map[schema.GroupVersion][]string, error) {
	kinds := map[schema.GroupVersion][]string{}
	for _, o := range objects {
		gvk, err := apiutil.GVKForObject(o, scheme)
		if err != nil {
			return nil, err
		}
		kinds[gvk.GroupVersion()] = append(kinds[gvk.GroupVersion()], gvk.Kind)
	}
	return kinds, nil
}

// served fails plainly when the API server does not serve a kind.
func served(ctx context.Context, server *discovery.DiscoveryClient, kinds map[schema.GroupVersion][]string) error {
	for gv, names := range kinds {
		list, err := server.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("ask what is served of %s: %w", gv, err)
		}
		for _, name := range names {
			if list == nil || !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == name }) {
				return fmt.Errorf("%w: the API server does not serve %s of %s: install its CRD", errPlain, name, gv)
			}
		}
	}
	return nil
}

// standby looks after the Lease of a process that does not hold it.
type standby struct {
	lease   types.NamespacedName
	read    func(context.Context) (*coordinationv1.Lease, error)
	elected <-chan struct{}
	clock   clock.PassiveClock

	renewed metav1.MicroTime // as the Lease says, by the leader's clock
	seen    time.Time        // when that was new, by ours
}

// ask is good for the leader, which ends by itself when it cannot renew the Lease, and for whoever could take over from one that renews it.
func (s *standby) ask(ctx context.Context) error {
	select {
	case <-s.elected:
		return nil
	default:
	}
	lease, err := s.read(ctx)
	if err != nil {
		return fmt.Errorf("neither leading nor standing by: read the Lease %s: %w", s.lease, err)
	}
	holder, renewed := ptr.Deref(lease.Spec.HolderIdentity, ""), ptr.Deref(lease.Spec.RenewTime, metav1.MicroTime{})
	if holder == "" {
		return fmt.Errorf("neither leading nor standing by: nobody holds the Lease %s", s.lease)
	}
	if !renewed.Equal(&s.renewed) {
		s.renewed, s.seen = renewed, s.clock.Now()
	}
	if held := time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)) * time.Second; s.clock.Since(s.seen) > held {
		return fmt.Errorf("neither leading nor standing by: %s holds the Lease %s and does not renew it", holder, s.lease)
	}
	return nil
}
