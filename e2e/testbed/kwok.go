// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	_ "embed"
)

// Annotations of a Pod (put them on the template) that say how its simulation goes.
const (
	// AnnotationOutcome set to OutcomeFail makes a Job's Pod fail with exit code 1, and any other Pod never ready.
	AnnotationOutcome = "testbed.vworkspace.io/outcome"
	OutcomeFail       = "fail"
	// AnnotationMessage is the termination message of a Job's Pod.
	AnnotationMessage = "testbed.vworkspace.io/message"
	// AnnotationDuration is how long a Job's Pod runs, as a Go duration; 300ms by default.
	AnnotationDuration = "testbed.vworkspace.io/duration"
)

// Names of a PersistentVolumeClaim begin with these to say how a Job's Pod goes that mounts it, where nobody can annotate the Pod: VolSync's movers.
const (
	// ClaimBroken makes it fail with exit code 1.
	ClaimBroken = "broken-"
	// ClaimSlow makes it run for 4 s.
	ClaimSlow = "slow-"
	// ClaimStuck makes it run for an hour.
	ClaimStuck = "stuck-"
)

// nodeName is the one simulated node of a spoke.
const nodeName = "simulated"

// kwokStages says what becomes of nodes and Pods.
//
//go:embed manifests/kwok-stages.yaml
var kwokStages []byte

// kwokNode is the simulated node.
//
//go:embed manifests/kwok-node.yaml
var kwokNode []byte

// startKWOK simulates a node and the Pods on it; it returns when the node is Ready.
func (f *Fleet) startKWOK(ctx context.Context, spoke *Cluster) error {
	stages := f.dir.data(spoke.Name, "kwok-stages.yaml")
	if err := os.WriteFile(stages, kwokStages, 0o644); err != nil {
		return fmt.Errorf("write KWOK's stages: %w", err)
	}
	if err := Apply(ctx, spoke.config, kwokNode); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(spoke.Config())
	if err != nil {
		return err
	}
	_, err = f.sup.launch(ctx, func() (Command, probe, error) {
		port, err := freePort()
		return Command{
			Name: spoke.process("kwok"),
			Path: f.bin.path(kwok),
			Args: []string{
				"--kubeconfig=" + spoke.KubeconfigPath,
				"--config=" + stages,
				"--manage-all-nodes=true",
				"--cidr=10.244.0.0/16", "--node-ip=" + loopback,
				// A restarted KWOK would wait for its predecessor's leases to run out, and simulate nothing meanwhile.
				"--node-lease-duration-seconds=0",
				"--server-address=" + address(port),
			},
			// Its own settings in the home of whoever runs the testbed must not change the simulation.
			Env: append(f.childEnv(), "KWOK_WORKDIR="+f.dir.data(spoke.Name, "kwok")),
		}, nodeReady(client), err
	})
	return err
}

// startScheduler binds Pods to the simulated node.
func (f *Fleet) startScheduler(ctx context.Context, spoke *Cluster) error {
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		port, err := freePort()
		return Command{
			Name: spoke.process("kube-scheduler"),
			Path: f.bin.path(kubeScheduler),
			Args: []string{
				"--kubeconfig=" + spoke.KubeconfigPath,
				"--leader-elect=false",
				"--bind-address=" + loopback, fmt.Sprintf("--secure-port=%d", port),
				// Otherwise it spends half a second on an RSA key of its own.
				"--tls-cert-file=" + spoke.pki.path("apiserver.crt"),
				"--tls-private-key-file=" + spoke.pki.path("apiserver.key"),
				"--kube-api-qps=200", "--kube-api-burst=400",
				"--profiling=false",
			},
			Env: f.childEnv(),
		}, httpReady(serverURL(port) + "/healthz"), err
	})
	return err
}

func nodeReady(client kubernetes.Interface) probe {
	return func(ctx context.Context) error {
		node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("node %s is not Ready yet", nodeName)
	}
}
