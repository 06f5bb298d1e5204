// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// signingKeyID is the kid of the key by which the fake signs.
const signingKeyID = "controlplane-fake"

// NewJob is a job to enqueue.
type NewJob struct {
	// Job as it is to be given out. Without an ID it gets one, and CreatedAt where that is zero.
	wire.Job
	// Cluster is the identity that it is for; Options.ClusterID when empty.
	Cluster string
	// Object is marshalled into the Payload, where it is not nil.
	Object any
	// Sign it by the fake's key, which SigningKeys has.
	Sign bool
	// Encrypt it to the key that the identity has registered, or that SetPublicKey has set.
	Encrypt bool
}

// EnqueueJob has the next poll answered with a job, and returns its id.
func (f *Fake) EnqueueJob(n NewJob) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := &job{JobState: JobState{Job: n.Job, Cluster: n.Cluster}}
	if j.Cluster == "" {
		j.Cluster = f.options.ClusterID
	}
	if j.Job.ID == "" {
		j.Job.ID = fmt.Sprintf("job-%d", len(f.jobs)+1)
	}
	if f.job(j.Job.ID) != nil {
		return "", fmt.Errorf("there is a job %q already", j.Job.ID)
	}
	if j.Job.CreatedAt.IsZero() {
		j.Job.CreatedAt = f.now()
	}
	if n.Object != nil {
		raw, err := json.Marshal(n.Object)
		if err != nil {
			return "", fmt.Errorf("marshal the payload: %w", err)
		}
		j.Job.Payload = raw
	}
	if err := f.protect(j, n); err != nil {
		return "", err
	}
	f.jobs = append(f.jobs, j)
	f.byID[j.Job.ID] = j
	f.change()
	return j.Job.ID, nil
}

// SigningKeys is the JSON Web Key Set with the key by which the fake signs.
func (f *Fake) SigningKeys() []byte {
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: f.signing.Public(), KeyID: signingKeyID, Algorithm: string(jose.EdDSA), Use: "sig"},
	}})
	if err != nil {
		panic(err) // The fake has made the key itself.
	}
	return set
}

// PublicKey is the JSON Web Key that an identity has registered; nil when it has none.
func (f *Fake) PublicKey(clusterID string) json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	if who := f.identities[clusterID]; who != nil {
		return who.publicKey
	}
	return nil
}

// SetPublicKey to encrypt the payloads of an identity to.
func (f *Fake) SetPublicKey(clusterID string, key json.RawMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.identities[clusterID] == nil {
		f.identities[clusterID] = &identity{clusterID: clusterID}
	}
	f.identities[clusterID].publicKey = key
}

// protect signs and encrypts a job as it is to be. The caller holds mu.
func (f *Fake) protect(j *job, n NewJob) error {
	if n.Sign {
		signature, err := f.sign(j.Job.Payload)
		if err != nil {
			return fmt.Errorf("sign the payload: %w", err)
		}
		j.Job.Signature = signature
	}
	if !n.Encrypt {
		return nil
	}
	who := f.identities[j.Cluster]
	if who == nil || len(who.publicKey) == 0 {
		return fmt.Errorf("identity %q has no public key to encrypt to", j.Cluster)
	}
	text, err := encrypt(who.publicKey, j.Job.Payload)
	if err != nil {
		return fmt.Errorf("encrypt the payload: %w", err)
	}
	j.Job.EncryptedPayload, j.Job.Payload = text, nil
	return nil
}

// sign makes a detached signature over the canonical form of a payload.
func (f *Fake) sign(payload []byte) (string, error) {
	canonical, err := jcs.Transform(payload)
	if err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithHeader("kid", signingKeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: f.signing}, options)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(canonical)
	if err != nil {
		return "", err
	}
	return signed.DetachedCompactSerialize()
}

func encrypt(publicKey, payload []byte) (string, error) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(publicKey, &key); err != nil {
		return "", err
	}
	if !key.IsPublic() {
		return "", errors.New("the key is not a public one")
	}
	recipient := jose.Recipient{Algorithm: jose.KeyAlgorithm(key.Algorithm), Key: key.Key, KeyID: key.KeyID}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, recipient, nil)
	if err != nil {
		return "", err
	}
	object, err := encrypter.Encrypt(payload)
	if err != nil {
		return "", err
	}
	return object.CompactSerialize()
}
