// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// listPage records are read at once.
const listPage = 200

// store keeps records in the API. It is read past every cache: a record that is older than what was done is worse than none.
type store struct {
	client.Client
	live      client.Reader
	namespace string
}

// create a record, or read the one that is there already.
func (s *store) create(ctx context.Context, r *Record) (*Record, error) {
	cm, err := r.configMap(s.namespace)
	if err != nil {
		return nil, err
	}
	err = s.Create(ctx, cm)
	switch {
	case apierrors.IsAlreadyExists(err):
		return s.read(ctx, cm.Name)
	case err != nil:
		return nil, fmt.Errorf("record a job: %w", err)
	}
	stored := *r
	stored.version = cm.ResourceVersion
	return &stored, nil
}

// update a record, unless somebody else has.
func (s *store) update(ctx context.Context, r *Record) (*Record, error) {
	cm, err := r.configMap(s.namespace)
	if err != nil {
		return nil, err
	}
	if err := s.Update(ctx, cm); err != nil {
		return nil, fmt.Errorf("record how far a job is: %w", err)
	}
	stored := *r
	stored.version = cm.ResourceVersion
	return &stored, nil
}

// read a record; an error that says not found when there is none.
func (s *store) read(ctx context.Context, name string) (*Record, error) {
	cm := &corev1.ConfigMap{}
	if err := s.live.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, cm); err != nil {
		return nil, fmt.Errorf("read the record of a job: %w", err)
	}
	return recordFrom(cm)
}

// list all records. One that cannot be read is told of and left alone.
func (s *store) list(ctx context.Context) ([]*Record, error) {
	var records []*Record
	for next := ""; ; {
		page := &corev1.ConfigMapList{}
		err := s.live.List(ctx, page, client.InNamespace(s.namespace), client.MatchingLabels{opsv1alpha1.LabelPart: opsv1alpha1.PartJob},
			client.Limit(listPage), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("list the records of jobs in namespace %s: %w", s.namespace, err)
		}
		for i := range page.Items {
			r, err := recordFrom(&page.Items[i])
			if err != nil {
				logf.FromContext(ctx).Error(err, "the record of a job cannot be read")
				continue
			}
			records = append(records, r)
		}
		if next = page.Continue; next == "" {
			return records, nil
		}
	}
}

// remove a record.
func (s *store) remove(ctx context.Context, r *Record) error {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: r.name()}}
	if err := s.Delete(ctx, cm, client.Preconditions{ResourceVersion: &r.version}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("forget a job: %w", err)
	}
	return nil
}
