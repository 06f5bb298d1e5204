// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// urlWithin is how long Velero may take to say where a log is.
	urlWithin = 30 * time.Second
	urlEvery  = 100 * time.Millisecond
)

// velero prints the log of a Backup or a Restore. Velero writes it into its storage when the task has ended, and hands out a URL of it to who may create a
// DownloadRequest: the same right as `velero backup logs` needs.
func (p *Printer) velero(ctx context.Context, o client.Object) error {
	task, err := p.awaitTask(ctx, o)
	if err != nil || task == nil {
		return err
	}
	location, err := p.locationOf(ctx, task)
	if err != nil {
		return err
	}
	u, err := p.downloadURL(ctx, task)
	if err != nil {
		p.note("%v", err)
		return nil
	}
	lines, err := fetch(ctx, u, location)
	if err != nil {
		p.note("%v", err)
		return nil
	}
	for _, line := range p.last(lines) {
		p.line("", line)
	}
	return nil
}

// task is a Backup or a Restore.
type task struct {
	namespace, name string
	kind            velerov1.DownloadTargetKind
	phase           string
	location        string // empty for a Restore, whose Backup has it
	backup          string
}

func taskOf(o client.Object) task {
	switch o := o.(type) {
	case *velerov1.Backup:
		return task{o.Namespace, o.Name, velerov1.DownloadTargetKindBackupLog, string(o.Status.Phase), o.Spec.StorageLocation, ""}
	case *velerov1.Restore:
		return task{o.Namespace, o.Name, velerov1.DownloadTargetKindRestoreLog, string(o.Status.Phase), "", o.Spec.BackupName}
	}
	return task{}
}

func (t *task) String() string {
	if t.kind == velerov1.DownloadTargetKindRestoreLog {
		return "Restore " + t.namespace + "/" + t.name
	}
	return "Backup " + t.namespace + "/" + t.name
}

// command of Velero's own.
func (t *task) command() string {
	kind := "backup"
	if t.kind == velerov1.DownloadTargetKindRestoreLog {
		kind = "restore"
	}
	return fmt.Sprintf("velero -n %s %s logs %s", t.namespace, kind, t.name)
}

// ended tells whether the task has a log, and never whether one has been refused: that has none.
func (t *task) ended() bool {
	switch velerov1.BackupPhase(t.phase) {
	case velerov1.BackupPhaseCompleted, velerov1.BackupPhasePartiallyFailed, velerov1.BackupPhaseFailed:
		return true
	default:
		return false
	}
}

// awaitTask is the task once it has a log; nil when it has none, which is said.
func (p *Printer) awaitTask(ctx context.Context, o client.Object) (*task, error) {
	for {
		t := taskOf(o)
		switch {
		case t.ended():
			return &t, nil
		case t.phase == string(velerov1.BackupPhaseFailedValidation):
			p.note("Velero refused %s, so that there is no log; vw describe says why", &t)
			return nil, nil
		case !p.Follow:
			p.note("%s is %s: Velero writes its log when it has ended; -f waits for that", &t, cmp.Or(t.phase, "New"))
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookEvery):
		}
		if err := p.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return nil, fmt.Errorf("read %s: %w", &t, err)
		}
	}
}

// locationOf where the log is: its certificate authority counts. nil where it cannot be read.
func (p *Printer) locationOf(ctx context.Context, t *task) (*velerov1.BackupStorageLocation, error) {
	name := t.location
	if t.backup != "" {
		backup := &velerov1.Backup{}
		if err := p.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: t.backup}, backup); client.IgnoreNotFound(err) != nil && !apierrors.IsForbidden(err) {
			return nil, fmt.Errorf("read Backup %s: %w", t.backup, err)
		}
		name = backup.Spec.StorageLocation
	}
	location := &velerov1.BackupStorageLocation{}
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: name}, location)
	switch {
	case name == "", apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read BackupStorageLocation %s: %w", name, err)
	}
	return location, nil
}

// downloadURL of a task's log. The request is taken away again: what it was for is known by then.
func (p *Printer) downloadURL(ctx context.Context, t *task) (string, error) {
	request := &velerov1.DownloadRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, GenerateName: t.name + "-"},
		Spec:       velerov1.DownloadRequestSpec{Target: velerov1.DownloadTarget{Kind: t.kind, Name: t.name}},
	}
	if err := p.Client.Create(ctx, request); err != nil {
		if apierrors.IsForbidden(err) {
			return "", fmt.Errorf("the log of %s is in Velero's storage, and you have no right to create downloadrequests.velero.io in namespace %s, as `%s` has to", t, t.namespace, t.command())
		}
		return "", fmt.Errorf("ask Velero for the log of %s: %w", t, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), urlWithin)
		defer cancel()
		_ = p.Client.Delete(ctx, request) // Velero does it too, later
	}()
	err := wait.PollUntilContextTimeout(ctx, urlEvery, urlWithin, true, func(ctx context.Context) (bool, error) {
		err := p.Client.Get(ctx, client.ObjectKeyFromObject(request), request)
		return request.Status.DownloadURL != "", err
	})
	switch {
	case err == nil:
		return request.Status.DownloadURL, nil
	case wait.Interrupted(err) && ctx.Err() == nil:
		return "", fmt.Errorf("velero has not said within %s where the log of %s is: does it run, and is its BackupStorageLocation Available? kubectl -n %s get pods,backupstoragelocations",
			urlWithin, t, t.namespace)
	}
	return "", fmt.Errorf("wait for Velero to say where the log of %s is: %w", t, err)
}

// fetch a log. The URL says by itself who may have it, so it is never shown: only its host.
func fetch(ctx context.Context, from string, location *velerov1.BackupStorageLocation) ([]string, error) {
	u, err := url.Parse(from)
	if err != nil {
		return nil, errors.New("velero's URL of the log makes no sense") // and may hold what nobody should see
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask %s for the log: its URL makes no sense", u.Host)
	}
	response, err := httpClient(location).Do(request)
	if err != nil {
		return nil, unreachable(u.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the storage at %s answers %s instead of the log: has it been deleted there?", u.Host, response.Status)
	}
	unzipped, err := gzip.NewReader(response.Body)
	if err != nil {
		return nil, fmt.Errorf("the log from %s is not as Velero writes it: %w", u.Host, err)
	}
	var lines []string
	if err := eachLine(unzipped, func(line string) { lines = append(lines, line) }); err != nil {
		return lines, fmt.Errorf("read the log from %s: %w", u.Host, err)
	}
	return lines, nil
}

// httpClient trusts the certificate authority of the storage, too.
func httpClient(location *velerov1.BackupStorageLocation) *http.Client {
	if location == nil || location.Spec.ObjectStorage == nil || len(location.Spec.ObjectStorage.CACert) == 0 {
		return http.DefaultClient
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(location.Spec.ObjectStorage.CACert)
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// unreachable says that a storage cannot be reached, without the URL that says who may have the log.
func unreachable(host string, err error) error {
	cause := err
	if u, is := errors.AsType[*url.Error](err); is {
		cause = u.Err
	}
	var network net.Error
	if errors.As(cause, &network) { // *url.Error is one whatever it wraps
		return fmt.Errorf("the storage at %s, where Velero keeps the log, cannot be reached from here (%w): run this where it can be, or set config.publicUrl in the BackupStorageLocation", host, cause)
	}
	return fmt.Errorf("fetch the log from %s: %w", host, cause)
}
