// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	fieldOwner = "vworkspace-testbed"
	// applyTimeout bounds how long Apply waits for CRDs to be established and for new kinds to be served.
	applyTimeout = 2 * time.Minute
	// applyAtOnce is how many objects are applied in parallel.
	applyAtOnce = 8
)

// ApplyFiles applies YAML files with server-side apply, those of a folder in order of their names. See Apply.
func ApplyFiles(ctx context.Context, config *rest.Config, paths ...string) error {
	var documents [][]byte
	for _, path := range paths {
		files := []string{path}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		if info.IsDir() {
			if files, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
				return err
			}
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			documents = append(documents, data)
		}
	}
	return Apply(ctx, config, documents...)
}

// Apply applies the objects in YAML documents with server-side apply, taking over fields of other owners: CRDs
// first, waiting until they are established and served, then namespaces, then the rest.
func Apply(ctx context.Context, config *rest.Config, documents ...[]byte) error {
	var objects []*unstructured.Unstructured
	for _, d := range documents {
		parsed, err := parse(d)
		if err != nil {
			return err
		}
		objects = append(objects, parsed...)
	}
	return applyObjects(ctx, config, objects)
}

func applyObjects(ctx context.Context, config *rest.Config, objects []*unstructured.Unstructured) error {
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	for _, stage := range stages(objects) {
		group, applying := errgroup.WithContext(ctx) // which ends with the stage
		group.SetLimit(applyAtOnce)
		for _, o := range stage {
			group.Go(func() error { return applyObject(applying, c, o) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := waitServed(ctx, config, stage); err != nil {
			return err
		}
	}
	return nil
}

// stages splits objects by what must exist before what, and keeps their order within.
func stages(objects []*unstructured.Unstructured) [][]*unstructured.Unstructured {
	out := make([][]*unstructured.Unstructured, 3)
	for _, o := range objects {
		switch o.GetKind() {
		case "CustomResourceDefinition":
			out[0] = append(out[0], o)
		case "Namespace":
			out[1] = append(out[1], o)
		default:
			out[2] = append(out[2], o)
		}
	}
	return out
}

func applyObject(ctx context.Context, c client.Client, o *unstructured.Unstructured) error {
	what := fmt.Sprintf("%s %s", o.GetKind(), client.ObjectKeyFromObject(o))
	crd := o.GetKind() == "CustomResourceDefinition"
	desired := o.DeepCopy()
	var last error
	err := wait.PollUntilContextCancel(ctx, probeEvery, true, func(ctx context.Context) (bool, error) {
		o = desired.DeepCopy()
		last = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(fieldOwner), client.ForceOwnership)
		if meta.IsNoMatchError(last) { // its CRD is established, but not in discovery yet
			return false, nil
		}
		return last == nil, last
	})
	if err == nil && crd {
		err = wait.PollUntilContextCancel(ctx, probeEvery, true, func(ctx context.Context) (bool, error) {
			last = c.Get(ctx, client.ObjectKeyFromObject(o), o)
			return last == nil && established(o), last
		})
	}
	if err != nil {
		return fmt.Errorf("apply %s: %w", what, errors.Join(last, err))
	}
	return nil
}

func established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Established" {
			return m["status"] == "True"
		}
	}
	return false
}

// parse reads the objects of a YAML stream.
func parse(data []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		if len(o.Object) == 0 { // only comments
			continue
		}
		if o.GetKind() == "" || o.GetAPIVersion() == "" {
			return nil, fmt.Errorf("read YAML: an object has no kind or apiVersion: %.80q", document)
		}
		objects = append(objects, o)
	}
}
