// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// lookAgain is how often an Operation that is waited for is read. Reading needs no right but get; what a hub writes, it writes once a second.
const lookAgain = 500 * time.Millisecond

// until an Operation has ended, or the time is over. It is read into op, and seen is called after each reading.
func until(ctx context.Context, env *Env, c client.Client, op *opsv1alpha1.Operation, timeout time.Duration, seen func()) error {
	seen()
	key := client.ObjectKeyFromObject(op)
	err := wait.PollUntilContextTimeout(ctx, lookAgain, timeout, true, func(ctx context.Context) (bool, error) {
		now := &opsv1alpha1.Operation{}
		if err := c.Get(ctx, key, now); err != nil {
			return false, momentary(err)
		}
		now.DeepCopyInto(op)
		seen()
		return op.Status.Phase.Terminal(), nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return exitf(ExitTimeout, "operation %s has not ended within %s, and goes on: %s", op.Name, timeout, standing(op))
	case apierrors.IsNotFound(err):
		return exitf(ExitNo, "operation %s was deleted before it had ended", op.Name)
	}
	return fmt.Errorf("read Operation %s from %s: %w", op.Name, env.where(), err)
}

// momentary is nil for an error of a moment, after which it is read again: whatever is no answer of the API server, and an answer to come back later.
func momentary(err error) error {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) {
		return nil
	}
	return err
}

// waitFor an Operation to its end, a line for each change, and tell by the error how it ended.
func waitFor(ctx context.Context, env *Env, c client.Client, op *opsv1alpha1.Operation, timeout time.Duration, out io.Writer) error {
	last := ""
	err := until(ctx, env, c, op, timeout, func() {
		if line := standing(op); line != last && op.Status.Phase != "" {
			last = line
			fmt.Fprintf(out, "%s  %s\n", env.Now().Format(time.TimeOnly), line)
		}
	})
	if err != nil {
		return err
	}
	for _, f := range op.Status.Failures {
		fmt.Fprintf(out, "  %s: %s\n", f.Name, cause(f))
	}
	return outcome(op)
}

// standing of an Operation in one line: how far it is, and what is in its way.
func standing(op *opsv1alpha1.Operation) string {
	s := &op.Status
	line := fmt.Sprintf("%-9s", s.Phase)
	if s.Progress != "" {
		line += " " + s.Progress
	}
	reason, message := s.Reason, s.Message
	if c := meta.FindStatusCondition(s.Conditions, opsv1alpha1.ConditionBlocked); c != nil && c.Status == metav1.ConditionTrue && !s.Phase.Terminal() {
		reason, message = c.Reason, c.Message
	} else if s.Phase == opsv1alpha1.PhaseRunning {
		message = held(message)
	} else if s.Phase == opsv1alpha1.PhaseSucceeded {
		message = ""
	}
	if reason != "" {
		line += " " + safe.Line(reason)
	}
	if message != "" {
		line += ": " + safe.Line(message)
	}
	return line
}

// held is what a message says of what waits, and for what; the rest of it are counts, which the progress tells.
func held(message string) string {
	if counts, rest, found := strings.Cut(message, "; "); found && !strings.Contains(counts, "blocked: ") {
		return rest
	}
	if strings.Contains(message, "blocked: ") {
		return message
	}
	return ""
}

func cause(f opsv1alpha1.Failure) string {
	if f.Message == "" {
		return f.Reason
	}
	return safe.Line(f.Reason + ": " + f.Message)
}

// outcome of an Operation that has ended, as an error where it did not succeed.
func outcome(op *opsv1alpha1.Operation) error {
	if op.Status.Phase == opsv1alpha1.PhaseSucceeded {
		return nil
	}
	hint := fmt.Sprintf("vw describe op %s", op.Name)
	if op.Spec.Placement != nil && len(op.Status.Failures) > 0 {
		hint += " --cluster " + op.Status.Failures[0].Name
	}
	return exitf(ExitNo, "operation %s has ended as %s (%s)\n  %s says why; vw retry %s tries it again", op.Name, op.Status.Phase, op.Status.Reason, hint, op.Name)
}
