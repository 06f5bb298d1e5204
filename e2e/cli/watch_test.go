// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// watched is a command in every shop, whose pods come to an outcome after a while; everywhere, or on one cluster alone.
func watched(t *testing.T, name string, everywhere bool, pods map[string]string) {
	t.Helper()
	parameters, err := json.Marshal(map[string]any{
		"image": "registry.example.com/shop:1.0.0", "command": []string{"shop", "carts", "clear"}, "podAnnotations": pods,
	})
	if err != nil {
		t.Fatal(err)
	}
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob, Parameters: &runtime.RawExtension{Raw: parameters},
			Selector: &opsv1alpha1.InstanceSelector{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}},
		},
	}
	if everywhere {
		op.Spec.Placement = &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: demo.Placement}}
	}
	c := fleet.Hub
	if !everywhere {
		if c, err = client.New(fleet.Fleet.Spokes[0].Config(), client.Options{Scheme: demo.Scheme()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(c.Delete(context.Background(), op)); err != nil {
			t.Error(err)
		}
	})
}

func hasAll(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("it lacks %q:\n%s", part, got)
		}
	}
}

func TestWatchPiped(t *testing.T) {
	watched(t, "watch-well", true, map[string]string{testbed.AnnotationDuration: "10s"})
	got := vw(t, "watch", "watch-well", "-n", demo.Namespace, "--timeout", "90s")
	if got.status != 0 {
		t.Errorf("%+v", got)
	}
	hasAll(t, got.out, "running spoke1", "succeeded spoke3", "shops/watch-well Succeeded AllSucceeded, took ", "3 clusters: 3 succeeded")
}

func TestWatchPipedFaults(t *testing.T) {
	watched(t, "watch-ill", true, map[string]string{testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "carts are locked"})
	got := vw(t, "watch", "watch-ill", "-n", demo.Namespace, "--timeout", "90s")
	if got.status != 2 {
		t.Errorf("%+v", got)
	}
	hasAll(t, got.out, "failed spoke2: ", "carts are locked", "vw describe op watch-ill -n shops --cluster spoke1", "vw retry watch-ill -n shops --failed")
	hasAll(t, got.errOut, "Operation shops/watch-ill Failed: SomeFailed")
}

func TestWatchOnASpoke(t *testing.T) {
	watched(t, "watch-local", false, map[string]string{testbed.AnnotationDuration: "10s"})
	got := call(t, fleet.Fleet.Spokes[0].KubeconfigPath, "watch", "watch-local", "-n", demo.Namespace, "--timeout", "90s")
	if got.status != 0 {
		t.Errorf("%+v", got)
	}
	hasAll(t, got.out, "succeeded shops/shop-spoke1-a", "2 instances: 2 succeeded")
}

// TestWatchAtATerminal is the program itself at a real terminal: it paints, is steered by keys, and leaves everything as it was.
func TestWatchAtATerminal(t *testing.T) {
	watched(t, "watch-keys", true, map[string]string{testbed.AnnotationDuration: "10m"})
	screen := vt.NewSafeEmulator(100, 26)
	cmd := exec.CommandContext(t.Context(), binary, "watch", "watch-keys", "-n", demo.Namespace)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+fleet.Fleet.Hub.KubeconfigPath, "TERM=xterm-256color")
	person, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 26})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = person.Close() }()
	go func() { _, _ = io.Copy(screen, person) }()
	go func() { _, _ = io.Copy(person, screen) }() // what a terminal answers when it is asked what it can do
	shows := func(part string) {
		t.Helper()
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
			return strings.Contains(screen.String(), part), nil
		})
		if err != nil {
			t.Fatalf("the terminal never shows %q: %v\n%s", part, err, screen.String())
		}
	}
	types := func(keys string) {
		t.Helper()
		if _, err := io.WriteString(person, keys); err != nil {
			t.Fatal(err)
		}
	}
	shows("▶ spoke1  running")                           // which comes a moment after the counts
	if folder := os.Getenv("VW_SCREENS"); folder != "" { // to look at
		if err := os.WriteFile(filepath.Join(folder, "watch-keys.txt"), []byte(screen.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
	types("\r")
	shows("vw describe op watch-keys -n shops --cluster spoke1")
	types("\x1b")
	shows("c cancel")
	types("c")
	shows("cancel the run?")
	types("y")
	shows("Cancelled UserCancelled, took") // the summary on the normal screen
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("exit status %d, %v", cmd.ProcessState.ExitCode(), err)
	}
	if screen.IsAltScreen() {
		t.Error("the terminal is left on its alternate screen")
	}
}
