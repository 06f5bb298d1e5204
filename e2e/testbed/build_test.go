// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCacheKey(t *testing.T) {
	tree := func(t *testing.T, files map[string]string) string {
		dir := t.TempDir()
		for name, content := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	key := func(t *testing.T, files map[string]string, toolchain, flags string) string {
		k, err := cacheKey(tree(t, files), toolchain, flags)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := map[string]string{"go.mod": "m", "go.sum": "s", "ocm/main.go": "p"}
	want := key(t, base, "go1", "-s")

	for name, files := range map[string]map[string]string{
		"the same tree elsewhere": base,
		"documentation":           {"go.mod": "m", "go.sum": "s", "ocm/main.go": "p", "README.md": "r"},
		"tests":                   {"go.mod": "m", "go.sum": "s", "ocm/main.go": "p", "ocm/main_test.go": "t"},
	} {
		if got := key(t, files, "go1", "-s"); got != want {
			t.Errorf("%s: the key changed", name)
		}
	}
	for name, files := range map[string]map[string]string{
		"go.mod":                   {"go.mod": "M", "go.sum": "s", "ocm/main.go": "p"},
		"go.sum":                   {"go.mod": "m", "go.sum": "S", "ocm/main.go": "p"},
		"a main":                   {"go.mod": "m", "go.sum": "s", "ocm/main.go": "P"},
		"another main":             {"go.mod": "m", "go.sum": "s", "ocm/main.go": "p", "x/main.go": "x"},
		"a main's folder":          {"go.mod": "m", "go.sum": "s", "OCM/main.go": "p"},
		"bytes moved between them": {"go.mod": "ms", "go.sum": "", "ocm/main.go": "p"},
	} {
		if got := key(t, files, "go1", "-s"); got == want {
			t.Errorf("%s: the key did not change", name)
		}
	}
	if key(t, base, "go2", "-s") == want || key(t, base, "go1", "-w") == want {
		t.Error("the key does not depend on the toolchain and the link flags")
	}
}

func TestProvided(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("etcd", 0o755)
	write("kubectl", 0o644) // not executable
	if err := os.Mkdir(filepath.Join(dir, "kube-apiserver"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"etcd": filepath.Join(dir, "etcd")}
	if diff := cmp.Diff(want, providedBy(dir, fleetComponents)); diff != "" {
		t.Errorf("provided (-want +got):\n%s", diff)
	}
	if got := providedBy("", fleetComponents); len(got) != 0 {
		t.Errorf("provided without a folder: %v", got)
	}
	b := &binaries{dir: t.TempDir(), provided: want}
	if comps, _ := b.missing([]component{etcdServer, kubectl}, nil); len(comps) != 1 || comps[0] != kubectl {
		t.Errorf("missing: got %v, want kubectl only", comps)
	}
}

func TestPrune(t *testing.T) {
	cache, now := t.TempDir(), time.Now()
	for name, unused := range map[string]time.Duration{
		"used": 2 * keepUnused, "used.lock": 2 * keepUnused, "recent": keepUnused / 2, "old": 2 * keepUnused, "old.lock": 2 * keepUnused,
	} {
		path := filepath.Join(cache, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-unused)); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune(filepath.Join(cache, "used"), now); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"recent", "used", "used.lock"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestOutputName(t *testing.T) {
	for pkg, want := range map[string]string{
		"go.etcd.io/etcd/server/v3":               "server",
		"k8s.io/kubernetes/cmd/kube-apiserver":    "kube-apiserver",
		"./ocm":                                   "ocm",
		"github.com/fluxcd/source-controller":     "source-controller",
		"github.com/argoproj/x/v3/cmd/controller": "controller",
		"example.com/versions":                    "versions",
	} {
		if got := (component{pkg: pkg}).output(); got != want {
			t.Errorf("%s: got %s, want %s", pkg, got, want)
		}
	}
}

func TestEveryComponentIsInTheModule(t *testing.T) {
	dir, err := moduleDir(componentsModule)
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, c := range fleetComponents {
		args = append(args, c.pkg)
	}
	if _, err := goOutput(t.Context(), dir, append([]string{"list", "-f", "{{.Name}}"}, args...)...); err != nil {
		t.Error(err)
	}
}

func TestModuleDir(t *testing.T) {
	if _, err := moduleDir("e2e/none"); err == nil || !strings.Contains(err.Error(), "e2e/none") || !strings.Contains(err.Error(), "inside a checkout") {
		t.Errorf("a module that does not exist: %v", err)
	}
}

func TestCopyManifestsFlattens(t *testing.T) {
	dir, err := moduleDir(componentsModule)
	if err != nil {
		t.Fatal(err)
	}
	scratch, to := filepath.Join(t.TempDir(), "scratch"), filepath.Join(t.TempDir(), "to")
	deep := manifest{"deep", "open-cluster-management.io/ocm", "manifests/cluster-manager", "hub/crds/*.yaml"}
	if err := copyManifests(t.Context(), dir, deep, scratch, to); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(to, "*.yaml")); err != nil || len(files) == 0 {
		t.Errorf("copied %v, %v", files, err)
	}
}
