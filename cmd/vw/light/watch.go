// SPDX-License-Identifier: Apache-2.0

package light

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/watch"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Watch what becomes of the objects of a query after a resource version, until the API server ends the watch, which it does every so often, or see is told
// to stop. An error that is Expired says that the version is too old: list again.
func Watch[T any](ctx context.Context, r *Reader, k Kind, q Query, version string, see func(watch.EventType, *T) error) error {
	return r.watch(ctx, k, q, version, "application/json", func(event watch.EventType, raw json.RawMessage) error {
		var object T
		if err := json.Unmarshal(raw, &object); err != nil {
			return fmt.Errorf("read the watch of %s: %w", k.Resource, err)
		}
		return see(event, &object)
	})
}

func (r *Reader) watch(
	ctx context.Context, k Kind, q Query, version, accept string, see func(watch.EventType, json.RawMessage) error,
) error {
	request := r.request(k, q, "").Param("watch", "true").SetHeader("Accept", accept)
	if version != "" {
		request.Param("resourceVersion", version)
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	decoder := json.NewDecoder(stream)
	for {
		var event struct {
			Type   watch.EventType `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return nil // the server has ended it, or the connection is gone: both are how watches end
		}
		if event.Type == watch.Error {
			return failure(event.Object)
		}
		if err := see(event.Type, event.Object); err != nil {
			return err
		}
	}
}

// failure that the API server tells in a watch.
func failure(raw json.RawMessage) error {
	status := metav1.Status{Code: http.StatusInternalServerError, Message: "the watch has failed"}
	if err := json.Unmarshal(raw, &status); err != nil {
		return fmt.Errorf("read the end of a watch: %w", err)
	}
	return &apierrors.StatusError{ErrStatus: status}
}

// Expired tells whether a watch, or what it goes on from, is too old to be gone on with.
func Expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }
