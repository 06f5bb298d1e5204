// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hostPackages are Debian packages (docker.io is the name of one) whose programs run outside of the nodes: a Docker engine, and what makes a root filesystem.
var hostPackages = []string{"docker.io", "debootstrap", "iptables"}

// tools are programs of Debian packages that are unpacked in a folder and not installed: the machine stays as it is.
type tools struct{ dir string }

// environment in which they find themselves and each other.
func (t tools) environment() []string {
	lib := filepath.Join(t.dir, "usr/lib", multiarch())
	return []string{
		"PATH=" + strings.Join([]string{filepath.Join(t.dir, "usr/sbin"), filepath.Join(t.dir, "usr/bin"), os.Getenv("PATH")}, ":"),
		"LD_LIBRARY_PATH=" + lib,
		"XTABLES_LIBDIR=" + filepath.Join(lib, "xtables"),
		"DEBOOTSTRAP_DIR=" + filepath.Join(t.dir, "usr/share/debootstrap"),
	}
}

// path of a program: the unpacked one, or the machine's own, which apt had no reason to fetch.
func (t tools) path(program string) string {
	for _, dir := range []string{"usr/sbin", "usr/bin"} {
		if p := filepath.Join(t.dir, dir, program); exists(p) {
			return p
		}
	}
	return program
}

// fetchTools downloads the packages, with those that they depend on and that the machine lacks, and unpacks them into a folder.
func fetchTools(ctx context.Context, say func(string, ...any), dir string) error {
	archives := filepath.Join(dir, "archives")
	for _, d := range []string{filepath.Join(archives, "partial"), filepath.Join(dir, "lists", "partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	say("fetching Debian packages: %s", strings.Join(hostPackages, ", "))
	apt := []string{"-q", "-o", "Dir::Cache::archives=" + archives, "-o", "Dir::State::lists=" + filepath.Join(dir, "lists"),
		"-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"}
	if _, err := run(ctx, command{name: "apt-get", args: append(apt, "update")}); err != nil {
		return err
	}
	args := append(apt, "install", "--yes", "--no-install-recommends", "--download-only")
	if _, err := run(ctx, command{name: "apt-get", args: append(args, hostPackages...)}); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err := run(ctx, command{name: "dpkg-deb", args: []string{"-x", deb, dir}}); err != nil {
			return err
		}
	}
	// What an installation would do with update-alternatives.
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		sbin := filepath.Join(dir, "usr/sbin")
		if !exists(filepath.Join(sbin, "xtables-nft-multi")) {
			continue // the machine has iptables of its own
		}
		if err := os.Symlink("xtables-nft-multi", filepath.Join(sbin, name)); err != nil {
			return fmt.Errorf("choose iptables: %w", err)
		}
	}
	return os.RemoveAll(archives)
}

// mirror is where this machine's apt takes Debian's main packages from, and suite which release.
func mirror(ctx context.Context) (url, suite string, err error) {
	out, err := run(ctx, command{name: "apt-get", args: []string{"indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"}})
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "main" && !strings.Contains(f[1], "-") { // not its updates, nor security
			return f[0], f[1], nil
		}
	}
	return "", "", fmt.Errorf("apt knows no main component of a Debian release: it said %q", out)
}
