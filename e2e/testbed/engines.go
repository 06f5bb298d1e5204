// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Engines whose executors a spoke can have; the names are those of spec.engine. A plain Job needs no executor beyond Kubernetes itself.
const (
	EngineHelm     = "helm"     // Flux: source-controller and helm-controller; helmHookJob needs them too
	EngineVelero   = "velero"   // Velero with its AWS plugin, an S3 server, and the CSI parts
	EngineWorkflow = "workflow" // Argo's workflow-controller
	EngineVolSync  = "volsync"  // VolSync, and the CSI parts
)

// AllEngines are all of them.
var AllEngines = []string{EngineHelm, EngineVelero, EngineWorkflow, EngineVolSync}

// part is some processes of a spoke, with what they need.
type part struct {
	engines    []string // that need it
	components []component
	manifests  []manifest
	start      func(f *Fleet, ctx context.Context, spoke *Cluster) error
}

var parts = []part{
	{[]string{EngineHelm}, []component{sourceController, helmController}, []manifest{sourceCRDs, helmCRDs}, (*Fleet).startFlux},
	{[]string{EngineVelero}, []component{velero, veleroAWS, s3}, []manifest{veleroCRDs, veleroDataCRDs, snapshotCRDs}, (*Fleet).startVelero},
	{[]string{EngineWorkflow}, []component{argo}, []manifest{argoCRDs}, (*Fleet).startArgo},
	{[]string{EngineVolSync}, []component{volSync}, []manifest{volSyncCRDs, snapshotCRDs}, (*Fleet).startVolSync},
	{[]string{EngineVelero, EngineVolSync}, []component{snapshotController, csi}, []manifest{snapshotCRDs}, (*Fleet).startStorage},
}

// partsFor the engines, in the order of parts.
func partsFor(engines []string) []part {
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool {
		return !slices.ContainsFunc(p.engines, func(e string) bool { return slices.Contains(engines, e) })
	})
}

// needs of a fleet with the engines.
func needs(engines []string, bare bool) ([]component, []manifest) {
	chosen, components := partsFor(engines), slices.Clone(fleetComponents)
	if bare {
		return envtestComponents, slices.Concat(fleetManifests, manifestsOf(chosen))
	}
	for _, p := range chosen {
		components = append(components, p.components...)
	}
	return components, slices.Concat(fleetManifests, manifestsOf(chosen))
}

// manifestsOf the parts, each once.
func manifestsOf(parts []part) []manifest {
	var manifests []manifest
	for _, p := range parts {
		for _, m := range p.manifests {
			if !slices.Contains(manifests, m) {
				manifests = append(manifests, m)
			}
		}
	}
	return manifests
}

func checkEngines(engines []string) error {
	for _, e := range engines {
		if !slices.Contains(AllEngines, e) {
			return fmt.Errorf("engines: %q is none of %s", e, strings.Join(AllEngines, ", "))
		}
	}
	return nil
}

// startEngines starts the executors of a spoke. The CRDs of all are applied at once: to wait until they are served costs the same for many as
// for one.
func (f *Fleet) startEngines(ctx context.Context, spoke *Cluster) error {
	if err := f.applyEngineCRDs(ctx, spoke); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range partsFor(f.engines) {
		group.Go(func() error { return p.start(f, ctx, spoke) })
	}
	return group.Wait()
}

func (f *Fleet) applyEngineCRDs(ctx context.Context, spoke *Cluster) error {
	var crds []string
	for _, m := range manifestsOf(partsFor(f.engines)) {
		crds = append(crds, f.bin.manifestDir(m))
	}
	if err := ApplyFiles(ctx, spoke.config, crds...); err != nil {
		return fmt.Errorf("prepare %s for the engines: %w", spoke.Name, err)
	}
	return nil
}
