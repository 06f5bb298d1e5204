// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
)

// mutexSample is the share of contended locks that a profile keeps: one in so many.
const mutexSample = 100

// Profiles is a flag: the address at which Go's profiles are served, on loopback only, because nobody is asked who they are and a profile may hold
// what is in memory. "0" serves none. Where they are served, contended locks are sampled too.
type Profiles string

// String is the address.
func (p *Profiles) String() string { return string(*p) }

// Set takes an address such as 127.0.0.1:6060.
func (p *Profiles) Set(address string) error {
	if address != "0" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("say an address such as 127.0.0.1:6060, or 0 for none: %w", err)
		}
		if ip, err := netip.ParseAddr(host); (err != nil || !ip.IsLoopback()) && host != "localhost" {
			return fmt.Errorf("%q is not on loopback, and profiles tell whoever asks what is in memory: say 127.0.0.1, and forward the port", host)
		}
		runtime.SetMutexProfileFraction(mutexSample)
	}
	*p = Profiles(address)
	return nil
}
