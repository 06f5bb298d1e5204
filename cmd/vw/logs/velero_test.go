// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
)

// storage is an S3 server that has one log.
func storage(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	return s
}

func zipped(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
	}
}

// printer of a cluster on which Velero answers a DownloadRequest with a URL.
func printer(t *testing.T, address string, objects ...client.Object) (p *Printer, out, errOut *bytes.Buffer) {
	t.Helper()
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	cl := fake.NewClientBuilder().WithScheme(chain.Scheme()).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if r, is := o.(*velerov1.DownloadRequest); is {
				if address == "forbidden" {
					return apierrors.NewForbidden(schema.GroupResource{Group: "velero.io", Resource: "downloadrequests"}, "", nil)
				}
				r.Status.DownloadURL = address
			}
			return c.Create(ctx, o, options...)
		},
	}).Build()
	return &Printer{Client: cl, Out: out, ErrOut: errOut, Options: Options{Tail: -1}}, out, errOut
}

func backup(phase velerov1.BackupPhase) *velerov1.Backup {
	return &velerov1.Backup{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "nightly"}, Spec: velerov1.BackupSpec{StorageLocation: "default"}, Status: velerov1.BackupStatus{Phase: phase}}
}

func locationWith(ca []byte) *velerov1.BackupStorageLocation {
	return &velerov1.BackupStorageLocation{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "default"}, Spec: velerov1.BackupStorageLocationSpec{
		StorageType: velerov1.StorageType{ObjectStorage: &velerov1.ObjectStorageLocation{CACert: ca}}}}
}

// printed what a run said that made an object.
func printed(t *testing.T, p *Printer, o client.Object) bool {
	t.Helper()
	in := chain.Instance{Operation: &opsv1alpha1.Operation{}, Made: []chain.Made{{Ref: opsv1alpha1.ResourceRef{Kind: "Backup", Namespace: "velero", Name: "nightly"}, Object: o}}}
	ok, err := p.Print(t.Context(), []chain.Instance{in})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestVeleroLog(t *testing.T) {
	s := storage(t, zipped("one\ntwo\nthree\n"))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	p, out, errOut := printer(t, s.URL+"/bucket/log?signature=secret", locationWith(ca))
	p.Tail = 2
	if !printed(t, p, backup(velerov1.BackupPhaseCompleted)) || out.String() != "two\nthree\n" {
		t.Errorf("printed %q, said %q", out, errOut)
	}
	left := &velerov1.DownloadRequestList{}
	if err := p.Client.List(t.Context(), left); err != nil || len(left.Items) != 0 {
		t.Errorf("%d requests are left: %v", len(left.Items), err)
	}
}

func TestVeleroLogIsNotThere(t *testing.T) {
	gone := storage(t, http.NotFound)
	plain := httptest.NewServer(http.NotFoundHandler())
	plain.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: gone.Certificate().Raw})
	for name, c := range map[string]struct {
		address string
		backup  *velerov1.Backup
		want    string
	}{
		"no right":      {"forbidden", backup(velerov1.BackupPhaseFailed), "no right to create downloadrequests.velero.io in namespace velero, as `velero -n velero backup logs nightly` has to"},
		"running":       {"", backup(velerov1.BackupPhaseInProgress), "Backup velero/nightly is InProgress: Velero writes its log when it has ended; -f waits"},
		"new":           {"", backup(""), "is New"},
		"refused":       {"", backup(velerov1.BackupPhaseFailedValidation), "Velero refused Backup velero/nightly"},
		"not reachable": {plain.URL + "/log?signature=secret", backup(velerov1.BackupPhaseFailed), "cannot be reached from here"},
		"no such host":  {"https://nowhere.invalid/log?signature=secret", backup(velerov1.BackupPhaseFailed), "the storage at nowhere.invalid"},
		"deleted":       {gone.URL + "/log?signature=secret", backup(velerov1.BackupPhaseFailed), "answers 404 Not Found"},
		"no such CA":    {strings.Replace(gone.URL, "127.0.0.1", "localhost", 1) + "/log?signature=secret", backup(velerov1.BackupPhaseFailed), "fetch the log from localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			p, out, errOut := printer(t, c.address, locationWith(ca))
			if printed(t, p, c.backup) || out.Len() != 0 || !strings.Contains(errOut.String(), c.want) {
				t.Errorf("printed %q, said %q, want %q", out, errOut, c.want)
			}
			if strings.Contains(errOut.String(), "signature") {
				t.Errorf("it shows the URL, by which anybody may fetch the log: %q", errOut)
			}
		})
	}
}
