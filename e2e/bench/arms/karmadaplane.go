// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/bench/bed"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	karmadaModule  = "github.com/karmada-io/karmada"
	karmadaAPI     = "karmada-aggregated-apiserver"
	karmadaManager = "karmada-controller-manager"
	karmadaSched   = "karmada-scheduler"
	karmadaWebhook = "karmada-webhook"
	karmadaSystem  = "karmada-system"
	// karmadaSpaces is what the namespaces of Works begin with.
	karmadaSpaces = "karmada-es-"
	// karmadaReady is how long its processes may take to serve each other.
	karmadaReady = 2 * time.Minute
	// karmadaRegister is how long new clusters may take.
	karmadaRegister = 15 * time.Minute
)

var karmadaCluster = schema.GroupVersionKind{Group: "cluster.karmada.io", Version: "v1alpha1", Kind: "Cluster"}

// karmadaPrograms are built from e2e/bench/peers/karmada.
func karmadaPrograms() testbed.Module {
	return testbed.Module{
		Path: "e2e/bench/peers/karmada",
		Packages: map[string]string{
			karmadaAPI: karmadaModule + "/cmd/aggregated-apiserver", karmadaManager: karmadaModule + "/cmd/controller-manager",
			karmadaSched: karmadaModule + "/cmd/scheduler", karmadaWebhook: karmadaModule + "/cmd/webhook",
		},
		Folders: []testbed.Folder{
			{Name: "karmada-crds", Module: karmadaModule, Dir: "charts/karmada/_crds/bases", Files: "*/*.yaml"},
			{Name: "karmada-webhooks", Module: karmadaModule, Dir: "artifacts/deploy", Files: "webhook-configuration.yaml"},
		},
	}
}

// Prepare installs the CRDs and registers clusters: Karmada's own controller makes their namespaces, with its limits lifted, because that is not what is
// measured.
func (k *karmada) Prepare(ctx context.Context, b *bed.Bed, n int) error {
	err := k.build(ctx, b, karmadaPrograms(), k.install)
	if err != nil || k.members >= n {
		return err
	}
	k.running = nil
	err = errors.Join(k.serveClusters(ctx, true), k.register(ctx, n))
	if err == nil {
		k.members = n
	}
	return errors.Join(err, k.withdraw(context.WithoutCancel(ctx)), k.halt())
}

func (k *karmada) install(ctx context.Context) error {
	if err := testbed.ApplyFiles(ctx, k.bed.Config, k.folders["karmada-crds"]); err != nil {
		return err
	}
	return k.apply(ctx, namespaceObject(karmadaSystem), namespaceObject("karmada-cluster"))
}

func namespaceObject(name string) map[string]any {
	return map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}
}

