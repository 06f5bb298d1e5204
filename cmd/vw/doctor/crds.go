// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/deploy"
)

// definition is what is looked at of a CustomResourceDefinition.
type definition struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []definedVersion `json:"versions"`
	} `json:"spec"`
	Status struct {
		Conditions     []metav1.Condition `json:"conditions"`
		StoredVersions []string           `json:"storedVersions"`
	} `json:"status"`
}

// definedVersion is one version of a definition.
type definedVersion struct {
	Name   string `json:"name"`
	Served bool   `json:"served"`
	Schema struct {
		OpenAPIV3Schema property `json:"openAPIV3Schema"`
	} `json:"schema"`
}

// property of a schema, as far as fields are told apart.
type property struct {
	Properties map[string]property `json:"properties"`
	Items      *property           `json:"items"`
}

// fields of a schema, as dotted paths.
func (p property) fields(at string, into map[string]bool) {
	for name, below := range p.Properties {
		into[at+name] = true
		below.fields(at+name+".", into)
	}
	if p.Items != nil {
		p.Items.fields(at, into)
	}
}

// ownDefinitions are those that vw was built with.
func ownDefinitions() ([]definition, error) {
	files, err := fs.Glob(deploy.Manifests, deploy.CRDs+"/*.yaml")
	if err != nil {
		return nil, err
	}
	out := make([]definition, len(files))
	for i, file := range files {
		raw, err := deploy.Manifests.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(raw, &out[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return out, nil
}

const applyCRDs = "kubectl apply --server-side -f deploy/crds (or helm upgrade, which brings them too)"

// checkCRDs: all of ours are there, established, and have the fields that vw knows.
func checkCRDs(ctx context.Context, s *Site, f *Findings) error {
	own, err := ownDefinitions()
	if err != nil {
		return err
	}
	for i := range own {
		switch have, err := s.definition(ctx, own[i].Metadata.Name); {
		case apierrors.IsForbidden(err):
			return s.kindsServed(f, own)
		case err != nil:
			return err
		case have == nil:
			f.fail(applyCRDs, "CRD %s is not there", own[i].Metadata.Name)
		default:
			judgeDefinition(f, have, &own[i])
		}
	}
	if !f.bad() {
		f.ok("all %d CRDs are there, established, and have the fields that this vw knows", len(own))
	}
	return nil
}

// definition of a name; nil when there is none.
func (s *Site) definition(ctx context.Context, name string) (*definition, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := s.Client.Get(ctx, client.ObjectKey{Name: name}, u); err != nil {
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return nil, err
	}
	d := &definition{}
	return d, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, d)
}

func judgeDefinition(f *Findings, have, own *definition) {
	name := own.Metadata.Name
	for _, condition := range have.Status.Conditions {
		if (condition.Type == "Established" || condition.Type == "NamesAccepted") && condition.Status != metav1.ConditionTrue {
			f.fail("kubectl describe crd "+name, "CRD %s is not %s: %s", name, condition.Type, condition.Message)
			return
		}
	}
	want := own.Spec.Versions[0].Name
	i := slices.IndexFunc(have.Spec.Versions, func(v definedVersion) bool { return v.Name == want && v.Served })
	if i < 0 {
		f.fail(applyCRDs, "CRD %s does not serve %s", name, want)
		return
	}
	for _, stored := range have.Status.StoredVersions {
		if !have.has(stored) {
			f.fail("kubectl describe crd "+name, "CRD %s has objects stored as %s, which it has no more", name, stored)
		}
	}
	missing, more := compare(have.Spec.Versions[i].Schema.OpenAPIV3Schema, own.Spec.Versions[0].Schema.OpenAPIV3Schema)
	if len(missing) > 0 {
		f.warn(applyCRDs, "CRD %s is older than vw: it lacks %s", name, several(missing))
	}
	if len(more) > 0 {
		f.warn("use a vw of the version that is installed: vw version", "CRD %s is newer than vw: it has %s", name, several(more))
	}
}

func (d *definition) has(version string) bool {
	return slices.ContainsFunc(d.Spec.Versions, func(v definedVersion) bool { return v.Name == version })
}

// compare the fields of two schemas.
func compare(have, want property) (missing, more []string) {
	a, b := map[string]bool{}, map[string]bool{}
	have.fields("", a)
	want.fields("", b)
	for field := range b {
		if !a[field] {
			missing = append(missing, field)
		}
	}
	for field := range a {
		if !b[field] {
			more = append(more, field)
		}
	}
	slices.Sort(missing)
	slices.Sort(more)
	return missing, more
}

// kindsServed is what somebody can tell who may not read CRDs.
func (s *Site) kindsServed(f *Findings, own []definition) error {
	var missing []string
	for i := range own {
		kind := schema.GroupKind{Group: own[i].Spec.Group, Kind: own[i].Spec.Names.Kind}
		if _, err := s.Client.RESTMapper().RESTMapping(kind, own[i].Spec.Versions[0].Name); err != nil {
			missing = append(missing, own[i].Spec.Names.Kind)
		}
	}
	if len(missing) > 0 {
		f.fail(applyCRDs, "not served: %s", strings.Join(missing, ", "))
		return nil
	}
	f.ok("all %d kinds are served", len(own))
	f.skip("", "whether they have the fields that this vw knows cannot be seen: you may not read customresourcedefinitions")
	return nil
}
