// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
)

// getOperation of a name in the namespace. One that kubectl prints, operation/NAME or op/NAME, is taken too. Where there is none, the error says what may have been meant.
func getOperation(ctx context.Context, env *Env, c client.Reader, name string) (*opsv1alpha1.Operation, error) {
	namespace, err := env.Namespace()
	if err != nil {
		return nil, err
	}
	if kind, rest, found := strings.Cut(name, "/"); found && strings.HasPrefix(kind, "op") {
		name = rest
	}
	op := &opsv1alpha1.Operation{}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, op)
	if isMissing(err) {
		return nil, noOperation(ctx, c, namespace, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read Operation %s: %w", name, err)
	}
	return op, nil
}

// noOperation of a name is there; maybe another one was meant.
func noOperation(ctx context.Context, c client.Reader, namespace, name string) error {
	return fmt.Errorf("there is no Operation %s in namespace %s%s", name, namespace, similarOperation(ctx, c, namespace, name))
}

// similarOperation to one that is not there: in the namespace, or of that name in another.
func similarOperation(ctx context.Context, c client.Reader, namespace, name string) string {
	list := &opsv1alpha1.OperationList{}
	if c.List(ctx, list, client.InNamespace(namespace)) != nil {
		return ""
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	if hint := ask.DidYouMean(name, names); hint != "" {
		return hint
	}
	if len(names) == 0 {
		return ", nor any other: another namespace is chosen by -n"
	}
	return ""
}

// similarTemplate to one that is not there.
func similarTemplate(ctx context.Context, c client.Reader, name string) string {
	list := &opsv1alpha1.OperationTemplateList{}
	if c.List(ctx, list) != nil {
		return ""
	}
	if hint := ask.DidYouMean(name, ask.Names(list.Items)); hint != "" {
		return hint
	}
	return ": vw templates lists what there is"
}

// isMissing tells whether there is no object of a name, and not that its kind is not known.
func isMissing(err error) bool {
	return apierrors.IsNotFound(err) && !strings.Contains(err.Error(), "could not find the requested resource")
}
