// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"vworkspace.io/fleet/e2e/testbed"
)

// ticks of the kernel's clock in a second: USER_HZ, which is 100 on every architecture that Go runs on.
const ticks = 100

// Usage of some processes together.
type Usage struct {
	CPU       time.Duration
	RSS, Peak uint64 // bytes; the peak since ResetPeaks, or since they began
}

// UsageOf processes, as the kernel counts it.
func UsageOf(processes []*testbed.Process) (Usage, error) {
	var sum Usage
	for _, p := range processes {
		u, err := usageOf(p.PID())
		if err != nil {
			return Usage{}, fmt.Errorf("%s: %w", p.Name(), err)
		}
		sum.CPU, sum.RSS, sum.Peak = sum.CPU+u.CPU, sum.RSS+u.RSS, sum.Peak+u.Peak
	}
	return sum, nil
}

func usageOf(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	// The second field may hold anything, so that fields are counted behind its bracket: utime and stime are the 14th and 15th.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return Usage{}, errors.New("unexpected format of /proc/PID/stat")
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	rss, peak, err3 := memoryOf(pid)
	return Usage{CPU: time.Duration(user+system) * time.Second / ticks, RSS: rss, Peak: peak}, errors.Join(err1, err2, err3)
}

func memoryOf(pid int) (rss, peak uint64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		to := map[string]*uint64{"VmRSS": &rss, "VmHWM": &peak}[string(name)]
		if to == nil {
			continue
		}
		kib, err := strconv.ParseUint(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s of /proc/PID/status: %w", name, err)
		}
		*to = kib * 1024
	}
	return rss, peak, nil
}

// ResetPeaks begins the peaks of processes anew.
func ResetPeaks(processes []*testbed.Process) error {
	for _, p := range processes {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.PID()), []byte("5"), 0); err != nil {
			return fmt.Errorf("%s: %w", p.Name(), err)
		}
	}
	return nil
}
