// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var program = Program{Name: "program", Package: ".", Title: "A program", Description: "Tells its version"}

// options build the test's program from a copy of its module in a folder of its own.
func options(t *testing.T) Options {
	t.Helper()
	module := t.TempDir()
	if err := os.CopyFS(module, os.DirFS(filepath.Join("testdata", "program"))); err != nil {
		t.Fatal(err)
	}
	return Options{Module: module, Out: t.TempDir(), Version: "v1.2.3-dirty", Revision: "0123abc", Source: "https://example.com/program",
		Repository: "registry.example.com/team", Created: time.Unix(1_700_000_000, 0)}
}

func build(t *testing.T, o Options) Built {
	t.Helper()
	built, err := Build(t.Context(), o, program)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// files of a folder with their content.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, folder)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReproducible: two people who build one commit in different folders write the same bytes, and whoever builds something else does not.
func TestReproducible(t *testing.T) {
	one, two := options(t), options(t)
	first, second := build(t, one), build(t, two)
	if first.Digest != second.Digest {
		t.Errorf("digests %s and %s of one commit", first.Digest, second.Digest)
	}
	if diff := cmp.Diff(keys(files(t, one.Out)), keys(files(t, two.Out))); diff != "" {
		t.Error(diff)
	}
	for name, content := range files(t, one.Out) {
		if files(t, two.Out)[name] != content {
			t.Errorf("%s differs", name)
		}
	}
	two.Version = "v1.2.4"
	if other := build(t, two); other.Digest == first.Digest {
		t.Error("another version has the same digest")
	}
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// TestImage: what is in the layout is what a container runtime and a registry expect.
func TestImage(t *testing.T) {
	o := options(t)
	built := build(t, o)
	path, err := layout.FromPath(filepath.Join(o.Out, "program.oci"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	index, err := root.ImageIndex(built.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Errorf("the index is not valid: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(m.Platform.Architecture, func(t *testing.T) { checkImage(t, img, *m.Platform) })
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Error(diff)
	}
	t.Run("sbom", func(t *testing.T) { checkAttached(t, root, manifest) })
	t.Run("tarball", func(t *testing.T) { checkTarball(t, o.Out, index, manifest.Manifests[0].Digest) })
}

func checkImage(t *testing.T, img v1.Image, platform v1.Platform) {
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || !slices.Equal(config.Config.Entrypoint, []string{"/program"}) {
		t.Errorf("runs %v as %q", config.Config.Entrypoint, config.Config.User)
	}
	if config.OS != platform.OS || config.Architecture != platform.Architecture {
		t.Errorf("configured for %s/%s, listed for %s", config.OS, config.Architecture, platform)
	}
	for label, want := range map[string]string{"title": "A program", "version": "v1.2.3-dirty", "revision": "0123abc",
		"source": "https://example.com/program", "licenses": "Apache-2.0", "created": "2023-11-14T22:13:20Z"} {
		if got := config.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers: %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	binary := filepath.Join(t.TempDir(), "program")
	unpack(t, tar.NewReader(content), binary)
	checkStatic(t, binary, platform)
}

// unpack the one file of a layer.
func unpack(t *testing.T, r *tar.Reader, to string) {
	t.Helper()
	header, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "program" || header.Mode != 0o555 || header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 1_700_000_000 {
		t.Errorf("the layer holds %+v", header)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("the layer holds more than the program: %v", err)
	}
}

// checkStatic: the binary needs nothing of the image's file system, and is for its platform.
func checkStatic(t *testing.T, binary string, platform v1.Platform) {
	t.Helper()
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[platform.Architecture]; f.Machine != want {
		t.Errorf("the binary is for %s, want %s", f.Machine, want)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: %s", p.Type)
		}
	}
	if hostArchitecture(t) != platform.Architecture {
		return // it cannot be run here; that it was linked with the same flags is seen above
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{"ZONEINFO=/nowhere"}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "v1.2.3-dirty" {
		t.Errorf("the program says %q: %v", out, err)
	}
}

func hostArchitecture(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOHOSTARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// checkAttached: each image has an SBOM in the layout that names it as its subject.
func checkAttached(t *testing.T, root v1.ImageIndex, images *v1.IndexManifest) {
	manifest, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	about := map[v1.Hash]bool{}
	for _, m := range manifest.Manifests {
		if m.MediaType.IsIndex() {
			if m.Annotations["org.opencontainers.image.ref.name"] != "v1.2.3-dirty" {
				t.Errorf("the index has no tag: %v", m.Annotations)
			}
			continue
		}
		img, err := root.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		artifact, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		about[artifact.Subject.Digest] = true
		if kind, err := partial.ArtifactType(img); err != nil || kind != string(sbomType) {
			t.Errorf("artifact type %q: %v", kind, err)
		}
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		content, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		checkSBOM(t, content)
	}
	for _, m := range images.Manifests {
		if !about[m.Digest] {
			t.Errorf("%s has no SBOM", m.Platform)
		}
	}
}

func checkSBOM(t *testing.T, content io.ReadCloser) {
	t.Helper()
	defer content.Close()
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(content, cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if c := bom.Metadata.Component; c.Name != "program" || c.Version != "v1.2.3-dirty" {
		t.Errorf("the SBOM is about %s %s", c.Name, c.Version)
	}
	if parts := *bom.Components; len(parts) != 1 || parts[0].Name != "stdlib" || !strings.HasPrefix(parts[0].PackageURL, "pkg:golang/stdlib@1.") {
		t.Errorf("the SBOM lists %+v, want the standard library", parts)
	}
}

// checkTarball: docker load gives the image the name that was asked for, and the same content as the layout's.
func checkTarball(t *testing.T, out string, index v1.ImageIndex, want v1.Hash) {
	open := func() (io.ReadCloser, error) { return os.Open(filepath.Join(out, "program-amd64.tar")) }
	manifest, err := tarball.LoadManifest(open)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"registry.example.com/team/program:v1.2.3-dirty"}, manifest[0].RepoTags); diff != "" {
		t.Error(diff)
	}
	img, err := index.Image(want)
	if err != nil {
		t.Fatal(err)
	}
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if manifest[0].Config != id.String() {
		t.Errorf("the tarball's image is %s, the layout's %s", manifest[0].Config, id)
	}
}

// TestRefuses: what would make a wrong image is refused before anything is built.
func TestRefuses(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"do not make the name of an image": func(o *Options) { o.Version = "v1+dirty" },
		"repository":                       func(o *Options) { o.Repository = "Team" },
		"created: must be the time":        func(o *Options) { o.Created = time.Time{} },
		"platforms: linux/s390x is none":   func(o *Options) { o.Platforms = []v1.Platform{{OS: "linux", Architecture: "s390x"}} },
		"build . for linux/amd64":          func(o *Options) { o.Module = t.TempDir() },
	} {
		o := options(t)
		change(&o)
		if _, err := Build(t.Context(), o, program); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that says %q", err, want)
		}
	}
}

// TestTimeZones: the programs bring them, because the images have none.
func TestTimeZones(t *testing.T) {
	for _, p := range Programs {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", p.Package)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
			t.Errorf("%s does not import time/tzdata", p.Package)
		}
	}
}

// TestOnePlatform: who wants one platform only gets that one, and it is the same as among all.
func TestOnePlatform(t *testing.T) {
	want := build(t, options(t)).Images[1]
	o := options(t)
	o.Platforms = []v1.Platform{want.Platform}
	got := build(t, o)
	if len(got.Images) != 1 || got.Images[0].Digest != want.Digest {
		t.Errorf("got %v, want only %v", got.Images, want)
	}
	for name := range files(t, o.Out) {
		if strings.Contains(name, "-"+Platforms[0].Architecture+".") {
			t.Errorf("%s was not asked for", name)
		}
	}
}

// TestSBOMOfDependencies: the SBOM lists what was linked, and of a module that was replaced the one that replaced it.
func TestSBOMOfDependencies(t *testing.T) {
	o := options(t)
	data, err := o.sbom(Program{Name: "hub", Package: "./cmd/hub"}, &debug.BuildInfo{
		GoVersion: "go1.26.3", Main: debug.Module{Path: "example.com/fleet", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.com/library", Version: "v1.0.0", Sum: "h1:abc="},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v2.0.0", Sum: "h1:def="}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var bom cyclonedx.BOM
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	if got, want := bom.Metadata.Component.PackageURL, "pkg:golang/example.com/fleet@v1.2.3-dirty#cmd/hub"; got != want {
		t.Errorf("the SBOM is about %s, want %s", got, want)
	}
	got := map[string]string{}
	for _, c := range *bom.Components {
		sum := ""
		if c.Properties != nil {
			sum = (*c.Properties)[0].Value
		}
		got[c.PackageURL] = sum
	}
	want := map[string]string{"pkg:golang/stdlib@1.26.3": "", "pkg:golang/example.com/library@v1.0.0": "h1:abc=", "pkg:golang/example.com/new@v2.0.0": "h1:def="}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
