// SPDX-License-Identifier: Apache-2.0

package helm

import (
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// pokeRepository asks Flux to fetch the index of the Helm repository now. A chart that was published a minute ago is not in the index that
// Flux fetched an hour ago, and every cluster of a fleet would say that there is no such version.
func (w *wanted) pokeRepository(live *release) ([]engines.Change, error) {
	if w.version == "" || live.repository == nil || live.repository.Spec.Type == sourcev1.HelmRepositoryTypeOCI {
		return nil, nil
	}
	return w.poke(nil, live.repository, sourcev1.GroupVersion.WithKind(sourcev1.HelmRepositoryKind), fluxmeta.ReconcileRequestAnnotation)
}

// poke adds a change that writes the run's token to annotations of an object of Flux.
func (w *wanted) poke(plan []engines.Change, obj client.Object, kind schema.GroupVersionKind, annotations ...string) ([]engines.Change, error) {
	o, err := newObject(obj, kind.GroupVersion(), kind.Kind)
	if err != nil {
		return nil, err
	}
	tokens := map[string]string{}
	for _, a := range annotations {
		tokens[a] = w.token()
	}
	change, err := o.apply(nil, tokens)
	return append(plan, change), err
}
