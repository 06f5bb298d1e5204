// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// unwell says what is wrong with the pods of a namespace: where they stand, and the end of their logs. It is for the message of a failure.
func (f *Fleet) unwell(ctx context.Context, c *Cluster, namespace string) error {
	ctx = context.WithoutCancel(ctx)
	kube, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	pods, err := kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "pods of %s on %s:", namespace, c.Name)
	for i := range pods.Items {
		p := &pods.Items[i]
		_, _ = fmt.Fprintf(&b, "\n%s: %s", p.Name, p.Status.Phase)
		for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			_, _ = fmt.Fprintf(&b, "\n  %s: %+v", s.Name, s.State)
		}
		logs, err := kube.CoreV1().Pods(namespace).GetLogs(p.Name, &corev1.PodLogOptions{TailLines: ptr.To[int64](20)}).Stream(ctx)
		if err != nil {
			continue
		}
		said, _ := io.ReadAll(logs)
		_ = logs.Close()
		_, _ = fmt.Fprintf(&b, "\n%s", said)
	}
	return errors.New(b.String())
}
