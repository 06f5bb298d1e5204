// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/deploy"
	"vworkspace.io/fleet/e2e/testbed"
)

// answersWithin is how long a process may take to answer the API server.
const answersWithin = 2 * time.Minute

// FreeAddress is an address on loopback that nobody listens on now.
func FreeAddress() (string, error) {
	port, err := testbed.FreePort()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
}

// Admission has an API server ask the process that serves on an address, by the rules of a folder of deploy.Manifests. There is no Service to ask: nobody
// here makes addresses behind one. From now on no Operation can be created until the process answers: see AwaitAdmission.
func Admission(ctx context.Context, config *rest.Config, folder, address string) error {
	data, err := deploy.Manifests.ReadFile(folder + "/admission.yaml")
	if err != nil {
		return err
	}
	var documents [][]byte
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			return err
		}
		if !webhookConfigurations[o.GetKind()] {
			continue
		}
		if err := askAt(o, address); err != nil {
			return fmt.Errorf("%s of %s: %w", o.GetKind(), folder, err)
		}
		out, err := yaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		documents = append(documents, out)
	}
	return testbed.Apply(ctx, config, documents...)
}

// askAt puts an address in the place of the Service in a webhook configuration.
func askAt(o *unstructured.Unstructured, address string) error {
	hooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
	if err != nil {
		return err
	}
	for i := range hooks {
		hook, ok := hooks[i].(map[string]any)
		if !ok {
			return fmt.Errorf("webhook %d is no object", i)
		}
		path, _, err := unstructured.NestedString(hook, "clientConfig", "service", "path")
		if err != nil {
			return err
		}
		hook["clientConfig"] = map[string]any{"url": "https://" + address + path}
	}
	return unstructured.SetNestedSlice(o.Object, hooks, "webhooks")
}

// AwaitAdmission waits until Operations can be created, and are stamped.
func AwaitAdmission(ctx context.Context, config *rest.Config) error {
	scheme := runtime.NewScheme()
	if err := opsv1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	var last error
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		probe := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "probe-"}, Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeBackup, TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "probe"},
		}}
		last = c.Create(ctx, probe, client.DryRunAll) // nobody answers yet, or is not trusted yet
		return last == nil && probe.Annotations[opsv1alpha1.AnnotationRequestedBy] != "", nil
	})
	if err != nil && last != nil && !apierrors.IsInvalid(last) {
		err = fmt.Errorf("%w; the API server says: %w", err, last)
	}
	if err != nil {
		return fmt.Errorf("wait for admission to be answered: %w", err)
	}
	return nil
}
