// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// sbomType is the media type of a CycloneDX document.
const sbomType = types.MediaType("application/vnd.cyclonedx+json")

// write the layout, the tarballs and the SBOMs, in place of those that are there, and note the index's digest.
func (o *Options) write(b *Built) error {
	tag, err := name.NewTag(o.Repository + "/" + b.Program.Name + ":" + o.Version)
	if err != nil {
		return err
	}
	for _, i := range b.Images {
		base := filepath.Join(o.Out, b.Program.Name+"-"+i.Platform.Architecture)
		if err := tarball.WriteToFile(base+".tar", tag, i.image); err != nil {
			return fmt.Errorf("write %s.tar: %w", base, err)
		}
		if err := os.WriteFile(base+".cdx.json", i.sbom, 0o644); err != nil {
			return err
		}
	}
	folder := filepath.Join(o.Out, b.Program.Name+".oci")
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := o.writeLayout(folder, b); err != nil {
		return fmt.Errorf("write %s: %w", folder, err)
	}
	return nil
}

func (o *Options) writeLayout(folder string, b *Built) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range b.Images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: i.image, Descriptor: v1.Descriptor{Platform: &i.Platform}})
	}
	annotated, ok := mutate.Annotations(index, o.labels(b.Program)).(v1.ImageIndex)
	if !ok {
		return fmt.Errorf("annotations turned the index into %T", annotated)
	}
	var err error
	if b.Digest, err = annotated.Digest(); err != nil {
		return err
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	// By this annotation the tools that copy a layout into a registry find the tag.
	if err := path.AppendIndex(annotated, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.Version})); err != nil {
		return err
	}
	for _, i := range b.Images {
		attached, err := attach(i)
		if err != nil {
			return err
		}
		if err := path.AppendImage(attached); err != nil {
			return err
		}
	}
	return nil
}

// attach makes the SBOM an artifact whose subject is the image: what a registry lists as the image's referrers.
func attach(i BuiltImage) (v1.Image, error) {
	subject, err := partial.Descriptor(i.image)
	if err != nil {
		return nil, err
	}
	artifact := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), sbomType)
	artifact, err = mutate.Append(artifact, mutate.Addendum{Layer: static.NewLayer(i.sbom, sbomType), MediaType: sbomType})
	if err != nil {
		return nil, err
	}
	attached, ok := mutate.Subject(artifact, v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("a subject turned the artifact into %T", attached)
	}
	return attached, nil
}