// Start is over when a ConfigMap has been brought to one cluster.
func (k *karmada) Start(ctx context.Context, _ int) error {
	k.running = nil
	if err := k.serveClusters(ctx, k.lifted); err != nil {
		return err
	}
	if err := k.serveWebhook(ctx); err != nil {
		return err
	}
	if err := k.startManager(ctx, k.lifted); err != nil {
		return err
	}
	_, health, err := loopback()
	if err != nil {
		return err
	}
	err = k.launch(ctx, karmadaSched, "http://"+health+"/healthz", nil, append(karmadaLimits(k.lifted),
		"--kubeconfig="+k.bed.Fleet.Hub.KubeconfigPath, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address="+health)...)
	if err != nil {
		return err
	}
	return k.ready(ctx, k)
}

func (k *karmada) Stop() error {
	ctx, cancel := undo()
	defer cancel()
	return errors.Join(k.withdraw(ctx), k.halt())
}

// withdraw takes away that the API server asks Karmada: nobody would answer, and every list of kinds would be incomplete.
func (k *karmada) withdraw(ctx context.Context) error {
	var errs []error
	for kind, name := range map[schema.GroupVersionKind]string{
		{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}:                           karmadaAPIService,
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"}:   "mutating-config",
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"}: "validating-config",
	} {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(kind)
		o.SetName(name)
		errs = append(errs, client.IgnoreNotFound(k.bed.Client.Delete(ctx, o)))
	}
	return errors.Join(errs...)
}

// karmadaLimits are the flags for a client that nobody limits; none for the default of 40 requests a second, 60 in a burst.
func karmadaLimits(lifted bool) []string {
	if !lifted {
		return nil
	}
	return []string{"--kube-api-qps=10000", "--kube-api-burst=10000"}
}

const karmadaAPIService = "v1alpha1.cluster.karmada.io"

// serveClusters starts the aggregated API server, with a part of the hub's etcd for itself, and has the hub's API server pass on to it what is about
// Clusters.
func (k *karmada) serveClusters(ctx context.Context, lifted bool) error {
	port, address, err := loopback()
	if err != nil {
		return err
	}
	kubeconfig := k.bed.Fleet.Hub.KubeconfigPath
	err = k.launch(ctx, karmadaAPI, "https://"+address+"/readyz", nil, append(karmadaLimits(lifted),
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--etcd-servers="+k.bed.Fleet.EtcdURL, "--etcd-prefix=/karmada",
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(port), "--cert-dir="+filepath.Join(k.bed.Fleet.Dir(), "data", karmadaAPI))...)
	if err != nil {
		return err
	}
	err = k.apply(ctx, map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"namespace": karmadaSystem, "name": karmadaAPI},
		"spec": map[string]any{"type": "ExternalName", "externalName": "localhost"},
	}, map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": karmadaAPIService},
		"spec": map[string]any{
			"group": karmadaCluster.Group, "version": karmadaCluster.Version, "groupPriorityMinimum": 2000, "versionPriority": 10,
			"insecureSkipTLSVerify": true, // on loopback, with a certificate of its own
			"service":               map[string]any{"namespace": karmadaSystem, "name": karmadaAPI, "port": port},
		},
	})
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, karmadaReady, true, func(ctx context.Context) (bool, error) {
		clusters := &unstructured.UnstructuredList{}
		clusters.SetGroupVersionKind(karmadaCluster.GroupVersion().WithKind("ClusterList"))
		last = k.bed.Client.List(ctx, clusters, client.Limit(1))
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for Karmada's Clusters to be served: %w", errors.Join(err, last))
	}
	return nil
}

// serveWebhook starts the webhook and has the API server ask it, by the rules of Karmada's own installation.
func (k *karmada) serveWebhook(ctx context.Context) error {
	port, address, err := loopback()
	if err != nil {
		return err
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		return err
	}
	dir := filepath.Join(k.bed.Fleet.Dir(), "data", karmadaWebhook)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	err = k.launch(ctx, karmadaWebhook, "https://"+address+"/readyz/", nil, append(karmadaLimits(k.lifted),
		"--kubeconfig="+k.bed.Fleet.Hub.KubeconfigPath, "--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(port), "--cert-dir="+dir,
		"--metrics-bind-address=0", "--health-probe-bind-address=0")...)
	if err != nil {
		return err
	}
	rules, err := os.ReadFile(filepath.Join(k.folders["karmada-webhooks"], "webhook-configuration.yaml"))
	if err != nil {
		return err
	}
	rules = bytes.ReplaceAll(rules, []byte("https://karmada-webhook.karmada-system.svc:443"), []byte("https://"+address))
	rules = bytes.ReplaceAll(rules, []byte("{{caBundle}}"), []byte(base64.StdEncoding.EncodeToString(certificate)))
	return testbed.Apply(ctx, k.bed.Config, rules)
}

// othersNamespaces are regular expressions of the namespaces that Karmada would not find in a control plane of its own.
var othersNamespaces = []string{
	"kube-.*", "default", "c[0-9]+", "open-cluster-management.*", "vworkspace.*", "fleet-.*", "cluster-fleet-.*", "cattle-.*",
}

