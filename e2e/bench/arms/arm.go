// SPDX-License-Identifier: Apache-2.0

// Package arms holds the ways that are compared of getting the same thing to many clusters and hearing back: ours, the peers', and the floor, which is to
// write the objects oneself and hear nothing.
//
// All act as the same administrator on the same API server, send the same payload, and hear from the same writer, which plays the clusters. A peer that does
// more than that is told apart in its comment and, by Beyond, in the table.
package arms

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

// Arm is one way. Its methods are called from one goroutine: Prepare once for every size, and then Start, Send as often as wanted, Stop, and so on.
type Arm interface {
	// Name is a word for tables and the command line.
	Name() string
	// Beyond says what it does beyond the fan-out, in a few words; empty for nothing.
	Beyond() string
	// Prepare installs what it needs, for the first n clusters. It is called before Start, with the processes down.
	Prepare(ctx context.Context, b *bed.Bed, n int) error
	// Start brings its processes up, and returns when they take work for the first n clusters.
	Start(ctx context.Context, n int) error
	// Send creates what makes it fan the payload out to the first n clusters.
	Send(ctx context.Context, name string, n int) (*Run, error)
	// Stop ends its processes. Nothing that was prepared is undone.
	Stop() error
	// Processes whose processor time and memory are its own.
	Processes() []*testbed.Process
}

// Run is one payload that was sent.
type Run struct {
	// Children are the objects that tell a cluster what to do: of this kind, with these labels, one per cluster.
	Children schema.GroupVersionKind
	Labels   client.MatchingLabels
	// Report is the patch (a JSON merge patch of the subresource status) by which a cluster says that it is done with a child.
	Report func(child *unstructured.Unstructured) ([]byte, error)
	// Parent is where it says how many clusters are done, and Completed reads that. Without a parent nothing is rolled up.
	Parent    schema.GroupVersionKind
	Key       client.ObjectKey
	Completed func(parent *unstructured.Unstructured) int
	// Delete takes everything back.
	Delete func(ctx context.Context) error
}

// payloadSize is the size of the text that is brought to every cluster, in bytes.
const payloadSize = 1024

// payload is the text.
func payload() string {
	return strings.Repeat("every cluster runs this. ", payloadSize/25+1)[:payloadSize]
}

// All arms, in the order of tables.
func All() []Arm {
	hub := &ours{}
	one := &model{hub: hub}
	return []Arm{
		&floor{model: one}, hub, &replicaSet{model: one}, &replicaSet{model: one, lifted: true},
		&karmada{}, &karmada{lifted: true}, &azure{}, &azure{lifted: true}, &rancher{},
	}
}
