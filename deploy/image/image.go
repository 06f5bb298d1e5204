// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user runs the program: nobody in particular, and the charts name it too.
const user = "65532:65532"

// Program is what one image runs.
type Program struct {
	// Name of the image and of the binary in it, such as hub.
	Name string
	// Package is its main package, seen from the module's root.
	Package string
	// Title and Description are for people who look at the image.
	Title, Description string
}

// Programs are the images of vWorkspace Fleet.
var Programs = []Program{
	{"hub", "./cmd/hub", "vWorkspace Fleet hub", "Runs Operations on a fleet of clusters, through Open Cluster Management"},
	{"spoke", "./cmd/spoke", "vWorkspace Fleet agent", "Runs the Operations of one cluster"},
}

// Platforms are those that images are made for.
var Platforms = []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}

// Options of Build. All of them but Platforms are needed.
type Options struct {
	// Module is the root of the Go module, Out the folder that is written: OUT/NAME.oci (an OCI layout), OUT/NAME-ARCH.tar (for docker load),
	// OUT/NAME-ARCH.cdx.json (the SBOM).
	Module, Out string
	// Version is stamped into the binaries and is the tag; Revision is the commit.
	Version, Revision string
	// Source is where the code is, as a URL.
	Source string
	// Repository is what the images are called in the tarballs: REPOSITORY/NAME:VERSION.
	Repository string
	// Created is the time of everything in the images: the commit's, so that the same commit makes the same image.
	Created time.Time
	// Platforms to make images for, some of the package's Platforms; all of those by default.
	Platforms []v1.Platform

	work string // holds binaries for as long as Build runs
}

// Built is what became of one program.
type Built struct {
	Program Program
	// Digest of the OCI index, which is what a chart's image.digest names once it was pushed.
	Digest v1.Hash
	// Images by platform.
	Images []BuiltImage
}

// BuiltImage is the image of one platform.
type BuiltImage struct {
	Platform v1.Platform
	Digest   v1.Hash
	// Binary and Compressed are the sizes of the binary and of the layer that is pulled, in bytes.
	Binary, Compressed int64

	image v1.Image
	sbom  []byte
}

// Build makes the image of a program for its platforms.
func Build(ctx context.Context, o Options, p Program) (built Built, err error) {
	if err := o.check(); err != nil {
		return Built{}, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return Built{}, err
	}
	if o.work, err = os.MkdirTemp(o.Out, ".work-"); err != nil {
		return Built{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.work)) }()
	built.Program = p
	for _, platform := range o.Platforms {
		one, err := o.buildOne(ctx, p, platform)
		if err != nil {
			return Built{}, err
		}
		built.Images = append(built.Images, one)
	}
	return built, o.write(&built)
}

// check the options that would only fail after minutes, or not at all, and fill in the default.
func (o *Options) check() error {
	if _, err := name.NewTag(o.Repository+"/any:"+o.Version, name.StrictValidation); err != nil {
		return fmt.Errorf("repository and version do not make the name of an image: %w", err)
	}
	if o.Created.IsZero() {
		return errors.New("created: must be the time of the commit")
	}
	if len(o.Platforms) == 0 {
		o.Platforms = Platforms
	}
	for _, platform := range o.Platforms {
		if !slices.ContainsFunc(Platforms, platform.Equals) {
			return fmt.Errorf("platforms: %s is none that images are made for: choose from %v", platform, Platforms)
		}
	}
	return nil
}

func (o *Options) buildOne(ctx context.Context, p Program, platform v1.Platform) (BuiltImage, error) {
	binary, err := o.compile(ctx, p, platform)
	if err != nil {
		return BuiltImage{}, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return BuiltImage{}, err
	}
	l, err := layerOf(p.Name, binary, o.Created)
	if err != nil {
		return BuiltImage{}, err
	}
	one := BuiltImage{Platform: platform, Binary: info.Size()}
	if one.Compressed, err = l.Size(); err != nil {
		return BuiltImage{}, err
	}
	if one.image, err = o.assemble(p, platform, l); err != nil {
		return BuiltImage{}, fmt.Errorf("make the image of %s for %s: %w", p.Name, platform, err)
	}
	if one.Digest, err = one.image.Digest(); err != nil {
		return BuiltImage{}, err
	}
	linked, err := buildinfo.ReadFile(binary)
	if err != nil {
		return BuiltImage{}, fmt.Errorf("read what %s was linked from: %w", p.Name, err)
	}
	if one.sbom, err = o.sbom(p, linked); err != nil {
		return BuiltImage{}, fmt.Errorf("make the SBOM of %s for %s: %w", p.Name, platform, err)
	}
	return one, nil
}

// assemble puts a layer and a configuration together.
func (o *Options) assemble(p Program, platform v1.Platform, l v1.Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img, mutate.Addendum{Layer: l, MediaType: types.OCILayer,
		History: v1.History{Created: v1.Time{Time: o.Created}, CreatedBy: "vworkspace.io/fleet/deploy/image"}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = platform.OS, platform.Architecture, v1.Time{Time: o.Created}
	config.Config = v1.Config{User: user, Entrypoint: []string{"/" + p.Name}, WorkingDir: "/", Labels: o.labels(p)}
	return mutate.ConfigFile(img, config)
}

// labels of an image, by the names that OCI gives them.
func (o *Options) labels(p Program) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title": p.Title, prefix + "description": p.Description,
		prefix + "version": o.Version, prefix + "revision": o.Revision, prefix + "source": o.Source,
		prefix + "licenses": "Apache-2.0", prefix + "created": o.Created.UTC().Format(time.RFC3339),
	}
}

// Print says what became of a program.
func (b Built) Print(w io.Writer) {
	fmt.Fprintf(w, "%s %s\n", b.Program.Name, b.Digest)
	for _, i := range b.Images {
		fmt.Fprintf(w, "  %s: %.1f MB, %.1f MB to pull, %s\n", i.Platform, float64(i.Binary)/1e6, float64(i.Compressed)/1e6, i.Digest)
	}
}
