// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Check looks at one thing.
type Check struct {
	// Name of it, in one word.
	Name string
	// Looks says at what.
	Looks string
	// Why that matters.
	Why string

	on  where
	run func(context.Context, *Site, *Findings) error
}

// where a check makes sense.
type where int

const (
	onBoth where = iota
	onHub
	onSpoke
)

func (w where) fits(s *Site) bool {
	return w == onBoth || w == onHub && s.hub || w == onSpoke && s.spoke
}

// atOnce is how many checks are made at a time.
const atOnce = 8

// Examine a site by the checks of some names; by all that make sense there when there are none. The error says that the cluster does not answer.
func Examine(ctx context.Context, s *Site, names ...string) (*Diagnosis, error) {
	checks, err := choose(names)
	if err != nil {
		return nil, err
	}
	if err := s.find(ctx); err != nil {
		return nil, err
	}
	checks = slices.DeleteFunc(checks, func(c Check) bool { return !c.on.fits(s) })
	found := make([][]Finding, len(checks))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, check := range checks {
		group.Go(func() error {
			found[i] = examine(ctx, s, check)
			return nil
		})
	}
	if err := errors.Join(group.Wait(), ctx.Err()); err != nil {
		return nil, err
	}
	d := &Diagnosis{Hub: s.hub, Spoke: s.spoke, Cluster: s.Cluster, Findings: []Finding{}}
	for _, findings := range found {
		d.add(findings)
	}
	return d, nil
}

func choose(names []string) ([]Check, error) {
	checks := Checks()
	if len(names) == 0 {
		return checks, nil
	}
	var known []string
	for _, c := range checks {
		known = append(known, c.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("--only: there is no check %q: it is one of %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(checks, func(c Check) bool { return !slices.Contains(names, c.Name) }), nil
}

// examine by one check. What it could not read is skipped, and says why.
func examine(ctx context.Context, s *Site, check Check) []Finding {
	f := &Findings{check: check}
	err := check.run(ctx, s, f)
	var status apierrors.APIStatus
	switch {
	case err == nil:
	case apierrors.IsForbidden(err) && errors.As(err, &status):
		f.skip("ask who runs the cluster for that right (docs/reference/permissions.md), or run it as somebody who has it", "you may not look: %s", inShort(status.Status()))
	case meta.IsNoMatchError(err):
		f.skip("", "not served here: %v", err)
	default:
		f.fail("try again; if it stays, look at the API server", "could not be looked at: %v", err)
	}
	return f.list
}

// inShort is what was forbidden.
func inShort(status metav1.Status) string {
	_, what, found := strings.Cut(status.Message, " cannot ")
	if !found {
		return status.Message
	}
	return "cannot " + what
}

// exists tells whether an object is there.
func (s *Site) exists(ctx context.Context, namespace, name, kind string) (bool, error) {
	o := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: kind, APIVersion: "v1"}}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) && kind == "Namespace" {
		return false, nil // whoever may not see namespaces is told so by the checks that look into them
	}
	return err == nil, err
}

func decodeVersion(r io.Reader, into *version.Info) error {
	if err := json.NewDecoder(r).Decode(into); err != nil {
		return fmt.Errorf("GET /version: %w", err)
	}
	return nil
}