// startManager starts the controller manager. Fake clusters have no agents that renew their leases, so that it is told to wait for a day. Its controller of
// namespaces is off: it would make a Work for each namespace of every other arm, for each cluster, and be at it for hours.
func (k *karmada) startManager(ctx context.Context, lifted bool) error {
	_, health, err := loopback()
	if err != nil {
		return err
	}
	return k.launch(ctx, karmadaManager, "http://"+health+"/healthz", nil, append(karmadaLimits(lifted),
		"--kubeconfig="+k.bed.Fleet.Hub.KubeconfigPath, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address="+health,
		"--cluster-monitor-grace-period=24h", "--cluster-startup-grace-period=24h",
		"--controllers=*,-namespace",
		"--skipped-propagating-apis="+strings.Join(append([]string{"v1/Namespace"}, othersKinds...), ";"),
		"--skipped-propagating-namespaces="+strings.Join(othersNamespaces, ","))...)
}

// register makes Clusters until there are n, as their agents would in pull mode, and waits until the controller manager has done with them.
func (k *karmada) register(ctx context.Context, n int) error {
	had, begun := k.members, time.Now()
	clusters := k.bed.Clusters(n)
	if err := bed.Each(ctx, n-had, func(ctx context.Context, i int) error { return k.addCluster(ctx, had+i) }); err != nil {
		return fmt.Errorf("register clusters with Karmada: %w", err)
	}
	if err := k.startManager(ctx, true); err != nil {
		return err
	}
	err := bed.Each(ctx, n-had, func(ctx context.Context, i int) error {
		if err := k.hasFinalizer(ctx, clusters[had+i]); err != nil {
			return err
		}
		return k.bed.HasAccount(ctx, karmadaSpaces+clusters[had+i])
	})
	if err != nil {
		return fmt.Errorf("wait until Karmada has taken in clusters: %w", err)
	}
	k.bed.Tell("%d clusters with Karmada in %s", n, time.Since(begun).Round(time.Second))
	return nil
}

// addCluster makes one as its agent does, with its status: ready, and able to take ConfigMaps.
func (k *karmada) addCluster(ctx context.Context, i int) error {
	c := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"syncMode": "Pull", "id": "fake-" + strconv.Itoa(i), "apiEndpoint": "https://" + k.bed.Clusters(i + 1)[i] + ".example:6443",
	}}}
	c.SetGroupVersionKind(karmadaCluster)
	c.SetName(k.bed.Clusters(i + 1)[i])
	c.SetLabels(k.bed.Labels(i))
	if err := k.bed.Client.Create(ctx, c); err != nil {
		return client.IgnoreAlreadyExists(err)
	}
	c.Object["status"] = map[string]any{
		"kubernetesVersion": testbed.KubernetesVersion,
		"apiEnablements": []any{map[string]any{
			"groupVersion": "v1", "resources": []any{map[string]any{"kind": "ConfigMap", "name": "configmaps"}},
		}},
		"conditions": []any{karmadaCondition("Ready", "ClusterReady"), karmadaCondition("CompleteAPIEnablements", "FullAPIEnablements")},
	}
	return k.bed.Client.Status().Update(ctx, c)
}

func karmadaCondition(kind, reason string) map[string]any {
	return map[string]any{
		"type": kind, "status": string(corev1.ConditionTrue), "reason": reason, "message": "a fake cluster",
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}
}

// hasFinalizer waits for the last that the controller manager does to a new cluster.
func (k *karmada) hasFinalizer(ctx context.Context, name string) error {
	return wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, karmadaRegister, true, func(ctx context.Context) (bool, error) {
		c := &unstructured.Unstructured{}
		c.SetGroupVersionKind(karmadaCluster)
		err := k.bed.Client.Get(ctx, client.ObjectKey{Name: name}, c)
		return len(c.GetFinalizers()) > 0, err
	})
}
