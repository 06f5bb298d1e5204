// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// explain says what to do about an error that comes from the connection and not from what was asked.
func explain(env *Env, err error) error {
	hint := ""
	switch unreachable, status := (*url.Error)(nil), apierrors.APIStatus(nil); {
	case err == nil, statusOf(err) != ExitError:
		return err
	case errors.Is(err, context.Canceled):
		if said := err.Error(); said != context.Canceled.Error() {
			return fmt.Errorf("%s: interrupted; what was begun goes on", strings.TrimSuffix(said, ": "+context.Canceled.Error()))
		}
		return errors.New("interrupted: what was begun goes on")
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err) && strings.Contains(err.Error(), "the server could not find the requested resource"):
		hint = "vWorkspace Fleet is not installed there, or in an older version: see docs/how-to/install.md, and vw doctor"
	case apierrors.IsUnauthorized(err):
		hint = "the cluster does not take your credentials: log in again, or choose another context by --context"
	case apierrors.IsForbidden(err):
		hint = "ask who runs the cluster for that right: see docs/reference/permissions.md"
	case errors.As(err, &unreachable) && isNetwork(err):
		hint = fmt.Sprintf("is the cluster up, and the right one? This is %s", env.where())
	case errors.As(err, &status):
		return err
	default:
		return err
	}
	return &exitError{status: statusOf(err), err: fmt.Errorf("%w\n  %s", err, hint)}
}

// isAway tells whether somebody in between says that the cluster does not answer.
func isAway(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code >= 500
}

func isNetwork(err error) bool {
	var network net.Error
	var op *net.OpError
	return errors.As(err, &network) || errors.As(err, &op)
}

// where is the cluster that vw talks to, for people.
func (e *Env) where() string {
	raw, err := e.Flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return "the cluster of --kubeconfig"
	}
	name := raw.CurrentContext
	if e.Flags.Context != nil && *e.Flags.Context != "" {
		name = *e.Flags.Context
	}
	if name == "" {
		return "the cluster of --kubeconfig"
	}
	return "context " + name
}
