// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func byRequests() map[string]string {
	return map[string]string{
		opsv1alpha1.CapabilityQuiesce:    opsv1alpha1.QuiesceExec,
		opsv1alpha1.AnnotationQuiesceURL: "web:8080/maintenance/on", opsv1alpha1.AnnotationUnquiesceURL: "web:8080/maintenance/off",
	}
}

// shopServer is an application behind a Service of a namespace, which the real API server proxies to.
type shopServer struct {
	mu    sync.Mutex
	heard []string
}

func (s *shopServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.heard...)
}

// serveShop makes the Service. The API server proxies to no loopback address, so the application has to listen on another one of this machine.
func serveShop(t *testing.T, namespace string, answer http.HandlerFunc) *shopServer {
	t.Helper()
	ip := ownAddress()
	if ip == "" {
		t.Skip("SKIPPED: this machine has no address but loopback ones, and the API server proxies to none of those")
	}
	s := &shopServer{}
	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.heard = append(s.heard, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		answer(w, r)
	})}}
	server.Start()
	t.Cleanup(server.Close)

	pod := (&fakeKubelet{node: "somewhere"}).runs(t, namespace, "web-0", web, "app")
	pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	if err := k8s.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "web"}
	create(t, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}}})
	port := listener.Addr().(*net.TCPAddr).Port
	create(t, &corev1.Endpoints{ObjectMeta: meta, Subsets: []corev1.EndpointSubset{{ //nolint:staticcheck // the service proxy of this API server reads Endpoints
		Addresses: []corev1.EndpointAddress{{IP: ip, TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: "web-0", UID: pod.UID}}},
		Ports:     []corev1.EndpointPort{{Port: int32(port)}},
	}}})
	return s
}

// ownAddress of this machine that is not a loopback one.
func ownAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

func TestQuiesceByRequest(t *testing.T) {
	ns := gatedNamespace(t)
	shop := serveShop(t, ns, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	allow(t, ns, "services/proxy", "create")
	quiescible(t, ns, byRequests())
	op := quiescing(t, ns, "copy")
	create(t, op)
	w := widgetAs(t, op, "", 1)
	if diff := cmp.Diff([]string{"POST /maintenance/on"}, shop.requests()); diff != "" {
		t.Errorf("before the run (-want +got):\n%s", diff)
	}
	done(t, w)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if diff := cmp.Diff([]string{"POST /maintenance/on", "POST /maintenance/off"}, shop.requests()); diff != "" {
		t.Errorf("after the run (-want +got):\n%s", diff)
	}
}

// TestQuiesceRequestFails: the application's answers, and those that only look like one.
func TestQuiesceRequestFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   []string
	}{
		"says no": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/on") {
				http.Error(w, "busy: token=hunter2", http.StatusInternalServerError)
			}
		}, []string{"web:8080/maintenance/on answered the quiesce request with status 500: busy: token=***"}},
		"sends elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/on") {
				http.Redirect(w, r, "http://192.0.2.1/login", http.StatusTemporaryRedirect)
			}
		}, []string{"with status 307"}},
		"is silent": {func(_ http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/on") {
				<-r.Context().Done()
			}
		}, []string{"web:8080/maintenance/on has not answered within 5s"}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := gatedNamespace(t)
			shop := serveShop(t, ns, c.answer)
			allow(t, ns, "services/proxy", "create")
			quiescible(t, ns, with(byRequests(), opsv1alpha1.AnnotationQuiesceTimeout, "5s"))
			op := quiescing(t, ns, "copy")
			create(t, op)
			reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonQuiesceFailed)
			says(t, op, c.says...)
			if strings.Contains(op.Status.Message, "hunter2") {
				t.Error("a secret was told")
			}
			if diff := cmp.Diff([]string{"POST /maintenance/on", "POST /maintenance/off"}, shop.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestQuiesceRequestUnanswered: what the API server says is not the application's word. It is asked again.
func TestQuiesceRequestUnanswered(t *testing.T) {
	ns := gatedNamespace(t)
	allow(t, ns, "services/proxy", "create")
	quiescible(t, ns, byRequests())
	op := quiescing(t, ns, "copy")
	create(t, op)
	says(t, op, `the API server says: services "web" not found`)
	if op.Status.Phase != opsv1alpha1.PhaseRunning {
		t.Errorf("phase %s", op.Status.Phase)
	}
	var asked atomic.Int32
	serveShop(t, ns, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	done(t, widgetAs(t, op, "", 1))
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}
