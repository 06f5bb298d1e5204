// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	// repository is its root, from the folder of this package.
	repository = "../.."
	// odooIdentity is that of the fleet on the pages.
	odooIdentity = "fleet-prod-1"
)

// functions that set the scene of a page.
//
//go:embed scene.sh
var functions string

// tools are what a reader of the pages has: kubectl, vw, a kubeconfig with a context for each cluster, and an Odoo.
type tools struct {
	bin        string
	kubeconfig map[string]string // by the cluster that is the current context
	odoo       *controlplane.Fake
}

func newTools(t *testing.T) *tools {
	t.Helper()
	dir := t.TempDir()
	out := &tools{bin: filepath.Join(dir, "bin"), kubeconfig: map[string]string{}, odoo: controlplane.Start(controlplane.Options{ClusterID: odooIdentity})}
	t.Cleanup(out.odoo.Close)
	must(t, os.Mkdir(out.bin, 0o755))
	for name, path := range map[string]string{"kubectl": fleet.Fleet.Kubectl(), "vw": binary, "kubectl-vw": binary} {
		must(t, os.Symlink(path, filepath.Join(out.bin, name)))
	}
	all := clientcmdapi.NewConfig()
	for _, c := range everyCluster() {
		config, err := clientcmd.LoadFromFile(c.KubeconfigPath)
		must(t, err)
		context := config.Contexts[config.CurrentContext]
		all.Clusters[c.Name], all.AuthInfos[c.Name] = config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
		all.Contexts[c.Name] = &clientcmdapi.Context{Cluster: c.Name, AuthInfo: c.Name}
	}
	for _, c := range everyCluster() {
		all.CurrentContext = c.Name
		out.kubeconfig[c.Name] = filepath.Join(dir, c.Name+".kubeconfig")
		must(t, clientcmd.WriteToFile(*all, out.kubeconfig[c.Name]))
	}
	return out
}

func everyCluster() []*testbed.Cluster {
	return append([]*testbed.Cluster{fleet.Fleet.Hub}, fleet.Fleet.Spokes...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// printed is what commands have come to.
type printed struct {
	out, both string
	err       error
}

// scene is where the commands of one page run: a folder with a copy of deploy/, and the variables and functions that the commands before have set.
type scene struct {
	tools   *tools
	dir     string
	state   string
	values  *strings.Replacer // of what pages write as @NAME@
	printed printed           // by the last commands
}

func newScene(t *testing.T, tools *tools) *scene {
	t.Helper()
	s := &scene{tools: tools, dir: t.TempDir()}
	s.state = filepath.Join(t.TempDir(), "state")
	must(t, os.WriteFile(s.state, []byte(functions), 0o600))
	s.values = strings.NewReplacer(
		"@FLEET@", fleet.Fleet.Dir(), "@CHARTS@", fleet.Fleet.ChartRepoURL, "@ODOO@", tools.odoo.URL(), "@TOKEN@", tools.odoo.RegistrationToken(odooIdentity),
	)
	must(t, os.CopyFS(filepath.Join(s.dir, "deploy"), os.DirFS(filepath.Join(repository, "deploy"))))
	return s
}

// bash runs a script as a reader would who pastes it, but for the first error, which ends it.
func (s *scene) bash(ctx context.Context, cluster, script string) printed {
	around := fmt.Sprintf(". %q\nexport KUBECONFIG=%q\n%s\n{ export -p | grep -vE '^declare -([a-z]*r|x BASH)'; declare -f; } > %[1]q\n", s.state, s.tools.kubeconfig[cluster], script)
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-a", "-c", around)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(),
		"PATH="+s.tools.bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "HOME="+s.dir,
		"NO_COLOR=1",
	)
	// What it has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out, both locked
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &both), &both
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it took too long: the page has %s", pageWithin)
	}
	return printed{out.String(), both.String(), err}
}

// locked is a buffer that several may write to.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String that was written.
func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
