// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Agent is the memory of one agent while nobody asks for anything, in bytes.
type Agent struct {
	// Resident is all that counts as its own: Anonymous is in no file, and File are pages of its program file, which the kernel can read again.
	Resident  uint64 `json:"residentBytes"`
	Anonymous uint64 `json:"anonymousBytes"`
	File      uint64 `json:"fileBytes"`
	// Peak is the most that was resident since it was started.
	Peak uint64 `json:"peakBytes"`
}

// String is the scenario as a table.
func (a Agent) String() string {
	var b strings.Builder
	b.WriteString("An agent on a spoke where nothing was asked for.\n\n| resident | in no file | of the program file | most |\n|---|---|---|---|\n")
	fmt.Fprintf(&b, "| %.1f MiB | %.1f MiB | %.1f MiB | %.1f MiB |\n", mib(a.Resident), mib(a.Anonymous), mib(a.File), mib(a.Peak))
	return b.String()
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// MeasureAgent waits until an agent has been left alone for so long, and reads what it takes. The agent is a process of this
// machine, by its ID.
func MeasureAgent(ctx context.Context, pid int, quiet time.Duration) (Agent, error) {
	select {
	case <-ctx.Done():
		return Agent{}, context.Cause(ctx)
	case <-time.After(quiet):
	}
	process, err := procfs.NewProc(pid)
	if err != nil {
		return Agent{}, fmt.Errorf("the agent: %w", err)
	}
	status, err := process.NewStatus()
	if err != nil {
		return Agent{}, fmt.Errorf("the agent's memory: %w", err)
	}
	return Agent{Resident: status.VmRSS, Anonymous: status.RssAnon, File: status.RssFile, Peak: status.VmHWM}, nil
}
