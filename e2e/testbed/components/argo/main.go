// SPDX-License-Identifier: Apache-2.0

// Command argo is Argo's workflow controller without what its own main adds: that listens on port 6060 of every address, which only one
// per machine can have, and elects a leader.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	wfclientset "github.com/argoproj/argo-workflows/v3/pkg/client/clientset/versioned"
	"github.com/argoproj/argo-workflows/v3/workflow/common"
	"github.com/argoproj/argo-workflows/v3/workflow/controller"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// workers per queue. A testbed runs a handful of workflows at a time.
const workers = 4

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	kubeconfig := flag.String("kubeconfig", "", "the cluster's kubeconfig")
	namespace := flag.String("namespace", "argo", "where the controller's ConfigMap is")
	health := flag.String("health-addr", "", "HOST:PORT of /healthz")
	flag.Parse()
	if err := run(ctx, *kubeconfig, *namespace, *health); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, namespace, health string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	workflows, err := wfclientset.NewForConfig(config)
	if err != nil {
		return err
	}
	// The executor image is never pulled: Pods are simulated.
	c, err := controller.NewWorkflowController(ctx, config, kube, workflows, namespace, "", "simulated", "", "text", common.ConfigMapName, false)
	if err != nil {
		return err
	}
	go c.Run(ctx, workers, workers, workers, workers, workers)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", c.Healthz)
	server := &http.Server{Addr: health, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
