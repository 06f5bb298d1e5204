// SPDX-License-Identifier: Apache-2.0

package images

import (
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
)

// implicitTag is what a kubelet pulls of an image with neither tag nor digest.
const implicitTag = "latest"

// image is a reference as a kubelet reads it: by the same library, so that there is no name which means one thing here and another there.
type image struct {
	// repository with its registry: docker.io/library/nginx for nginx.
	repository string
	// tag, unless there is a digest, which wins over it.
	tag    string
	digest string
}

// parse fails for what no kubelet would pull either.
func parse(ref string) (image, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return image{}, err
	}
	i := image{repository: named.Name()}
	if d, ok := named.(reference.Digested); ok {
		i.digest = d.Digest().String()
	} else if t, ok := named.(reference.Tagged); ok {
		i.tag = t.Tag()
	}
	return i, nil
}

// Allowed tells whether one of the entries allows an image. No entry allows a name that cannot be read, and one that cannot be read itself
// allows nothing.
func Allowed(ref string, entries []string) bool {
	i, err := parse(ref)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		if i.below(entry) || i.is(entry) {
			return true
		}
	}
	return false
}

// below tells whether an entry that ends with a slash allows everything in a place that the image is in.
func (i image) below(entry string) bool {
	if !strings.HasSuffix(entry, "/") {
		return false
	}
	// Two more names make an entry one that can be read whatever it is, a registry alone or a place in one: with one, that of a registry which has
	// a default place, docker.io, would get it.
	const within = "x/x"
	place, err := parse(entry + within)
	if err != nil || place.tag != "" || place.digest != "" {
		return false
	}
	return strings.HasPrefix(i.repository, strings.TrimSuffix(place.repository, within))
}

// is tells whether an entry is the image's name, and its tag or digest, where the entry has one.
func (i image) is(entry string) bool {
	e, err := parse(entry)
	if err != nil || e.repository != i.repository {
		return false
	}
	switch {
	case e.digest != "":
		return i.digest == e.digest
	case e.tag == "":
		return true
	case i.digest != "":
		return false // a tag beside a digest says nothing about what is pulled
	case i.tag == "":
		return e.tag == implicitTag
	default:
		return i.tag == e.tag
	}
}

// Of a pod, in the order in which they are needed.
func Of(pod *corev1.PodSpec) []string {
	var all []string
	for i := range pod.Volumes {
		if source := pod.Volumes[i].Image; source != nil {
			all = append(all, source.Reference)
		}
	}
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			all = append(all, containers[i].Image)
		}
	}
	for i := range pod.EphemeralContainers {
		all = append(all, pod.EphemeralContainers[i].Image)
	}
	return all
}
