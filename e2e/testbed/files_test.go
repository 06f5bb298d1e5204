// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

func TestTailFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var b strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	b.WriteString("\n" + strings.Repeat("x", 2*tailWidth) + "\n")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	want := []string{"line 9998", "line 9999", strings.Repeat("x", tailWidth) + "..."}
	if diff := cmp.Diff(want, tailFile(path, 3)); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
	if got := tailFile(filepath.Join(t.TempDir(), "none"), 3); got != nil {
		t.Errorf("tail of no file: %v", got)
	}
}

func TestFreePorts(t *testing.T) {
	ports, err := freePorts(200)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if p < firstPort || p > lastPort || seen[p] {
			t.Errorf("port %d is out of range or was given twice", p)
		}
		seen[p] = true
	}
}

func TestKubeconfig(t *testing.T) {
	pki, err := newPKI("east", filepath.Join(t.TempDir(), "pki"))
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Name: "east", KubeconfigPath: filepath.Join(t.TempDir(), "kubeconfig"), pki: pki}
	if err := c.configure(4711); err != nil {
		t.Fatal(err)
	}
	read, err := clientcmd.BuildConfigFromFlags("", c.KubeconfigPath)
	if err != nil {
		t.Fatal(err)
	}
	if read.Host != "https://127.0.0.1:4711" || string(read.CAData) != string(pki.caPEM()) || len(read.KeyData) == 0 {
		t.Errorf("kubeconfig: host %s, %d bytes of CA, %d bytes of key", read.Host, len(read.CAData), len(read.KeyData))
	}
	info, err := os.Stat(c.KubeconfigPath)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v; the file holds an admin's key", info.Mode(), err)
	}
	c.Config().Host = "changed"
	if c.Config().Host != read.Host {
		t.Error("Config hands out its own, not a copy")
	}
}

func TestPrepare(t *testing.T) {
	write := func(t *testing.T, dir string, names ...string) {
		for _, n := range names {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, n)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, n), []byte("{}"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("an empty folder", func(t *testing.T) {
		_, unlock, err := prepare(filepath.Join(t.TempDir(), "new"))
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	})
	t.Run("a folder of something else", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "thesis.tex")
		if _, _, err := prepare(dir); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("a dead fleet", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "testbed.json", "hub.kubeconfig", "data/etcd/x", "logs/etcd.log", "logs/supervisor.log", "notes.txt")
		_, unlock, err := prepare(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		var left []string
		for _, n := range []string{"testbed.json", "hub.kubeconfig", "data", "logs/etcd.log", "logs/supervisor.log", "notes.txt"} {
			if _, err := os.Stat(filepath.Join(dir, n)); err == nil {
				left = append(left, n)
			}
		}
		if diff := cmp.Diff([]string{"logs/supervisor.log", "notes.txt"}, left); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
	})
	t.Run("a live fleet", func(t *testing.T) {
		dir := t.TempDir()
		_, unlock, err := prepare(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := prepare(dir); err == nil || !strings.Contains(err.Error(), "down --dir "+dir) {
			t.Errorf("got error %v", err)
		}
		unlock()
		_, unlock, err = prepare(dir)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	})
}

func TestChartDirs(t *testing.T) {
	dir := t.TempDir()
	for _, chart := range []string{"one", "two/1.0.0", "two/2.0.0", "one/charts/dependency"} {
		path := filepath.Join(dir, chart, "Chart.yaml")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for folder, want := range map[string][]string{
		dir:                       {"one", "two/1.0.0", "two/2.0.0"},
		filepath.Join(dir, "one"): {"one"},
		filepath.Join(dir, "two"): {"two/1.0.0", "two/2.0.0"},
	} {
		got, err := chartDirs(folder)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i], _ = filepath.Rel(dir, got[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", folder, diff)
		}
	}
	if _, err := chartDirs(t.TempDir()); err == nil {
		t.Error("no error for a folder without charts")
	}
}

func TestParse(t *testing.T) {
	objects, err := parse([]byte("# only a comment\n---\nkind: A\napiVersion: v1\n---\n---\nkind: CustomResourceDefinition\napiVersion: x/v1\n---\nkind: Namespace\napiVersion: v1\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, stage := range stages(objects) {
		var kinds []string
		for _, o := range stage {
			kinds = append(kinds, o.GetKind())
		}
		got = append(got, kinds)
	}
	if diff := cmp.Diff([][]string{{"CustomResourceDefinition"}, {"Namespace"}, {"A"}}, got); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	if _, err := parse([]byte("hello: world")); err == nil {
		t.Error("no error for YAML that is no object")
	}
}
