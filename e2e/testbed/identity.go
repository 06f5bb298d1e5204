// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// identity tells one process from every other that has had, or will have, the same pid.
type identity struct {
	PID int `json:"pid"`
	// StartTime is when the kernel started it, in clock ticks since boot (field 22 of /proc/PID/stat).
	StartTime uint64 `json:"startTime"`
}

// identify reads the identity of a running process.
func identify(pid int) (identity, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	start, state, err := parseStat(stat)
	if err != nil {
		return identity{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' {
		return identity{}, fmt.Errorf("process %d has ended", pid)
	}
	return identity{PID: pid, StartTime: start}, nil
}

// alive tells whether this very process still runs. A zombie does not: nothing of it is left but its exit status.
func (i identity) alive() bool {
	if i.PID <= 0 {
		return false
	}
	now, err := identify(i.PID)
	return err == nil && now == i
}

// parseStat returns the start time and state of a /proc/PID/stat line. The command in it may hold anything,
// blanks and brackets included, so fields are counted from the last bracket.
func parseStat(stat []byte) (start uint64, state byte, err error) {
	_, rest, ok := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(") "))
	fields := bytes.Fields(rest)
	const stateField, startField = 0, 19 // fields 3 and 22; what follows the bracket is field 3
	if !ok || len(fields) <= startField {
		return 0, 0, errors.New("unexpected format of /proc/PID/stat")
	}
	start, err = strconv.ParseUint(string(fields[startField]), 10, 64)
	return start, fields[stateField][0], err
}
