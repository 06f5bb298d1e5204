// SPDX-License-Identifier: Apache-2.0

package job

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	podsecurity "k8s.io/pod-security-admission/api"
	podpolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// plans are the Jobs of all golden cases.
func plans(t *testing.T) map[string]*batchv1.Job {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*", "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string]*batchv1.Job{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Changes []struct {
				Object *batchv1.Job `json:"object"`
			} `json:"changes"`
		}
		if err := yaml.Unmarshal(raw, &said); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range said.Changes {
			jobs[file] = c.Object
		}
	}
	if len(jobs) < 10 {
		t.Fatalf("only %d golden plans have a Job: the test does not see them", len(jobs))
	}
	return jobs
}

// TestRestricted: the pod of every golden plan is restricted, by Kubernetes' own judgement, and has neither a token that nobody asked for nor a
// volume of another kind than the four.
func TestRestricted(t *testing.T) {
	evaluator, err := podpolicy.NewEvaluator(podpolicy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	for file, job := range plans(t) {
		template := &job.Spec.Template
		if r := podpolicy.AggregateCheckResults(evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec)); !r.Allowed {
			t.Errorf("%s: %s", file, r.ForbiddenDetail())
		}
		if spec := &template.Spec; spec.ServiceAccountName == engines.DefaultServiceAccount && *spec.AutomountServiceAccountToken {
			t.Errorf("%s: a token was mounted that nobody asked for", file)
		}
		checkSecrets(t, file, &template.Spec)
	}
}

// checkSecrets: nothing but what names a Secret brings one in.
func checkSecrets(t *testing.T, file string, spec *corev1.PodSpec) {
	t.Helper()
	if len(spec.ImagePullSecrets) > 0 {
		t.Errorf("%s: imagePullSecrets", file)
	}
	for _, v := range spec.Volumes {
		if v.Secret == nil && v.ConfigMap == nil && v.PersistentVolumeClaim == nil && v.EmptyDir == nil {
			t.Errorf("%s: volume %s is of another kind", file, v.Name)
		}
	}
	for _, c := range spec.Containers {
		if len(c.EnvFrom) > 0 {
			t.Errorf("%s: envFrom", file)
		}
	}
}

// TestNoWayRound: there is no parameter by which a pod gets more than it may have, or a Secret that is not named.
func TestNoWayRound(t *testing.T) {
	for name, more := range map[string]string{
		"all keys of a Secret":     `"envFrom":[{"secretRef":{"name":"s"}}]`,
		"Secrets to pull by":       `"imagePullSecrets":[{"name":"s"}]`,
		"a token by a volume":      `"volumes":[{"name":"v","mountPath":"/v","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]`,
		"a Secret by a projection": `"volumes":[{"name":"v","mountPath":"/v","projected":{"sources":[{"secret":{"name":"s"}}]}}]`,
		"a Secret by a driver":     `"volumes":[{"name":"v","mountPath":"/v","csi":{"driver":"d","nodePublishSecretRef":{"name":"s"}}}]`,
		"a path of the node":       `"volumes":[{"name":"v","mountPath":"/v","hostPath":{"path":"/"}}]`,
		"an image as a volume":     `"volumes":[{"name":"v","mountPath":"/v","image":{"reference":"x"}}]`,
		"the token":                `"automountServiceAccountToken":true`,
		"the network of the node":  `"hostNetwork":true`,
		"privileges":               `"securityContext":{"privileged":true}`,
		"root":                     `"securityContext":{"runAsUser":0}`,
		"capabilities":             `"securityContext":{"capabilities":{"add":["SYS_ADMIN"]}}`,
		"a second container":       `"initContainers":[{"name":"x"}]`,
		"a Secret with no name":    `"env":[{"name":"A","valueFrom":{"secretKeyRef":{"key":"k"}}}]`,
	} {
		op := &opsv1alpha1.Operation{Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeRunCommand, Parameters: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"image":"x",%s}`, more)},
		}}
		_, err := decode(op)
		var invalid *engines.InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
