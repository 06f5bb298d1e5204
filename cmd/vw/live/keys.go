// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"vworkspace.io/fleet/cmd/vw/safe"
)

// half a screen, about, for page up and down.
const half = 10

// bound is what a key does on the page of cells.
type bound struct {
	binding key.Binding
	does    func(*Model) tea.Cmd
}

func bind(keys []string, shown, what string, does func(*Model) tea.Cmd) bound {
	return bound{key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, what)), does}
}

func moves(rows, columns int) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd { m.move(rows, columns); return nil }
}

// bindings of keys, in the order of the page that tells them.
var bindings = []bound{
	bind([]string{"up", "k"}, "↑ k", "the cell above, or a line up", moves(-1, 0)),
	bind([]string{"down", "j"}, "↓ j", "the cell below, or a line down", moves(1, 0)),
	bind([]string{"left", "h"}, "← h", "the cell before", moves(0, -1)),
	bind([]string{"right", "l"}, "→ l", "the cell after", moves(0, 1)),
	bind([]string{"pgup", "ctrl+b"}, "pgup", "some lines up", moves(-half, 0)),
	bind([]string{"pgdown", "ctrl+f", "space"}, "pgdown space", "some lines down", moves(half, 0)),
	bind([]string{"home", "g"}, "home g", "the first cell", func(m *Model) tea.Cmd { m.jump(false); return nil }),
	bind([]string{"end", "G"}, "end G", "the last cell", func(m *Model) tea.Cmd { m.jump(true); return nil }),
	bind([]string{"enter"}, "enter", "open a cluster: what is known of it, and how to go on", func(m *Model) tea.Cmd { m.open(); return nil }),
	bind([]string{"w", "tab"}, "w tab", "go between the cells and the failures", func(m *Model) tea.Cmd { m.turn(); return nil }),
	bind([]string{"f"}, "f", "show all, those that are running, failed, blocked, pending", func(m *Model) tea.Cmd {
		m.filter = (m.filter + 1) % filters
		m.sift()
		return nil
	}),
	bind([]string{"/"}, "/", "find by name", func(m *Model) tea.Cmd { m.finding = true; return nil }),
	bind([]string{"p"}, "p", "pause the run, or resume it", func(m *Model) tea.Cmd { m.ask = m.askPause(); return nil }),
	bind([]string{"c"}, "c", "cancel the run", func(m *Model) tea.Cmd { m.ask = m.askCancel(); return nil }),
	bind([]string{"?"}, "?", "this page", func(m *Model) tea.Cmd { m.page, m.pageTop = pageKeys, 0; return nil }),
	bind([]string{"q", "esc", "ctrl+c"}, "q esc ctrl-c", "back, or leave: the run goes on", func(*Model) tea.Cmd { return tea.Quit }),
}

// press of a key.
func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	switch {
	case k.String() == "ctrl+c":
		return tea.Quit
	case m.ask != nil:
		return m.reply(k)
	case m.finding:
		m.typed(k)
		return nil
	case m.note != "":
		m.note = ""
	}
	if m.page != pageCells {
		return m.turnPage(k)
	}
	if k.String() == "esc" && (m.find != "" || m.filter != filterAll) {
		m.filter = filterAll
		m.setFind("")
		return nil
	}
	for i := range bindings {
		if key.Matches(k, bindings[i].binding) {
			return bindings[i].does(m)
		}
	}
	return nil
}

// turnPage on a page that is only read.
func (m *Model) turnPage(k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "q":
		return tea.Quit
	case "up", "k":
		m.pageTop--
	case "down", "j":
		m.pageTop++
	case "pgup", "ctrl+b":
		m.pageTop -= half
	case "pgdown", "ctrl+f", "space":
		m.pageTop += half
	default:
		m.page = pageCells
	}
	return nil
}

// typed while a person says what to find.
func (m *Model) typed(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		m.finding = false
	case "esc":
		m.finding = false
		m.setFind("")
	case "backspace":
		if runes := []rune(m.find); len(runes) > 0 {
			m.setFind(string(runes[:len(runes)-1]))
		}
	default:
		m.setFind(m.find + k.Text)
	}
}

func (m *Model) setFind(name string) {
	m.find = name
	m.sift()
}

// move in what has the focus.
func (m *Model) move(rows, columns int) {
	if m.focus == focusFailures {
		m.failures.move(rows + columns)
		return
	}
	if m.grid == nil || len(m.shown) == 0 {
		return
	}
	if at := m.grid.step(m.at(), rows, columns); at < len(m.shown) {
		m.selected = m.snapshot.Cells[m.shown[at]].Cluster
	}
}

// jump to the first, or the last, of what has the focus.
func (m *Model) jump(last bool) {
	if m.focus == focusFailures {
		m.failures.at = 0
		if last {
			m.failures.move(len(m.failures.list))
		}
		return
	}
	if m.grid == nil || len(m.shown) == 0 {
		return
	}
	at := m.grid.first()
	if last {
		at = m.grid.last()
	}
	m.selected = m.snapshot.Cells[m.shown[at]].Cluster
}

// turn to the failures, or back.
func (m *Model) turn() {
	if m.focus == focusCells && len(m.failures.list) > 0 {
		m.focus = focusFailures
	} else {
		m.focus = focusCells
	}
}

// open what is selected.
func (m *Model) open() {
	name := ""
	if cell := m.cell(); cell != nil {
		name = cell.Cluster
	}
	if m.focus == focusFailures {
		name = m.failures.selected()
	}
	if name != "" {
		m.selected, m.opened, m.page, m.pageTop = name, name, pageCell, 0
	}
}

// question that a person is asked before something is changed.
type question struct {
	text string
	do   func() error
	done string
}

// answer to a question: what came of it.
type answer string

func (m *Model) askPause() *question {
	if m.snapshot.Ended() {
		m.note = "the Operation has ended: there is nothing to pause"
		return nil
	}
	if m.snapshot.Operation.Spec.Suspend {
		return &question{"resume the run?", func() error { return m.source.Suspend(m.ctx, false) }, "asked to resume"}
	}
	return &question{fmt.Sprintf("pause the run? No other %s is started; what runs goes on.", m.snapshot.Unit()),
		func() error { return m.source.Suspend(m.ctx, true) }, "asked to pause"}
}

func (m *Model) askCancel() *question {
	if m.snapshot.Ended() {
		m.note = "the Operation has ended: there is nothing to cancel"
		return nil
	}
	return &question{"cancel the run? What runs is stopped, what waits is never begun.", func() error { return m.source.Cancel(m.ctx) }, "asked to cancel"}
}

// reply to the question.
func (m *Model) reply(k tea.KeyPressMsg) tea.Cmd {
	q := m.ask
	m.ask = nil
	if k.String() != "y" && k.String() != "Y" {
		return nil
	}
	return func() tea.Msg {
		if err := q.do(); err != nil {
			return answer(safe.Line("not done: " + err.Error()))
		}
		return answer(q.done)
	}
}
