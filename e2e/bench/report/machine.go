// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine that something was measured on.
type Machine struct {
	Date   time.Time `json:"date"`
	CPUs   int       `json:"cpus"`
	Model  string    `json:"cpuModel"`
	Memory uint64    `json:"memoryBytes"`
	Kernel string    `json:"kernel"`
	Go     string    `json:"go"`
	// Load is the machine's average load of the minute before: what else it had to do.
	Load float64 `json:"loadBefore"`
}

// ThisMachine describes the one that it runs on; what the kernel does not tell is left empty.
func ThisMachine() Machine {
	m := Machine{Date: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
		m.Load = float64(info.Loads[0]) / (1 << 16)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(raw) {
			if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
				m.Model = strings.TrimSpace(value)
				break
			}
		}
	}
	return m
}
