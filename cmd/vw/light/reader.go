// SPDX-License-Identifier: Apache-2.0

package light

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Kind of objects, and where they are.
type Kind struct {
	schema.GroupVersionResource
	// Kind of one of them.
	Kind string
	// Namespaced objects live in namespaces.
	Namespaced bool
}

// Query of a list or a watch.
type Query struct {
	// Namespace to look in; all when empty.
	Namespace string
	// Labels that the objects have, as kubectl's -l.
	Labels string
	// Fields that they have, as kubectl's --field-selector.
	Fields string
}

// Reader of an API server. It is safe for concurrent use.
type Reader struct{ rest rest.Interface }

// NewReader of the API server of a configuration.
func NewReader(config *rest.Config) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion() // for errors only: what is read is decoded here
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, err
	}
	return &Reader{client}, nil
}

func (r *Reader) request(k Kind, q Query, name string) *rest.Request {
	path := []string{"/apis", k.Group, k.Version}
	if k.Group == "" {
		path = []string{"/api", k.Version}
	}
	if k.Namespaced && q.Namespace != "" {
		path = append(path, "namespaces", q.Namespace)
	}
	if path = append(path, k.Resource); name != "" {
		path = append(path, name)
	}
	request := r.rest.Get().AbsPath(strings.Join(path, "/")).SetHeader("Accept", "application/json")
	if q.Labels != "" {
		request.Param("labelSelector", q.Labels)
	}
	if q.Fields != "" {
		request.Param("fieldSelector", q.Fields)
	}
	return request
}

// read the answer; its error is what the API server said.
func read(ctx context.Context, request *rest.Request) ([]byte, error) {
	result := request.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

// List what a query finds, and the resource version from which on a watch tells what comes after. T has the fields that are wanted, named by json tags.
func List[T any](ctx context.Context, r *Reader, k Kind, q Query) (items []T, version string, err error) {
	raw, err := read(ctx, r.request(k, q, ""))
	if err != nil {
		return nil, "", err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []T `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, "", fmt.Errorf("read the list of %s: %w", k.Resource, err)
	}
	return list.Items, list.Metadata.ResourceVersion, nil
}

// Get one object by its name.
func Get[T any](ctx context.Context, r *Reader, k Kind, namespace, name string) (*T, error) {
	raw, err := read(ctx, r.request(k, Query{Namespace: namespace}, name))
	if err != nil {
		return nil, err
	}
	var object T
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", k.Resource, name, err)
	}
	return &object, nil
}
