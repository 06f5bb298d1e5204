// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"net/http"

	"k8s.io/client-go/rest"
)

// metadataOnly asks the API server to answer with an object's metadata and nothing else. Older ones, and kinds of API servers that do not know it, answer
// in full.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

// briefKey marks a context.
type briefKey struct{}

// briefly is for a write whose answer nobody reads: the API server need not encode the whole object once more, nor the hub decode it, which of all that it does
// to start a cluster costs most. What was sent is empty afterwards. It takes a configuration that went through Brief.
func briefly(ctx context.Context) context.Context {
	return context.WithValue(ctx, briefKey{}, true)
}

// Brief lets a hub that uses the configuration ask for short answers where it wants no more.
func Brief(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return brief{next} })
}

type brief struct{ next http.RoundTripper }

// RoundTrip asks for metadata where briefly says so.
func (b brief) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Value(briefKey{}) != nil {
		r = r.Clone(r.Context())
		r.Header.Set("Accept", metadataOnly)
	}
	return b.next.RoundTrip(r)
}
