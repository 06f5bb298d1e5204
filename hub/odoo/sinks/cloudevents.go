// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	// typePrefix begins the types of the events; the kind follows, in lower case.
	typePrefix = "io.vworkspace.ops."
	// eventSource is the source of all events. Together with the id, which is the event's key, it is unique, and the same whenever the event is told again.
	eventSource = "/vworkspace/hub"
	// mediaEvent and mediaBatch are one event, and several at once.
	mediaEvent = "application/cloudevents+json; charset=UTF-8"
	mediaBatch = "application/cloudevents-batch+json; charset=UTF-8"
)

// CloudEvents posts CloudEvents 1.0 in structured mode: a batch at once, or one by one to a receiver that takes no batches.
type CloudEvents struct {
	name, endpoint, token string
	client                *http.Client
	singly                atomic.Bool // the receiver takes no batches
}

// NewCloudEvents makes a sink of a name, with the bearer token to send, empty for none, and the certificates to trust, in PEM, empty for the system's.
func NewCloudEvents(name, endpoint, token string, ca []byte) (*CloudEvents, error) {
	client, err := newHTTPClient(ca)
	if err != nil {
		return nil, err
	}
	return &CloudEvents{name: name, endpoint: endpoint, token: token, client: client}, nil
}

// Name implements stream.Sink.
func (s *CloudEvents) Name() string { return s.name }

// Wants implements stream.Sink: all of it.
func (s *CloudEvents) Wants(*wire.Event) bool { return true }

// Deliver implements stream.Sink.
func (s *CloudEvents) Deliver(ctx context.Context, events []wire.Event) error {
	all := make([]json.RawMessage, len(events))
	for i := range events {
		data, err := encode(&events[i])
		if err != nil {
			return err
		}
		all[i] = data
	}
	if !s.singly.Load() {
		batch, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("encode a batch: %w", err)
		}
		err = s.post(ctx, mediaBatch, batch)
		if !takesNoBatches(err) {
			return err
		}
	}
	refused := 0
	for i, data := range all {
		err := s.post(ctx, mediaEvent, data)
		if isRefused(err) { // for what it is: it must not hold up what comes after it
			logf.FromContext(ctx).Error(err, "the receiver refuses an event, and is not told of it", "sink", s.name, "eventKey", events[i].EventKey)
			refused++
			continue
		}
		if err != nil {
			return err
		}
	}
	if refused == 0 {
		s.singly.Store(true)
	}
	return nil
}

// takesNoBatches tells whether an answer may mean that the receiver knows no batches: they are optional.
func takesNoBatches(err error) bool {
	var answer *answerError
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.status {
	case http.StatusBadRequest, http.StatusNotAcceptable, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return true
	default:
		return false
	}
}

// isRefused tells whether an answer says that an event will never be taken.
func isRefused(err error) bool {
	var answer *answerError
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

func (s *CloudEvents) post(ctx context.Context, media string, body []byte) error {
	header := http.Header{"Content-Type": {media}}
	if s.token != "" {
		header.Set("Authorization", "Bearer "+s.token)
	}
	_, err := post(ctx, s.client, s.endpoint, header, body)
	return err
}

// encode an event in the JSON format of CloudEvents.
func encode(e *wire.Event) ([]byte, error) {
	c := cloudevents.New()
	c.SetID(e.EventKey)
	c.SetSource(eventSource)
	c.SetType(typePrefix + strings.ToLower(e.Kind))
	c.SetSubject(strings.Trim(e.ResourceRef.Kind+"/"+e.ResourceRef.Namespace+"/"+e.ResourceRef.Name, "/"))
	c.SetTime(e.Timestamp)
	if e.Cluster != "" {
		c.SetExtension("cluster", e.Cluster)
	}
	if err := c.SetData(cloudevents.ApplicationJSON, e); err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.EventKey, err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.EventKey, err)
	}
	return data, nil
}
