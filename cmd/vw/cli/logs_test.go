// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// fakeKubelet is a node whose logs a test makes up: nothing runs on it.
func fakeKubelet(t *testing.T) (node string) {
	t.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // containerLogs/NAMESPACE/POD/CONTAINER
		if len(parts) != 4 || parts[3] == "broken" {
			http.Error(w, "no such container", http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, "%s says\nsomething %s\n", parts[3], r.URL.Query().Get("previous"))
	}))
	t.Cleanup(kubelet.Close)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "fake-"}}
	mustCreate(t, n)
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	n.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(kubelet.Listener.Addr().(*net.TCPAddr).Port)
	mustTell(t, n)
	return n.Name
}

// job makes the instance's run a Job with pods, one a container list.
func (d *delivered) job(t *testing.T, node string, pods ...[]string) {
	t.Helper()
	spec := func(containers []string) corev1.PodSpec {
		s := corev1.PodSpec{NodeName: node, RestartPolicy: corev1.RestartPolicyNever}
		for _, name := range containers {
			s.Containers = append(s.Containers, corev1.Container{Name: name, Image: "shop"})
		}
		return s
	}
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: d.instance.Namespace, Name: "job"}, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec(pods[0])}}}
	mustCreate(t, j)
	for i, containers := range pods {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: j.Namespace, Name: fmt.Sprintf("job-%d", i), Labels: map[string]string{batchv1.JobNameLabel: j.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(j, batchv1.SchemeGroupVersion.WithKind("Job"))}}, Spec: spec(containers)}
		mustCreate(t, p)
		p.Status.Phase = corev1.PodFailed
		for _, name := range containers {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Message: "no database, password=hunter2"}}})
		}
		mustTell(t, p)
	}
	d.instance.Status.Phase, d.instance.Status.Engine = opsv1alpha1.PhaseFailed, opsv1alpha1.EngineJob
	d.instance.Status.Resources = []opsv1alpha1.ResourceRef{{APIVersion: "batch/v1", Kind: "Job", Namespace: j.Namespace, Name: j.Name, UID: j.UID}}
	mustTell(t, d.instance)
}

func (d *delivered) logs(t *testing.T, kubeconfig string, more ...string) result {
	t.Helper()
	return vwWith(t, "", append([]string{"--kubeconfig", kubeconfig, "-n", d.fleet.Namespace, "logs", "op", d.fleet.Name}, more...)...)
}

// TestLogs: pods of a Job, from the hub by a context, and on the cluster alone.
func TestLogs(t *testing.T) {
	d := deliver(t)
	d.job(t, fakeKubelet(t), []string{"main"}, []string{"main", "proxy"})
	there := contexts(t, "hub", d.cluster)
	ns := d.instance.Namespace
	want := fmt.Sprintf("[%[1]s/job-0/main] main says\n[%[1]s/job-0/main] something \n[%[1]s/job-1/main] main says\n[%[1]s/job-1/main] something \n"+
		"[%[1]s/job-1/proxy] proxy says\n[%[1]s/job-1/proxy] something \n", ns)
	if got := d.logs(t, there, "--cluster", d.cluster); got.status != ExitOK || got.out != want || got.errOut != "" {
		t.Errorf("%+v, want\n%s", got, want)
	}
	if got := d.logs(t, there, "--cluster", d.cluster, "--previous"); !strings.Contains(got.out, "something true") {
		t.Errorf("the run before: %+v", got)
	}
	if got := vw(t, "-n", ns, "logs", d.instance.Name, "-f"); got.status != ExitOK || strings.Count(got.out, "\n") != 6 {
		t.Errorf("on the cluster alone, followed until the end that was: %+v", got)
	}
}

// TestLogsFollowed: a run that has made nothing yet is waited for, and its pods are followed until it has ended.
func TestLogsFollowed(t *testing.T) {
	d := deliver(t)
	node := fakeKubelet(t)
	answer := make(chan result)
	go func() { answer <- vw(t, "-n", d.instance.Namespace, "logs", d.instance.Name, "--follow") }()
	d.job(t, node, []string{"main"})
	if got := <-answer; got.status != ExitOK || got.out != "main says\nsomething \n" || got.errOut != "" {
		t.Errorf("%+v", got)
	}
}

// TestLogsThatAreNotThere: what is there is printed, and what is not is said, with what a status has kept of it and no secrets.
func TestLogsThatAreNotThere(t *testing.T) {
	d := deliver(t)
	there := contexts(t, "hub", d.cluster)
	if got := d.logs(t, there, "--cluster", d.cluster); got.status != ExitError || !strings.Contains(got.errOut, "has made nothing that could have a log") {
		t.Errorf("nothing was made: %+v", got)
	}
	d.job(t, fakeKubelet(t), []string{"main", "broken"})
	got := d.logs(t, there, "--cluster", d.cluster)
	if got.status != ExitOK || !strings.Contains(got.out, "main says") {
		t.Errorf("what is there: %+v", got)
	}
	for _, part := range []string{"container broken of pod " + d.instance.Namespace + "/job-0 could not be read", "its status has kept: exit code 3: no database"} {
		if !strings.Contains(got.errOut, part) {
			t.Errorf("%q is not in %s", part, got.errOut)
		}
	}
	if strings.Contains(got.errOut, "hunter2") {
		t.Errorf("a secret is told: %s", got.errOut)
	}
	d.instance.Status.Resources[0].UID = "another"
	mustTell(t, d.instance)
	if got := d.logs(t, there, "--cluster", d.cluster); got.status != ExitError || !strings.Contains(got.errOut, "is gone, and its logs with it") {
		t.Errorf("another Job of that name: %+v", got)
	}
}

func TestLogsErrors(t *testing.T) {
	d := deliver(t)
	hub := contexts(t, "hub")
	d.report(t, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, "1 of 1 failed: shops/shop-a: JobFailed: exit code 1", false)
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"hub alone":       {[]string{"--cluster", d.cluster}, []string{"The hub has no logs. " + d.cluster + " has reported: failed: 1 of 1 failed", "exit code 1", "--spoke-context"}},
		"which cluster":   {nil, []string{"nightly runs on 2 clusters: say which by --cluster (" + d.cluster + ", zz-other)"}},
		"no such cluster": {[]string{"--cluster", "nope"}, []string{"--cluster: nope is not in the plan of nightly: that has " + d.cluster}},
		"not started":     {[]string{"--cluster", "zz-other"}, []string{"nightly has not been started on zz-other"}},
		"since":           {[]string{"--cluster", d.cluster, "--since", "1ms"}, []string{"--since: 1ms is not a positive number of seconds"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := d.logs(t, hub, c.args...)
			for _, want := range c.want {
				if got.status != ExitError || got.out != "" || !strings.Contains(got.errOut, want) {
					t.Errorf("%+v, want %q", got, want)
				}
			}
		})
	}
	if got := vw(t, "logs", "cluster", "x"); got.status != ExitError || !strings.Contains(got.errOut, "logs are those of an Operation") {
		t.Errorf("%+v", got)
	}
}
