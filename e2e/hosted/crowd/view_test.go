// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// A name is put in the place of one as long, or lengths that are written down would be wrong.
func TestNamesAreAsLong(t *testing.T) {
	for _, n := range []int{1, 42, 9999} {
		if got := physical(n); len(got) != len(Namespace) {
			t.Errorf("%s is not as long as %s", got, Namespace)
		}
	}
}

// What is asked of all namespaces is asked of the one that there is; all else goes where it went.
func TestPaths(t *testing.T) {
	v := &view{namespace: physical(7)}
	for path, want := range map[string]string{
		"/api/v1/pods": "/api/v1/namespaces/logical-0007/pods",
		"/apis/ops.vworkspace.io/v1alpha1/operations": "/apis/ops.vworkspace.io/v1alpha1/namespaces/logical-0007/operations",
		"/apis/ops.vworkspace.io/v1alpha1/freezes":    "/apis/ops.vworkspace.io/v1alpha1/freezes",
		"/api/v1/namespaces":                          "/api/v1/namespaces",
		"/api/v1/namespaces/logical-0007/pods":        "/api/v1/namespaces/logical-0007/pods",
		"/apis/batch/v1":                              "/apis/batch/v1",
		"/version":                                    "/version",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/vworkspace-agent": "/apis/rbac.authorization.k8s.io/v1/clusterroles/vworkspace-agent",
	} {
		if got := v.path(http.MethodGet, path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := v.path(http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews"); strings.Contains(got, "namespaces") {
		t.Errorf("a question became %s", got)
	}
}

// Events come one by one, and a name is found however they were cut.
func TestEventsAreChanged(t *testing.T) {
	v := &view{namespace: physical(7)}
	frame := func(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }
	for name, c := range map[string]struct {
		framed   bool
		in, want string
	}{
		"lines":  {false, "{\"a\":\"logical-0007\"}\n{\"b\":\"logical-0008\"}\n", "{\"a\":\"logical-shop\"}\n{\"b\":\"logical-0008\"}\n"},
		"frames": {true, frame("k8s logical-0007\n") + frame("") + frame("logical-0007"), frame("k8s logical-shop\n") + frame("") + frame("logical-shop")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStream(io.NopCloser(iotest.OneByteReader(strings.NewReader(c.in))), c.framed, v.out)
			got, err := io.ReadAll(iotest.OneByteReader(s))
			if err != nil || string(got) != c.want {
				t.Errorf("got %q and %v, want %q", got, err, c.want)
			}
		})
	}
}
