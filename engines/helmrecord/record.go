// SPDX-License-Identifier: Apache-2.0

// Package helmrecord reads the records that Helm keeps of a release's revisions, without its values. Helm's own reader of them would bring its storage
// drivers, and read all revisions of all releases; this reads one Secret, by its name.
package helmrecord

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// Record is what is read of a revision's record: nothing of the values and the manifests that are beside it.
type Record struct {
	// Name of the release, and Version of its revision.
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Hooks of the chart, in the order that Helm has recorded.
	Hooks []*release.Hook `json:"hooks"`
	// Annotations of the chart's Chart.yaml.
	Annotations Annotations `json:"chart"`
	// Secret that it was read from, and its UID.
	Secret string    `json:"-"`
	UID    types.UID `json:"-"`
}

// Annotations of a chart.
type Annotations map[string]string

// UnmarshalJSON takes them from a chart. One that cannot be read has none.
func (a *Annotations) UnmarshalJSON(raw []byte) error {
	var chart struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &chart) == nil {
		*a = chart.Metadata.Annotations
	}
	return nil
}

const (
	// SecretType is Helm's type of the Secrets that hold release records.
	SecretType corev1.SecretType = "helm.sh/release.v1"
	// SecretKey is where a record is in its Secret.
	SecretKey = "release"
	// MaxRecord bytes are unpacked. Helm's records fit into a Secret of 1 MiB; what unpacks to more than this was not written by Helm, and is cut,
	// so that it cannot be decoded.
	MaxRecord = 64 << 20
)

var (
	// ErrGone is returned when a record is not there, or is another one.
	ErrGone = errors.New("the release record is gone")
	// ErrUnreadable is returned when a Secret holds something else than a record. Its cause is left out: a decoder quotes what it stumbles over, and that
	// may be one of the chart's values.
	ErrUnreadable = errors.New("the Secret does not hold a release record as Helm writes it")
)

// InForce is the newest deployed revision; nil when none is. It need not be the newest one: that may be an upgrade that failed, or goes on.
func InForce(history helmv2.Snapshots) *helmv2.Snapshot {
	var newest *helmv2.Snapshot
	for _, s := range history {
		if s.Status == release.StatusDeployed.String() && (newest == nil || s.Version > newest.Version) {
			newest = s
		}
	}
	return newest
}

// SecretOf is the name of the Secret with the record of a revision.
func SecretOf(s *helmv2.Snapshot) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", s.Name, s.Version)
}

// Read a record; with a UID, that one and no other of its name. The error is ErrGone or ErrUnreadable, an *engines.BlockedError where it may not be read, or
// why nobody could be asked.
func Read(ctx context.Context, r client.Reader, key client.ObjectKey, uid types.UID) (*Record, error) {
	secret := &corev1.Secret{}
	err := r.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, ErrGone
	case apierrors.IsForbidden(err):
		return nil, forbidden(key, err)
	case err != nil:
		return nil, fmt.Errorf("read the release record: %w", err)
	case uid != "" && uid != secret.UID:
		return nil, ErrGone
	}
	rec := &Record{}
	if secret.Type != SecretType || unpack(secret.Data[SecretKey], rec) != nil {
		return nil, ErrUnreadable
	}
	rec.Secret, rec.UID = secret.Name, secret.UID
	return rec, nil
}

// unpack decodes what Helm stores: base64 of gzip of JSON. Helm's oldest records are not compressed.
func unpack(stored []byte, into *Record) error {
	packed, err := base64.StdEncoding.DecodeString(string(stored))
	if err != nil {
		return err
	}
	var plain io.Reader = bytes.NewReader(packed)
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b}) {
		if plain, err = gzip.NewReader(plain); err != nil {
			return err
		}
	}
	text, err := io.ReadAll(io.LimitReader(plain, MaxRecord))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// forbiddenUser finds whom the API server turned away.
var forbiddenUser = regexp.MustCompile(`User "([^"]+)"`)

// forbidden tells an administrator how to allow it. The agent has no right to read Secrets anywhere until somebody decides so.
func forbidden(key client.ObjectKey, err error) error {
	user := "USER"
	if m := forbiddenUser.FindStringSubmatch(err.Error()); m != nil {
		user = m[1]
	}
	grant := engines.Grant{Role: "vworkspace-release-records", Namespace: key.Namespace, User: user, Verbs: []string{"get"}, Resource: "secrets"}
	return &engines.BlockedError{Reason: opsv1alpha1.ReasonRbacProfileMissing, Message: fmt.Sprintf(
		"the agent may not read Secret %s, where Helm keeps the chart. To let it read the Secrets of this namespace: %s. "+
			"The API server says: %v", key, grant.Commands(), err)}
}
