// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/hosted/crowd"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

// shared are the clusters that two replicas share, as their Secrets are called. Of a and b, b is to serve one, and a the others.
var shared = []string{"one", "two", "three"}

// share is what the replicas of one story share: logical clusters of a crowd, and a namespace of its hub with Secrets and Leases.
type share struct {
	*crowd.Crowd
	namespace string
	clusters  []*crowd.Cluster
	// hosting is who a replica is where the Leases are, and hosts are the clusters by where they are reached.
	hosting *rest.Config
	hosts   map[string]string
	// patience is what every wait is bounded by.
	patience time.Duration

	// Of the story that is told:
	ledger  *ledger
	stopped atomic.Bool
	mu      sync.Mutex
	log     strings.Builder
	told    int
}

// newShares makes a crowd without controllers, for so many stories at a time.
func newShares(ctx context.Context, n int, patience time.Duration) (*crowd.Crowd, []*share, error) {
	c, err := crowd.Up(ctx, crowd.Options{Logical: n * len(shared), Up: testbed.Options{Bare: true}})
	if err != nil {
		return c, nil, err
	}
	hosting, err := testbed.As(ctx, c.Fleet.Hub.Config(), hosted.DefaultNamespace, install.HostedAccount)
	if err != nil {
		return c, nil, err
	}
	var all []*share
	for i := range n {
		s := &share{
			Crowd: c, namespace: fmt.Sprintf("shared-%d", i), clusters: c.Clusters[i*len(shared):][:len(shared)], hosting: hosting, hosts: map[string]string{},
			patience: patience,
		}
		if err := s.furnish(ctx); err != nil {
			return c, nil, err
		}
		all = append(all, s)
	}
	return c, all, nil
}

// furnish the namespace of the Secrets with the rights that a replica has.
func (s *share) furnish(ctx context.Context) error {
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	for _, o := range []client.Object{&role, &binding} {
		if err := s.Hub.Get(ctx, client.ObjectKey{Namespace: hosted.DefaultNamespace, Name: install.HostedAccount}, o); err != nil {
			return err
		}
	}
	here := metav1.ObjectMeta{Namespace: s.namespace, Name: install.HostedAccount}
	role.ObjectMeta, binding.ObjectMeta = here, here
	for _, o := range []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, &role, &binding} {
		if err := s.Hub.Create(ctx, o); err != nil {
			return err
		}
	}
	for i, c := range s.clusters {
		config, err := clientcmd.RESTConfigFromKubeConfig(c.Secret(s.namespace, shared[i]).Data[hosted.SecretKey])
		if err != nil {
			return err
		}
		at, err := url.Parse(config.Host)
		if err != nil {
			return err
		}
		s.hosts[at.Host] = shared[i]
	}
	return nil
}

// clear takes away what the story before has left.
func (s *share) clear(ctx context.Context) error {
	s.ledger = newLedger()
	s.stopped.Store(false)
	s.mu.Lock()
	s.log.Reset()
	s.told++
	s.mu.Unlock()
	all := client.InNamespace(s.namespace)
	err := errors.Join(s.Hub.DeleteAllOf(ctx, &corev1.Secret{}, all), s.Hub.DeleteAllOf(ctx, &coordinationv1.Lease{}, all))
	for _, c := range s.clusters {
		for _, kind := range []schema.GroupVersionKind{opsv1alpha1.GroupVersion.WithKind("Operation"), jobs} {
			list, failed := s.list(ctx, c, kind)
			err = errors.Join(err, failed)
			for _, o := range list {
				err = errors.Join(err, client.IgnoreNotFound(c.Admin.Patch(ctx, &o, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))),
					client.IgnoreNotFound(c.Admin.Delete(ctx, &o, client.PropagationPolicy(metav1.DeletePropagationBackground))))
			}
		}
	}
	return err
}

var jobs = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}

func (s *share) list(ctx context.Context, c *crowd.Cluster, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	err := c.Admin.List(ctx, list, client.InNamespace(c.Namespace))
	return list.Items, err
}

