// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	_ "embed"
)

// engine is a Docker engine of this run's own.
type engine struct {
	daemon *process
	dir    string
	tools  tools
}

// withoutResource is an OCI runtime that asks for every capability but one.
//
//go:embed runc-without-cap-sys-resource.sh
var withoutResource []byte

// startEngine starts a Docker engine in the sandbox. What it stores is in dir.
func startEngine(ctx context.Context, t tools, dir string) (*engine, error) {
	e := &engine{dir: dir, tools: t}
	settings := map[string]any{
		"data-root": filepath.Join(dir, "data"), "exec-root": filepath.Join(dir, "exec"), "pidfile": filepath.Join(dir, "pid"),
		"hosts": []string{e.host()}, "cgroup-parent": "/" + filepath.Base(dir), "log-opts": map[string]string{"max-size": "10m"},
	}
	if may, err := mayUseResources(); err != nil {
		return nil, err
	} else if !may {
		runtime := filepath.Join(dir, "runc")
		script := bytes.ReplaceAll(withoutResource, []byte("RUNC"), []byte(t.path("runc")))
		if err := os.WriteFile(runtime, script, 0o700); err != nil {
			return nil, err
		}
		settings["runtimes"], settings["default-runtime"] = map[string]any{"slim": map[string]string{"path": runtime}}, "slim"
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(config, raw, 0o600); err != nil {
		return nil, err
	}
	if e.daemon, err = start(command{name: t.path("dockerd"), args: []string{"--config-file", config}, env: t.environment()}, filepath.Join(dir, "dockerd.log")); err != nil {
		return nil, err
	}
	if err := until(ctx, 5*time.Minute, func() error { _, err := e.docker(ctx, "version"); return err }); err != nil {
		_ = e.daemon.stop()
		said, _ := os.ReadFile(e.daemon.log)
		return nil, fmt.Errorf("the Docker engine does not answer: %w\n%s", err, said[max(0, len(said)-2000):])
	}
	return e, nil
}

func (e *engine) host() string { return "unix://" + filepath.Join(e.dir, "docker.sock") }

// environment in which programs find the engine.
func (e *engine) environment() []string {
	return append(e.tools.environment(), "DOCKER_HOST="+e.host())
}

func (e *engine) docker(ctx context.Context, args ...string) (string, error) {
	return run(ctx, command{name: e.tools.path("docker"), args: args, env: e.environment()})
}

// mayUseResources tells whether this process may have CAP_SYS_RESOURCE, which a privileged container is given.
func mayUseResources() (bool, error) {
	ret, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_RESOURCE, 0, 0, 0)
	if err != nil {
		return false, fmt.Errorf("read the capability bounding set: %w", err)
	}
	return ret == 1, nil
}
