// SPDX-License-Identifier: Apache-2.0

package helmhookjob

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

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// record is what is read of a release record: the hooks, and nothing of the values that are beside them.
type record struct {
	Name    string          `json:"name"`
	Version int             `json:"version"`
	Hooks   []*release.Hook `json:"hooks"`
	// from is the Secret that it was read from.
	from revision
}

const (
	// secretType is Helm's type of the Secrets that hold release records.
	secretType corev1.SecretType = "helm.sh/release.v1"
	// secretKey is where a record is in its Secret.
	secretKey = "release"
	// maxRecord bytes are unpacked. Helm's records fit into a Secret of 1 MiB; what unpacks to more than this was not written by Helm, and is cut,
	// so that it cannot be decoded.
	maxRecord = 64 << 20
)

// errRecordGone is returned for a revision whose record is not there, or is another one.
var errRecordGone = errors.New("the release record is gone")

// readRecord reads the record of a revision: one Secret, by its name.
func readRecord(ctx context.Context, r client.Reader, run engines.Run, rev revision) (*record, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: run.Namespace(), Name: rev.secret}
	err := r.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, errRecordGone
	case apierrors.IsForbidden(err):
		return nil, forbidden(key, err)
	case err != nil:
		return nil, fmt.Errorf("read the release record: %w", err)
	case rev.uid != "" && rev.uid != secret.UID:
		return nil, errRecordGone
	}
	rec := &record{from: revision{secret: secret.Name, uid: secret.UID}}
	if secret.Type != secretType || unpack(secret.Data[secretKey], rec) != nil {
		// The cause is left out: a decoder quotes what it stumbles over, and that may be one of the chart's values.
		return nil, requiresRelease("Secret %s does not hold a release record as Helm writes it: see `helm history -n %s`", key, key.Namespace)
	}
	return rec, nil
}

// unpack decodes what Helm stores: base64 of gzip of JSON. Helm's oldest records are not compressed.
func unpack(stored []byte, into *record) error {
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
	text, err := io.ReadAll(io.LimitReader(plain, maxRecord))
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
		"the agent may not read Secret %s, where Helm keeps the chart's hooks. To let it read the Secrets of this namespace: %s. "+
			"The API server says: %v", key, grant.Commands(), err)}
}
