// SPDX-License-Identifier: Apache-2.0

package images

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const (
	digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	other  = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// TestAllowed: what an entry allows, and what looks like it and is not.
func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		entry      string
		allows, no []string
	}{
		{"registry.example.com/tools/",
			[]string{"registry.example.com/tools/backup", "registry.example.com/tools/backup:1.4", "registry.example.com/tools/a/b@" + digest},
			[]string{"registry.example.com/tools", "registry.example.com/tools:1", "registry.example.com/tools-evil/x", "registry.example.com/toolsx",
				"registry.example.com/tools/../evil", "registry.example.com/tools//x", "registry.example.com:5000/tools/backup",
				"registry.example.com.evil.example/tools/backup", "evil.example/registry.example.com/tools/backup", "http://registry.example.com/tools/x",
				"registry.example.com/tools/", "registry.example.com/tools/Backup", "registry.example.com/tools/x:", "registry.example.com/tools/x@sha256:1"}},
		{"registry.example.com/", []string{"registry.example.com/x", "registry.example.com/x/y:1"},
			[]string{"registry.example.com", "registry.example.com.evil/x", "registry.example.com:443/x", "x"}},
		{"registry.example.com", []string{}, []string{"registry.example.com/x"}},
		{"registry.example.com/tools", []string{"registry.example.com/tools", "registry.example.com/tools:9", "registry.example.com/tools@" + digest},
			[]string{"registry.example.com/tools/x", "registry.example.com/tools-evil", "registry.example.com/tool"}},
		{"registry.example.com/a:1", []string{"registry.example.com/a:1"},
			[]string{"registry.example.com/a", "registry.example.com/a:10", "registry.example.com/a:1@" + digest, "registry.example.com/a@" + digest}},
		{"registry.example.com/a:latest", []string{"registry.example.com/a", "registry.example.com/a:latest"}, []string{"registry.example.com/a@" + digest}},
		{"registry.example.com/a@" + digest, []string{"registry.example.com/a@" + digest, "registry.example.com/a:9@" + digest},
			[]string{"registry.example.com/a", "registry.example.com/a@" + other, "registry.example.com/b@" + digest}},
		{"registry.example.com:5000/a", []string{"registry.example.com:5000/a:1"}, []string{"registry.example.com/a:5000"}},
		{"nginx", []string{"nginx", "nginx:1", "docker.io/nginx", "docker.io/library/nginx", "index.docker.io/library/nginx"},
			[]string{"nginxx", "evil/nginx", "evil.example/nginx", "evil.example/library/nginx", "localhost/nginx", "localhost/library/nginx"}},
		{"docker.io/", []string{"nginx", "someone/x"}, []string{"localhost/x", "quay.io/x", "someone.example/x"}},
		{"docker.io/library/", []string{"nginx", "library/nginx"}, []string{"someone/x", "library.example/nginx"}},
		{"someone/", []string{"someone/x", "docker.io/someone/x"}, []string{"someone", "x/someone/x", "someone.example/x", "localhost/someone/x"}},
		{"localhost/", []string{"localhost/x"}, []string{"docker.io/localhost/x", "localhost:5000/x"}},
		{"/", nil, []string{"nginx", "registry.example.com/x"}},
		{"*", nil, []string{"nginx"}},
		{"registry.example.com/*", nil, []string{"registry.example.com/x"}},
		{"https://registry.example.com/", nil, []string{"registry.example.com/x"}},
		{"registry.example.com/a:1/", nil, []string{"registry.example.com/a:1", "registry.example.com/a/x"}},
	} {
		for _, ref := range c.allows {
			if !Allowed(ref, []string{"evil.example/none", c.entry}) {
				t.Errorf("%s does not allow %s", c.entry, ref)
			}
		}
		for _, ref := range append(c.no, "", " ", strings.Repeat("a/", 200)+"x") {
			if Allowed(ref, []string{c.entry}) {
				t.Errorf("%s allows %s", c.entry, ref)
			}
		}
	}
}

// TestOf: no place for an image in a pod is left out.
func TestOf(t *testing.T) {
	pod := &corev1.PodSpec{
		Volumes:        []corev1.Volume{{}, {VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "volume"}}}},
		InitContainers: []corev1.Container{{Image: "init"}},
		Containers:     []corev1.Container{{Image: "one"}, {Image: "two"}},
		EphemeralContainers: []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Image: "ephemeral"}},
		},
	}
	if got := Of(pod); !slices.Equal(got, []string{"volume", "init", "one", "two", "ephemeral"}) {
		t.Error(got)
	}
}

// FuzzAllowed: what a place allows is in that place, by the name that a runtime would pull.
func FuzzAllowed(f *testing.F) {
	for _, seed := range []string{"registry.example.com/tools/x:1@" + digest, "localhost/tools/../x", "EVIL/x", "a:b/c", "registry.example.com/tools/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		const place = "registry.example.com/tools/"
		if Allowed(ref, []string{place}) && !strings.HasPrefix(ref, place) {
			t.Errorf("%s allows %q", place, ref)
		}
		if !Allowed(ref, []string{ref}) && !strings.HasSuffix(ref, "/") {
			if _, err := parse(ref); err == nil {
				t.Errorf("%q does not allow itself", ref)
			}
		}
	})
}
