// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// What differs between two tellings of one story and says nothing.
var (
	uidText  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timeText = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	digest   = regexp.MustCompile(`"[0-9a-f]{16}"`) // of what holds a UID
	// How a run was stopped is told as far as it is known: whether it was recorded by then, and who had deleted its object.
	cancelled = regexp.MustCompile(`"cancelled( before anything was recorded)?: Job \S+ ((and its pod are deleted|is gone); what the command did until then is not undone|` +
		`was deleted before its result was read; it is not run again, because nobody knows what it did)`)
	shipment = regexp.MustCompile(`(\\"digest\\":\\"[0-9a-f]{64}\\",\\"generation\\":)\d+`) // how often a ManifestWork of the catalog was written
	hashText = regexp.MustCompile(`-[0-9a-f]{12}\b`)                                        // the end of a name that RunName made
)

// fleeting are fields that say how an object came to be as it is.
var fleeting = [][]string{
	{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "managedFields"}, {"metadata", "creationTimestamp"},
	{"status", "history"}, {"status", "transitions"}, {"status", "lastReconcileTime"},
}

// snapshot is what there is on both API servers, one line for a field, in an order that depends on nothing else.
func (w *World) snapshot() string {
	var objects []string
	for _, api := range []API{OnHub, OnSpoke} {
		for _, o := range w.mirror.all(api) {
			if s, ok := w.plain(api, o); ok {
				objects = append(objects, s)
			}
		}
	}
	slices.Sort(objects)
	return strings.Join(objects, "\n")
}

// plain is an object without what is fleeting. It says nothing of what no story leaves: objects outside of its namespaces.
func (w *World) plain(api API, o *unstructured.Unstructured) (string, bool) {
	if !mayBeLeft(api, o) {
		return "", false
	}
	for _, field := range fleeting {
		if o.GetKind() == "HelmRelease" && field[0] == "status" {
			continue // Helm's own history, which tells how often something was done
		}
		unstructured.RemoveNestedField(o.Object, field...)
	}
	if o.GetKind() == "Secret" && o.GetName() == opsv1alpha1.DefaultCredentialsSecret {
		unstructured.RemoveNestedField(o.Object, "data") // each Odoo gives out tokens of its own
	}
	if putsBack(o) {
		unstructured.RemoveNestedField(o.Object, "status", "plan", "digest") // of what holds a UID
	}
	dropTransitionTimes(o.Object)
	dropPastBlocks(o)
	data, _, _ := unstructured.NestedStringMap(o.Object, "binaryData")
	for key, value := range data {
		data[key] = unpacked(value)
	}
	if len(data) > 0 {
		_ = unstructured.SetNestedStringMap(o.Object, data, "binaryData")
	}
	raw, err := json.MarshalIndent(o.Object, "", " ")
	if err != nil {
		return err.Error(), true
	}
	text := uidText.ReplaceAllString(string(raw), "UID")
	text = timeText.ReplaceAllString(text, "TIME")
	text = cancelled.ReplaceAllString(text, `"cancelled`)
	text = shipment.ReplaceAllString(text, "${1}N")
	text = digest.ReplaceAllString(text, `"DIGEST"`)
	return fmt.Sprintf("%s %s/%s\n%s", api, o.GetKind(), hashText.ReplaceAllString(o.GetName(), "-HASH"), hashText.ReplaceAllString(text, "-HASH")), true
}

// dropPastBlocks takes away that something was waited for once, which is over.
func dropPastBlocks(o *unstructured.Unstructured) {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	left := slices.DeleteFunc(conditions, func(c any) bool {
		m, ok := c.(map[string]any)
		return ok && m["type"] == "Blocked" && m["status"] == "False"
	})
	if len(left) < len(conditions) {
		_ = unstructured.SetNestedSlice(o.Object, left, "status", "conditions")
	}
}

func dropTransitionTimes(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "lastTransitionTime")
		delete(v, "observedGeneration")
		for _, inner := range v {
			dropTransitionTimes(inner)
		}
	case []any:
		for _, inner := range v {
			dropTransitionTimes(inner)
		}
	}
}

// unpacked is what a chunk of a plan or of results holds.
func unpacked(packed string) string {
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return packed
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return packed
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return packed
	}
	return string(plain)
}

// difference of two snapshots, in a few lines.
func difference(want, got string) string {
	const most = 60
	lines := strings.Split(cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")), "\n")
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("... and %d lines more", len(lines)-most))
	}
	return strings.Join(lines, "\n")
}
