// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// erase the line that moves. It is on one row, whatever the width of the terminal: what does not fit is seen when it stands.
	erase        = "\r\033[K"
	noWrap, wrap = "\033[?7l", "\033[?7h"
)

// Screen shows how the demo goes on: plain lines with the time since the start, and on a terminal one last line that moves. Several may speak at once.
type Screen struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	start time.Time
	line  string // the moving line, empty when there is none
	last  string // that was shown as a moving line
}

// NewScreen shows on out; live says that out is a terminal.
func NewScreen(out io.Writer, live bool) *Screen {
	return &Screen{out: out, live: live, start: time.Now()}
}

// Write lets others print whole lines above the moving one.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.out.Write(p)
}

// Say prints a line.
func (s *Screen) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintln(s.out, s.timed(fmt.Sprintf(format, args...)))
}

func (s *Screen) timed(line string) string {
	return fmt.Sprintf("%7.1fs  %s", time.Since(s.start).Seconds(), line)
}

// Heading starts a part of the story.
func (s *Screen) Heading(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, "\n== %s\n", fmt.Sprintf(format, args...))
}

// Move shows a line that the next one replaces, unless it is there already; where nothing can be replaced it is a plain line.
func (s *Screen) Move(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(line)
}

func (s *Screen) move(line string) {
	if line == s.last {
		return
	}
	s.clear()
	s.last = line
	if !s.live {
		fmt.Fprintln(s.out, s.timed(line))
		return
	}
	s.line = s.timed(line)
	fmt.Fprint(s.out, noWrap, s.line, wrap)
}

// Keep lets the moving line stand.
func (s *Screen) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep()
}

func (s *Screen) keep() {
	if s.line != "" {
		fmt.Fprintln(s.out, erase+s.line)
		s.line = ""
	}
}

// Stand shows a line that no other replaces, and not twice when it is the moving one.
func (s *Screen) Stand(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(line)
	s.keep()
}

func (s *Screen) clear() {
	if s.line != "" {
		fmt.Fprint(s.out, erase)
		s.line, s.last = "", ""
	}
}
