// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"io"
	"time"
)

// Screen shows how the demo goes on: plain lines with the time since the start, and on a terminal one last line that moves.
type Screen struct {
	out   io.Writer
	live  bool
	start time.Time
	line  string // the moving line, empty when there is none
}

// NewScreen shows on out; live says that out is a terminal.
func NewScreen(out io.Writer, live bool) *Screen {
	return &Screen{out: out, live: live, start: time.Now()}
}

// Write lets others print whole lines above the moving one.
func (s *Screen) Write(p []byte) (int, error) {
	s.clear()
	return s.out.Write(p)
}

// Say prints a line.
func (s *Screen) Say(format string, args ...any) {
	s.clear()
	fmt.Fprintf(s.out, "%7.1fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// Heading starts a part of the story.
func (s *Screen) Heading(format string, args ...any) {
	s.clear()
	fmt.Fprintf(s.out, "\n== %s\n", fmt.Sprintf(format, args...))
}

// Move shows a line that the next one replaces; where nothing can be replaced it is a plain line.
func (s *Screen) Move(line string) {
	if !s.live {
		s.Say("%s", line)
		return
	}
	s.clear()
	s.line = fmt.Sprintf("%7.1fs  %s", time.Since(s.start).Seconds(), line)
	fmt.Fprint(s.out, s.line)
}

// Keep lets the moving line stand.
func (s *Screen) Keep() {
	if s.line != "" {
		fmt.Fprintln(s.out)
		s.line = ""
	}
}

func (s *Screen) clear() {
	if s.line != "" {
		fmt.Fprint(s.out, "\r\033[K")
		s.line = ""
	}
}
