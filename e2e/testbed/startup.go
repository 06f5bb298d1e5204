// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// startAll starts everything in parallel, each part as soon as what it needs is there:
//
//	S3 server
//	etcd -> hub:    control plane -> OCM's CRDs -> OCM's gRPC server, if any (joinable) -> OCM's controllers
//	     -> spokes: control plane -> OCM's CRDs -> wait until joinable -> klusterlet -> Available
//	                              -> the engines' CRDs -> their controllers
//	                              -> scheduler, node, KWOK
func (f *Fleet) startAll(ctx context.Context) error {
	if err := f.startEtcd(ctx); err != nil {
		return err
	}
	if slices.Contains(f.engines, EngineVelero) {
		if err := f.startS3(ctx); err != nil {
			return err
		}
	}
	joinable := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.startHub(ctx, joinable) })
	for _, spoke := range f.Spokes {
		group.Go(func() error { return f.startSpoke(ctx, spoke, joinable) })
	}
	return group.Wait()
}

// startBare starts the API servers only, each with the CRDs that its cluster would have.
func (f *Fleet) startBare(ctx context.Context) error {
	if err := f.startEtcd(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := f.startAPIServer(ctx, f.Hub); err != nil {
			return err
		}
		return f.prepareOCMHub(ctx)
	})
	for _, spoke := range f.Spokes {
		group.Go(func() error {
			if err := f.startAPIServer(ctx, spoke); err != nil {
				return err
			}
			if err := f.prepareOCMSpoke(ctx, spoke); err != nil {
				return err
			}
			return f.applyEngineCRDs(ctx, spoke)
		})
	}
	return group.Wait()
}

// startHub closes joinable once agents can register; that they are accepted takes the controllers.
func (f *Fleet) startHub(ctx context.Context, joinable chan<- struct{}) error {
	if err := f.startControlPlane(ctx, f.Hub, hubControllers); err != nil {
		return err
	}
	if err := f.prepareOCMHub(ctx); err != nil {
		return err
	}
	if f.grpc != nil {
		if err := f.startGRPC(ctx); err != nil {
			return err
		}
	}
	close(joinable)
	return f.startOCMHub(ctx)
}

func (f *Fleet) startSpoke(ctx context.Context, spoke *Cluster, joinable <-chan struct{}) error {
	if err := f.startControlPlane(ctx, spoke, spokeControllers); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := f.prepareOCMSpoke(ctx, spoke); err != nil {
			return err
		}
		select {
		case <-joinable:
			return f.join(ctx, spoke)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	group.Go(func() error { return f.startEngines(ctx, spoke) })
	group.Go(func() error { return f.startScheduler(ctx, spoke) })
	group.Go(func() error { return f.startKWOK(ctx, spoke) })
	return group.Wait()
}
