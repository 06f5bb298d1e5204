// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/e2e/apiserver"
)

// One real API server for all tests of the package, that is hub and cluster as a test wants it. No controller runs: a test writes statuses itself.
var (
	server     *apiserver.Server
	api        client.WithWatch // an administrator's
	kubeconfig string           // a file
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vw-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := apiserver.Main(m, func(s *apiserver.Server) (err error) {
		server, kubeconfig = s, filepath.Join(dir, "kubeconfig")
		if err := os.WriteFile(kubeconfig, s.Kubeconfig, 0o600); err != nil {
			return err
		}
		api, err = NewClient(s.Config)
		return err
	})
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// result of a call of vw.
type result struct {
	status      int
	out, errOut string
}

// vw is called as a person would, by its arguments, against the API server.
func vw(t testing.TB, args ...string) result {
	t.Helper()
	return vwWith(t, "", append([]string{"--kubeconfig", kubeconfig}, args...)...)
}

// vwWith what a person types.
func vwWith(t testing.TB, typed string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	env := newEnv("v0.0.0-test", genericiooptions.IOStreams{In: strings.NewReader(typed), Out: &out, ErrOut: &errOut})
	env.Now = func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }
	status := execute(t.Context(), env, newRoot(env, "vw"), args)
	return result{status, out.String(), errOut.String()}
}

// namespace of a test's own.
func namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "vw-"}}
	if err := api.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}