// handOver hands the clusters over. There are Leases of a cluster that left and of a replica that died, long ago.
func (s *share) handOver(ctx context.Context) error {
	long := metav1.NewMicroTime(time.Now().Add(-time.Hour))
	for kind, name := range map[string]string{"cluster": ofCluster + "gone", "replica": ofReplica + "dead"} {
		if err := s.Hub.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: map[string]string{"app.vworkspace.io/hosted": kind}},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("dead"), RenewTime: &long},
		}); err != nil {
			return err
		}
	}
	for i, c := range s.clusters {
		if err := s.Hub.Create(ctx, c.Secret(s.namespace, shared[i])); err != nil {
			return err
		}
	}
	return nil
}

// unrest gives the agents something to write, all the time: a person changes the instances.
func (s *share) unrest(ctx context.Context) {
	for n := 0; !pause(ctx, 200*time.Millisecond); n++ {
		for _, c := range s.clusters {
			instance := &unstructured.Unstructured{}
			instance.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps.vworkspace.io", Version: "v1alpha1", Kind: "ApplicationInstance"})
			instance.SetNamespace(c.Namespace)
			instance.SetName("web")
			change := fmt.Appendf(nil, `{"spec":{"integrations":{"ingress":{"host":"h%d"}}}}`, n)
			if err := c.Admin.Patch(ctx, instance, client.RawPatch(types.MergePatchType, change)); err != nil && ctx.Err() == nil {
				s.note(fmt.Sprintf("the person could not change the instance of %s: %v", c.Name, err))
			}
		}
	}
}

// execute plays the Job controller; no Job ends before they may.
func (s *share) execute(ctx context.Context, may *atomic.Bool) {
	p := &players{}
	for !pause(ctx, 50*time.Millisecond) {
		p.hold.set("Job")
		if may.Load() {
			p.hold.unset()
		}
		for _, c := range s.clusters {
			all, err := s.list(ctx, c, jobs)
			for _, job := range all {
				if p.job(&job) {
					err = errors.Join(err, c.Admin.Status().Update(ctx, &job))
				}
			}
			if err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) {
				s.note(fmt.Sprintf("the Job controller of %s tries again: %v", c.Name, err))
			}
		}
	}
}

// tenMinutesPass for Leases that are not to be there, and that nobody writes any more. It tells what is still missing.
func (s *share) tenMinutesPass(wanted []string) func(context.Context) string {
	versions, since := map[string]string{}, map[string]time.Time{}
	return func(ctx context.Context) string {
		var all coordinationv1.LeaseList
		if err := s.Hub.List(ctx, &all, client.InNamespace(s.namespace)); err != nil {
			return err.Error()
		}
		var there []string
		for _, l := range all.Items {
			there = append(there, l.Name)
			if versions[l.Name] != l.ResourceVersion {
				versions[l.Name], since[l.Name] = l.ResourceVersion, time.Now()
			}
			if slices.Contains(wanted, l.Name) || l.Spec.RenewTime == nil || time.Since(since[l.Name]) < brief.Duration/2 || time.Since(l.Spec.RenewTime.Time) > 10*time.Minute {
				continue
			}
			l.Spec.RenewTime = ptr.To(metav1.NewMicroTime(l.Spec.RenewTime.Add(-10 * time.Minute)))
			if err := s.Hub.Update(ctx, &l); err != nil && !passing(err) {
				return err.Error()
			}
		}
		slices.Sort(there)
		if !slices.Equal(there, wanted) {
			return fmt.Sprintf("there are the Leases %v, and are to be %v", there, wanted)
		}
		return ""
	}
}

// revision of the API server with the Leases, now; empty when it cannot be asked.
func (s *share) revision(ctx context.Context) string {
	list := &corev1.ConfigMapList{}
	if err := s.Hub.List(ctx, list, client.Limit(1)); err != nil {
		return ""
	}
	return list.ResourceVersion
}

// said is what a replica logs.
func (s *share) said(replica, args string) {
	if !isHumdrum(args) {
		s.note(replica + " " + args)
	}
}

func (s *share) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.log, "%s %s\n", time.Now().Format("15:04:05.000"), line)
}

// await polls until nothing is missing.
func (s *share) await(ctx context.Context, what string, missing func(context.Context) string) error {
	seen := "nothing yet"
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, s.patience, true, func(ctx context.Context) (bool, error) {
		if now := missing(ctx); ctx.Err() == nil {
			seen = now
		}
		if s.stopped.Load() {
			return false, errors.New("a replica has stopped by itself")
		}
		return seen == "", nil
	})
	if err != nil {
		return fmt.Errorf("waited for %s: %w; last seen: %s", what, err, seen)
	}
	return nil
}
