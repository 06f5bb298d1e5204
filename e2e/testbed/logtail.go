// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"bytes"
	"io"
	"os"
	"strings"
)

const (
	// tailLines is how much of a log an error quotes.
	tailLines = 15
	// tailBytes bounds how much of a log is read to find them.
	tailBytes = 64 << 10
	// tailWidth bounds a quoted line: some components log whole objects in one.
	tailWidth = 400
)

// tail keeps the last lines that were added.
type tail struct {
	limit int
	kept  []string
}

func newTail(limit int) *tail { return &tail{limit: limit} }

func (t *tail) add(line string) {
	if line = strings.TrimRight(line, " \t\r"); line == "" {
		return
	}
	if len(line) > tailWidth {
		line = line[:tailWidth] + "..."
	}
	if t.kept = append(t.kept, line); len(t.kept) > t.limit {
		t.kept = t.kept[1:]
	}
}

func (t *tail) lines() []string { return t.kept }

// tailFile returns the last lines of a file, none if it cannot be read.
func tailFile(path string, limit int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := f.Seek(-tailBytes, io.SeekEnd); err != nil {
			return nil
		}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	t := newTail(limit)
	for _, line := range bytes.Split(data, []byte("\n")) {
		t.add(string(line))
	}
	return t.lines()
}

// indent renders quoted lines below an error.
func indent(lines []string) string {
	return "    " + strings.Join(lines, "\n    ")
}
