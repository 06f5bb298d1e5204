// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// stage plays the hub: whenever vw has printed something, it does the next of what a hub does.
type stage struct {
	bytes.Buffer
	t    *testing.T
	acts []func()
}

// Write implements io.Writer.
func (s *stage) Write(p []byte) (int, error) {
	if len(s.acts) > 0 {
		next := s.acts[0]
		s.acts = s.acts[1:]
		defer next()
	}
	return s.Buffer.Write(p)
}

// TestWait: an Operation is followed line by line to its end, which the exit status tells.
func TestWait(t *testing.T) {
	ns := namespace(t)
	for name, tt := range map[string]struct {
		phase      opsv1alpha1.OperationPhase
		status     int
		out, wrong string
	}{
		"good": {opsv1alpha1.PhaseSucceeded, ExitOK, "03:04:05  Succeeded 3/3 AllSucceeded\n", ""},
		"bad": {opsv1alpha1.PhaseFailed, ExitNo, "03:04:05  Failed    3/3 SomeFailed: 1 of 3\n  spoke3: EngineFailed: no disk\n",
			"operation NAME has ended as Failed (SomeFailed)\n  vw describe op NAME --cluster spoke3 says why; vw retry NAME tries it again"},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, ns, name, opsv1alpha1.PhaseFailed, someFailed)
			out, errOut := &stage{t: t}, &bytes.Buffer{}
			out.acts = []func(){
				func() {
					play(t, ns, out, opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, Progress: "0/3", Reason: opsv1alpha1.ReasonRollingOut})
				},
				func() { play(t, ns, out, end(tt.phase)) },
			}
			env := newEnv("v0", genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: errOut})
			env.Now = func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }
			status := execute(t.Context(), env, newRoot(env, "vw"), []string{"--kubeconfig", kubeconfig, "-n", ns, "retry", name, "--wait", "--wait-timeout", "1m"})
			wrong := strings.ReplaceAll(tt.wrong, "NAME", nameIn(out.String()))
			says(t, result{status, out.String(), errOut.String()}, tt.status, "03:04:05  Running   0/3 RollingOut\n"+tt.out, wrong)
		})
	}
	put(t, ns, "slow", opsv1alpha1.PhaseFailed, someFailed)
	got := vw(t, "-n", ns, "retry", "slow", "--wait", "--wait-timeout", "1s")
	says(t, got, ExitTimeout, "", "has not ended within 1s, and goes on")
}

func end(phase opsv1alpha1.OperationPhase) opsv1alpha1.OperationStatus {
	if phase == opsv1alpha1.PhaseSucceeded {
		return opsv1alpha1.OperationStatus{Phase: phase, Progress: "3/3", Reason: opsv1alpha1.ReasonAllSucceeded, Message: "all 3"}
	}
	return opsv1alpha1.OperationStatus{
		Phase: phase, Progress: "3/3", Reason: opsv1alpha1.ReasonSomeFailed, Message: "1 of 3",
		Failures: []opsv1alpha1.Failure{{Name: "spoke3", Reason: opsv1alpha1.ReasonEngineFailed, Message: "no disk"}},
	}
}

// nameIn what was printed about an Operation that was created.
func nameIn(printed string) string {
	line, _, _ := strings.Cut(printed, "\n")
	return strings.TrimSuffix(strings.TrimPrefix(line, "operation.ops.vworkspace.io/"), " created")
}

// play the hub, which writes a status of the Operation that was created.
func play(t *testing.T, ns string, out *stage, status opsv1alpha1.OperationStatus) {
	t.Helper()
	op := &opsv1alpha1.Operation{}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: nameIn(out.String())}, op); err != nil {
		t.Error(err)
		return
	}
	op.Status = status
	if err := api.Status().Update(t.Context(), op); err != nil {
		t.Error(err)
	}
}

func TestConfirm(t *testing.T) {
	for typed, want := range map[string]bool{"y\n": true, "Yes\n": true, " YES ": true, "n\n": false, "\n": false, "": false, "yess\n": false} {
		var out bytes.Buffer
		got, err := confirm(strings.NewReader(typed), &out, "Go ahead?")
		if got != want || (err == nil) != want || out.String() != "Go ahead? [y/N] " {
			t.Errorf("%q: %v %v %q", typed, got, err, out.String())
		}
	}
}

func TestHeld(t *testing.T) {
	for message, want := range map[string]string{
		"1 of 3 clusters ended, 2 running": "",
		"0 of 3 clusters ended, 2 running, 1 blocked; 3 waiting: spoke1: 0 of 2 done, 2 blocked: shops/a: TargetNotReady: it is not": "3 waiting: spoke1: 0 of 2 done, 2 blocked: shops/a: TargetNotReady: it is not",
		"0 of 2 done, 2 blocked: shops/a: RbacProfileMissing: give it; it goes on then":                                              "0 of 2 done, 2 blocked: shops/a: RbacProfileMissing: give it; it goes on then",
		"running on 2 instances": "",
	} {
		if got := held(message); got != want {
			t.Errorf("of %q is shown %q, want %q", message, got, want)
		}
	}
}
