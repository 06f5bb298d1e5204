// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// fakeKubelet is the part of a kubelet that runs commands: the protocol is the real one, by Kubernetes' own library, and reached through the real API
// server. The containers are made up: a function says what a command prints, and how it ends.
type fakeKubelet struct {
	node   string
	answer func(ctx context.Context, pod, command string) (prints string, exit int)

	mu  sync.Mutex
	ran []string
}

// newKubelet serves a node of its own.
func newKubelet(t *testing.T, answer func(ctx context.Context, pod, command string) (string, int)) *fakeKubelet {
	t.Helper()
	k := &fakeKubelet{answer: answer}
	server := httptest.NewTLSServer(k)
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}
	create(t, node)
	node.Status = corev1.NodeStatus{
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(number)}},
	}
	if err := k8s.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	k.node = node.Name
	return k
}

// runs a pod of the containers on the node.
func (k *fakeKubelet) runs(t *testing.T, namespace, name string, labels map[string]string, containers ...string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: k.node},
	}
	for _, c := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: c, Image: "example.org/web"})
	}
	create(t, pod)
	pod.Status.Phase = corev1.PodRunning
	if err := k8s.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// heard are the commands that were run, as POD/CONTAINER: COMMAND, sorted.
func (k *fakeKubelet) heard() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(slices.Values(k.ran))
}

// ServeHTTP implements http.Handler for /exec/NAMESPACE/POD/CONTAINER.
func (k *fakeKubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(path) != 4 || path[0] != "exec" {
		http.NotFound(w, r)
		return
	}
	query := r.URL.Query()
	command := strings.Join(query["command"], " ")
	k.mu.Lock()
	k.ran = append(k.ran, fmt.Sprintf("%s/%s: %s", path[2], path[3], command))
	k.mu.Unlock()

	if _, err := httpstream.Handshake(r, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	opened := make(chan httpstream.Stream, 4)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		opened <- s
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	streams := map[string]httpstream.Stream{}
	for wanted := 3; len(streams) < wanted; { // stdout, stderr and how it ended
		select {
		case s := <-opened:
			streams[s.Headers().Get(corev1.StreamType)] = s
		case <-conn.CloseChan():
			return
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		<-conn.CloseChan()
		cancel()
	}()
	prints, exit := k.answer(ctx, path[2], command)
	_, _ = streams[corev1.StreamTypeStdout].Write([]byte(prints))
	status := metav1.Status{Status: metav1.StatusSuccess}
	if exit != 0 {
		status = metav1.Status{
			Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(exit)}}},
		}
	}
	_ = json.NewEncoder(streams[corev1.StreamTypeError]).Encode(status)
	for _, s := range streams {
		_ = s.Close()
	}
	<-conn.CloseChan()
}
