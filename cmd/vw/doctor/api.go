// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"time"

	utilversion "k8s.io/apimachinery/pkg/util/version"
)

const (
	// oldest Kubernetes whose API server keeps ValidatingAdmissionPolicies.
	oldest = "1.30.0"
	// skewShown is how far clocks may be apart: what is read off them is in whole seconds, and takes its time.
	skewShown = 5 * time.Second
	// skewBad is how far apart they are when deadlines, leases and approvals go wrong.
	skewBad = time.Minute
)

// checkServer: the API server's version.
func checkServer(ctx context.Context, s *Site, f *Findings) error {
	info, _, err := s.Server.Version(ctx)
	if err != nil {
		return err
	}
	have, err := utilversion.ParseGeneric(info.GitVersion)
	switch {
	case err != nil:
		f.warn("", "the API server says that it is %q, which is no version", info.GitVersion)
	case have.LessThan(utilversion.MustParseGeneric(oldest)):
		f.fail("upgrade Kubernetes, or install with policies.install=false and read docs/how-to/install.md first", "the API server is %s, and has to be 1.30 or newer", info.GitVersion)
	default:
		f.ok("Kubernetes %s", info.GitVersion)
	}
	return nil
}

// checkClock: the API server's clock against one's own.
func checkClock(ctx context.Context, s *Site, f *Findings) error {
	before := time.Now()
	_, said, err := s.Server.Version(ctx)
	if err != nil {
		return err
	}
	if said.IsZero() {
		f.skip("", "the API server does not say what time it is")
		return nil
	}
	tookHalf := time.Since(before) / 2
	judgeClock(f, said.Sub(s.Now.Truncate(time.Second).Add(tookHalf)))
	return nil
}

// judgeClock by how far the API server's is ahead.
func judgeClock(f *Findings, ahead time.Duration) {
	const fix = "set the clocks by NTP: chronyc tracking, or timedatectl, on the machines"
	way := "ahead of"
	if ahead < 0 {
		way = "behind"
	}
	switch size := ahead.Abs().Round(time.Second); {
	case size > skewBad:
		f.fail(fix, "the API server's clock is %s %s this machine's", size, way)
	case size > skewShown:
		f.warn(fix, "the API server's clock is %s %s this machine's", size, way)
	default:
		f.ok("the API server's clock and this machine's agree")
	}
}
