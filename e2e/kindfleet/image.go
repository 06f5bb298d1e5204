// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image is what a container of this fleet is made of: a few files, and no base.
type image struct {
	// name with its tag.
	name string
	// files by their path in the image; the values are paths on this machine. What a binary is linked with goes along.
	files map[string]string
	// entrypoint, when a pod names no command.
	entrypoint []string
	// user that it runs as; root when empty.
	user string
	// base is an archive of a root filesystem below the files; nothing when empty.
	base string
	// root is where files and their libraries come from; this machine's own when empty.
	root string
}

// writeImages writes images into one archive that containerd and Docker can load.
func writeImages(ctx context.Context, path string, images []image) error {
	all := map[name.Tag]v1.Image{}
	for _, i := range images {
		tag, err := name.NewTag(i.name, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("image %s: %w", i.name, err)
		}
		if all[tag], err = i.build(ctx); err != nil {
			return fmt.Errorf("image %s: %w", i.name, err)
		}
	}
	scratch := path + ".part"
	if err := tarball.MultiWriteToFile(scratch, all); err != nil {
		return err
	}
	return os.Rename(scratch, path)
}

func (i image) build(ctx context.Context) (v1.Image, error) {
	raw, err := i.archive(ctx)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }, tarball.WithCompressionLevel(1))
	if err != nil {
		return nil, err
	}
	layers := []v1.Layer{layer}
	if i.base != "" {
		base, err := tarball.LayerFromFile(i.base, tarball.WithCompressionLevel(1))
		if err != nil {
			return nil, err
		}
		layers = []v1.Layer{base, layer}
	}
	built, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	file, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	file.Config.Entrypoint, file.Config.User = i.entrypoint, i.user
	return mutate.ConfigFile(built, file)
}

// archive is the image's one layer.
func (i image) archive(ctx context.Context) ([]byte, error) {
	files, err := i.withLibraries(ctx)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	t := &layer{tar.NewWriter(&out), map[string]bool{}}
	if err := t.folder("tmp", 0o1777); err != nil {
		return nil, err
	}
	for _, to := range slices.Sorted(maps.Keys(files)) {
		raw, err := os.ReadFile(files[to])
		if err != nil {
			return nil, err
		}
		if err := t.file(to, raw, 0o755); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), t.Close()
}

// libraryLine is what ldd says of a library: its path, and where it was asked for from.
var libraryLine = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x`)

// withLibraries adds what the binaries are linked with, at the paths where they look for it.
func (i image) withLibraries(ctx context.Context) (map[string]string, error) {
	files := map[string]string{}
	for to, from := range i.files {
		files[to] = filepath.Join(i.root, from)
		c := command{name: "ldd", args: []string{from}}
		if i.root != "" {
			c = command{name: "chroot", args: []string{i.root, "ldd", from}}
		}
		said, err := run(ctx, c)
		if err != nil {
			if strings.Contains(err.Error(), "not a dynamic executable") {
				continue
			}
			return nil, err
		}
		for _, found := range libraryLine.FindAllStringSubmatch(said, -1) {
			target, err := filepath.EvalSymlinks(filepath.Join(cmp.Or(i.root, "/"), found[1]))
			if err != nil {
				return nil, err
			}
			files[strings.TrimPrefix(found[1], "/")] = target
		}
	}
	return files, nil
}

// layer is an archive in which every file has its folders.
type layer struct {
	*tar.Writer
	there map[string]bool
}

func (l *layer) folder(name string, mode int64) error {
	if name == "." || l.there[name] {
		return nil
	}
	if err := l.folder(path.Dir(name), 0o755); err != nil {
		return err
	}
	l.there[name] = true
	return l.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}

func (l *layer) file(name string, content []byte, mode fs.FileMode) error {
	name = strings.TrimPrefix(name, "/")
	if err := l.folder(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := l.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: int64(mode)}); err != nil {
		return err
	}
	_, err := l.Write(content)
	return err
}
