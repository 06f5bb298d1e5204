// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	platform "vworkspace.io/fleet/deploy/image"
)

// Usage is what a process of the platform takes.
type Usage struct {
	// Name of the program, and of the cluster that it is the agent of.
	Name string
	PID  int
	// Resident is the memory that it has now, and Peak the most that it has had, in bytes.
	Resident, Peak uint64
	// CPU is the time that it has computed for since it began.
	CPU time.Duration
}

func (u Usage) String() string {
	return fmt.Sprintf("%s: %d MB now, %d MB at most, %s of CPU", u.Name, u.Resident>>20, u.Peak>>20, u.CPU.Round(10*time.Millisecond))
}

// Usages are those of all hubs and agents of the fleet, whose processes the sandbox sees.
func Usages() ([]Usage, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	var found []Usage
	for _, p := range all {
		name, err := p.Comm()
		if err != nil || !slices.ContainsFunc(platform.Programs, func(p platform.Program) bool { return p.Name == name }) {
			continue
		}
		status, err := p.NewStatus()
		if err != nil {
			continue // it has ended
		}
		stat, err := p.Stat()
		if err != nil {
			continue
		}
		args, err := p.CmdLine()
		if err != nil {
			continue
		}
		for _, arg := range args {
			if cluster, is := strings.CutPrefix(arg, "--cluster="); is {
				name += " of " + cluster
			}
		}
		found = append(found, Usage{
			Name: name, PID: p.PID, Resident: status.VmRSS, Peak: status.VmHWM, CPU: time.Duration(stat.CPUTime() * float64(time.Second)),
		})
	}
	return found, nil
}

// WatchMemory looks at the machine's memory until the context ends. What it returns says how much less was available at the worst than in the beginning,
// in bytes.
func WatchMemory(ctx context.Context) (taken func() uint64, err error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, err
	}
	available := func() (uint64, error) {
		info, err := proc.Meminfo()
		if err != nil {
			return 0, err
		}
		if info.MemAvailableBytes == nil {
			return 0, fmt.Errorf("this kernel does not say how much memory is available")
		}
		return *info.MemAvailableBytes, nil
	}
	begun, err := available()
	if err != nil {
		return nil, err
	}
	least, asked := make(chan uint64), time.NewTicker(time.Second)
	go func() {
		defer asked.Stop()
		low := begun
		for {
			select {
			case <-ctx.Done():
				close(least)
				return
			case least <- low:
			case <-asked.C:
				if now, err := available(); err == nil {
					low = min(low, now)
				}
			}
		}
	}()
	return func() uint64 { return begun - min(begun, <-least) }, nil
}
