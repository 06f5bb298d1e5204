// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
)

// findTemplate that says which parameters there are: the one that was named, or the only one that it can be.
func (a *asking) findTemplate(ctx context.Context, first *askFlags) error {
	name := first.template
	if a.t == "" {
		if name = a.named; name == "" {
			return fmt.Errorf("name an OperationTemplate, before its parameters: %s; vw templates lists them", a.cmd.UseLine())
		}
	}
	if name != "" {
		return a.namedTemplate(ctx, name)
	}
	engine, err := first.engineOf()
	if err != nil {
		return err
	}
	list := &opsv1alpha1.OperationTemplateList{}
	switch err := a.client.List(ctx, list); {
	case apierrors.IsForbidden(err):
		return nil // it is found without us; parameters can be given by --set
	case err != nil:
		return fmt.Errorf("list OperationTemplates: %w", err)
	}
	found := ask.Candidates(list.Items, a.namespace, a.t, engine, a.aim.Found)
	switch len(found) {
	case 0:
		of := string(a.t)
		if engine != "" {
			of += " with engine " + string(engine)
		}
		return fmt.Errorf("no OperationTemplate for %s may be used in namespace %s: vw templates lists what there is", of, a.namespace)
	case 1:
		a.template = &found[0]
	default:
		a.candidates = ask.Names(found)
	}
	return nil
}

func (a *asking) namedTemplate(ctx context.Context, name string) error {
	template := &opsv1alpha1.OperationTemplate{}
	switch err := a.client.Get(ctx, client.ObjectKey{Name: name}, template); {
	case isMissing(err):
		return fmt.Errorf("there is no OperationTemplate %s%s", name, similarTemplate(ctx, a.client, name))
	case apierrors.IsForbidden(err) && a.t != "":
		a.template = nil
		return a.nameOnly(name)
	case err != nil:
		return fmt.Errorf("read OperationTemplate %s: %w", name, err)
	}
	if a.t != "" && template.Spec.Type != a.t {
		return &ask.Invalid{Option: "template", Message: fmt.Sprintf("%s is for type %s, and this is %s: vw run %s runs it", name, template.Spec.Type, a.t, name)}
	}
	a.template = template
	return nil
}

// nameOnly goes by a template that may be used and not read: its parameters are not known.
func (a *asking) nameOnly(name string) error {
	a.template = &opsv1alpha1.OperationTemplate{}
	a.template.Name, a.template.Spec.Type = name, a.t
	a.notes = append(a.notes, fmt.Sprintf("you may not read OperationTemplate %s: parameters are given by --set, and checked by the hub", name))
	return nil
}

// unknown says of a flag that is not known why that may be.
func (a *asking) unknown(err error) error {
	if !strings.HasPrefix(err.Error(), "unknown flag: --") {
		return err
	}
	flag, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "unknown flag: --"), "=")
	if a.template == nil && len(a.candidates) > 0 {
		return fmt.Errorf("unknown flag: --%s\n  if it is a parameter, say of which template: --template %s", flag, strings.Join(a.candidates, ", or "))
	}
	if a.template == nil {
		return fmt.Errorf("unknown flag: --%s\n  if it is a parameter, give it by --set: you may not read OperationTemplates", flag)
	}
	var known []string
	for _, p := range a.parameters {
		known = append(known, p.Flag)
	}
	return errors.New("unknown flag: --" + flag + ask.DidYouMean(flag, known) + "\n  vw run " + a.template.Name + " --help lists the parameters of that template")
}
