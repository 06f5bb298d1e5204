// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/safe"
	"vworkspace.io/fleet/placement"
)

// frame is the shortest time between two that show news: ten a second are smooth, and more would only cost.
const frame = 100 * time.Millisecond

// Source of what is shown; a follow.Follower is one.
type Source interface {
	// Snapshot of what is known.
	Snapshot() follow.Snapshot
	// Changed holds something when there is news.
	Changed() <-chan struct{}
	// Suspend the Operation, or let it go on.
	Suspend(ctx context.Context, suspend bool) error
	// Cancel the Operation.
	Cancel(ctx context.Context) error
}

// Options of a view.
type Options struct {
	// Program is how vw was called, for the commands that it tells: vw, or kubectl vw.
	Program string
	// Now is the time, in the zone that times are shown in.
	Now func() time.Time
	// Stay when the Operation has ended, until a person leaves.
	Stay bool
	// Every so often at most Plain prints how far it is; a second by default.
	Every time.Duration
}

// news of the Operation.
type news follow.Snapshot

// tick comes every second: time goes by without news.
type tick struct{}

// ready for the next news.
type ready struct{}

// Model is the view at a terminal, for Bubble Tea.
type Model struct {
	ctx     context.Context //nolint:containedctx // Bubble Tea's commands are given none
	source  Source
	options Options

	snapshot      follow.Snapshot
	width, height int
	screen        *screen

	filter  filter
	find    string // in names; empty finds all
	finding bool   // it is being typed
	shown   []int
	grid    *grid
	dirty   bool // the grid is to be laid anew
	room    int  // rows of the grid that there is room for

	selected string // name of the cell; empty before a person has moved
	top      int    // first row of the grid that is on the screen
	failures failures
	focus    focus

	page    page
	opened  string // the cell on pageCell
	pageTop int    // first line of the page that is on the screen

	pageLines, pageRoom int // lines of the page, and how many of them fit
	ask                 *question
	note                string // what came of the last question
}

// focus is what the arrows move in.
type focus int

const (
	focusCells focus = iota
	focusFailures
)

// page is what is shown below the head.
type page int

const (
	pageCells page = iota
	pageCell
	pageKeys
)

// NewModel shows what a source knows. What a person asks for is done within the context.
func NewModel(ctx context.Context, source Source, o Options) *Model {
	m := &Model{ctx: ctx, source: source, options: o, width: 80, height: 24, screen: newScreen(), failures: newFailures()}
	m.take(source.Snapshot())
	m.layOut(m.height)
	return m
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd { return tea.Batch(m.listen(), second()) }

// listen for news.
func (m *Model) listen() tea.Cmd {
	return func() tea.Msg {
		select {
		case <-m.ctx.Done():
			return nil
		case <-m.source.Changed():
			return news(m.source.Snapshot())
		}
	}
}

func second() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} }) }

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case news:
		m.take(follow.Snapshot(msg))
		if m.over() {
			return m, tea.Quit
		}
		return m, tea.Tick(frame, func(time.Time) tea.Msg { return ready{} })
	case ready:
		return m, m.listen()
	case tick:
		return m, second()
	case answer:
		m.note = string(msg)
	case tea.WindowSizeMsg:
		m.width, m.height, m.dirty = msg.Width, msg.Height, true
	case tea.PasteMsg:
		if m.finding {
			m.setFind(m.find + safe.Line(msg.Content))
		}
	case tea.KeyPressMsg:
		return m, m.press(msg)
	}
	return m, nil
}

// over tells whether there is nothing more to see.
func (m *Model) over() bool { return (m.snapshot.Ended() || m.snapshot.Gone) && !m.options.Stay }

// take up what is known now.
func (m *Model) take(s follow.Snapshot) {
	m.snapshot = s
	m.failures.take(&m.snapshot, m.options.Now())
	m.sift()
}

// sift out the cells that are not asked for.
func (m *Model) sift() {
	m.shown = m.shown[:0]
	for i := range m.snapshot.Cells {
		cell := &m.snapshot.Cells[i]
		if m.filter.takes(cell) && (m.find == "" || strings.Contains(cell.Cluster, m.find)) {
			m.shown = append(m.shown, i)
		}
	}
	m.dirty = true
}

// at is the selected cell's place among those that are shown. Before a person has moved it is the first that has not ended, so that one sees where the run is.
func (m *Model) at() int {
	for n, i := range m.shown {
		cell := &m.snapshot.Cells[i]
		if m.selected == "" && !cell.State.Terminal() || m.selected != "" && cell.Cluster == m.selected {
			return n
		}
	}
	return m.grid.first()
}

// cell that is selected; nil when none is shown.
func (m *Model) cell() *placement.ClusterResult {
	if at := m.at(); at < len(m.shown) {
		return &m.snapshot.Cells[m.shown[at]]
	}
	return nil
}

// named cell; nil when it is not there any more.
func (m *Model) named(name string) *placement.ClusterResult {
	for i := range m.snapshot.Cells {
		if m.snapshot.Cells[i].Cluster == name {
			return &m.snapshot.Cells[i]
		}
	}
	return nil
}
