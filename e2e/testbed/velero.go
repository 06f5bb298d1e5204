// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	_ "embed"
)

const (
	veleroNamespace = "velero"
	// bucket is the one of the fleet's S3 server. Each spoke has a prefix of its own in it: clusters that share one see each other's Backups, and
	// delete them.
	bucket = "velero"
)

// veleroManifest holds the namespace and the BackupStorageLocation.
//
//go:embed manifests/velero.yaml
var veleroManifest string

// startS3 starts the fleet's S3 server, a fake that keeps what it is given in memory.
func (f *Fleet) startS3(ctx context.Context) error {
	credentials := "[default]\naws_access_key_id=testbed\naws_secret_access_key=testbed\n"
	if err := os.WriteFile(f.s3Credentials(), []byte(credentials), 0o600); err != nil {
		return err
	}
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		port, err := freePort()
		f.S3URL = "http://" + address(port)
		return Command{
			Name: "s3",
			Path: f.bin.path(s3),
			Args: []string{"-backend=memory", "-initialbucket=" + bucket, "-host=" + address(port), "-quiet"},
			Env:  f.childEnv(),
		}, httpReady(f.S3URL + "/" + bucket), err
	})
	return err
}

func (f *Fleet) s3Credentials() string { return f.dir.data("s3-credentials") }

// startVelero starts Velero's server; it returns when it can use the bucket.
func (f *Fleet) startVelero(ctx context.Context, spoke *Cluster) error {
	manifest := strings.NewReplacer("S3_URL", f.S3URL, "BUCKET", bucket, "PREFIX", spoke.Name).Replace(veleroManifest)
	if err := Apply(ctx, spoke.config, []byte(manifest)); err != nil {
		return fmt.Errorf("prepare %s for Velero: %w", spoke.Name, err)
	}
	plugins, scratch := f.dir.data(spoke.Name, "velero-plugins"), f.dir.data(spoke.Name, "velero")
	for _, dir := range []string{plugins, scratch} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink(f.bin.path(veleroAWS), filepath.Join(plugins, veleroAWS.name)); err != nil {
		return err
	}
	c, err := client.New(spoke.Config(), client.Options{})
	if err != nil {
		return err
	}
	_, err = f.sup.launch(ctx, func() (Command, probe, error) {
		port, err := freePort()
		return Command{
			Name: spoke.process(velero.name),
			Path: f.bin.path(velero),
			Args: []string{
				"server", "--kubeconfig=" + spoke.KubeconfigPath, "--plugin-dir=" + plugins,
				"--metrics-address=" + address(port), "--profiler-address=",
				"--features=EnableCSI", "--item-operation-sync-frequency=1s", "--backup-sync-period=5s", "--store-validation-frequency=10s",
				"--client-qps=200", "--client-burst=400",
				// With one at a time, a Backup that is queued when another ends may be looked at again only a minute later (velero v1.18.3,
				// backup_queue_controller.go: the slot is given back after the event). Backups of one namespace still follow each other.
				"--concurrent-backups=4",
			},
			Env: append(f.childEnv(),
				"VELERO_NAMESPACE="+veleroNamespace, "VELERO_SCRATCH_DIR="+scratch, "AWS_SHARED_CREDENTIALS_FILE="+f.s3Credentials(),
				"HOME="+scratch),
		}, all(storageAvailable(c), works(f.dir.log(spoke.process(velero.name)), "backup", "restore")), err
	})
	return err
}

// works is ready when controllers of Velero's have workers, by its log. One that is queued before is let out of the queue and never begun: the controller
// that begins it sees changes only (velero v1.18.3, backup_controller.go).
func works(log string, controllers ...string) probe {
	return func(context.Context) error {
		said, err := os.ReadFile(filepath.Clean(log))
		if err != nil {
			return err
		}
		for _, c := range controllers {
			if !bytes.Contains(said, []byte(`msg="Starting workers" controller=`+c+" ")) {
				return fmt.Errorf("controller %s has no workers yet", c)
			}
		}
		return nil
	}
}

func all(probes ...probe) probe {
	return func(ctx context.Context) error {
		for _, p := range probes {
			if err := p(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func storageAvailable(c client.Client) probe {
	return func(ctx context.Context) error {
		location := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation"}}
		if err := c.Get(ctx, client.ObjectKey{Namespace: veleroNamespace, Name: "default"}, location); err != nil {
			return err
		}
		if phase, _, _ := unstructured.NestedString(location.Object, "status", "phase"); phase != "Available" {
			return fmt.Errorf("the BackupStorageLocation is not Available yet: %q", phase)
		}
		return nil
	}
}
