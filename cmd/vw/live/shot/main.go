// SPDX-License-Identifier: Apache-2.0

// Command shot makes the pictures of the live view in docs/images, from simulated runs: the frames that vw watch would paint, drawn cell by cell by a headless Chromium.
//
//	go run ./cmd/vw/live/shot docs/images
//
// It needs Chromium and the font DejaVu Sans Mono: apt-get install chromium fonts-dejavu-core.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	tea "charm.land/bubbletea/v2"

	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live"
	"vworkspace.io/fleet/cmd/vw/live/simulated"
)

// picture of a run.
type picture struct {
	name          string
	run           follow.Snapshot
	width, height int
	keys          []tea.Msg
}

func press(code rune) tea.Msg { return tea.KeyPressMsg{Code: code, Text: string(code)} }

var pictures = []picture{
	{name: "watch-healthy", run: simulated.Healthy(), width: 100, height: 18},
	{name: "watch-faults", run: simulated.Faults(), width: 120, height: 28},
	{name: "watch-500", run: simulated.Fleet(500, 0.55), width: 110, height: 32},
	{name: "watch-1000", run: simulated.Fleet(1000, 0.62), width: 120, height: 36},
	{name: "watch-1000-failed", run: simulated.Fleet(1000, 0.62), width: 120, height: 30, keys: []tea.Msg{press('f'), press('f')}},
	{name: "watch-cluster", run: simulated.Faults(), width: 100, height: 26, keys: []tea.Msg{press('k'), tea.KeyPressMsg{Code: tea.KeyEnter}}},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: shot FOLDER")
		os.Exit(2)
	}
	for _, p := range pictures {
		if err := p.make(context.Background(), os.Args[1]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, err)
			os.Exit(1)
		}
	}
}

func (p picture) make(ctx context.Context, folder string) error {
	now := func() time.Time { return simulated.Now }
	model := live.NewModel(ctx, &simulated.Source{Shown: p.run}, live.Options{Program: "vw", Now: now, Stay: true})
	model.Update(tea.WindowSizeMsg{Width: p.width, Height: p.height})
	model.Lines()
	for _, key := range p.keys {
		model.Update(key)
		model.Lines()
	}
	page, width, height := draw(model.Lines(), p.width, p.height)
	dir, err := os.MkdirTemp("", "shot-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "frame.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		return err
	}
	image, err := filepath.Abs(filepath.Join(folder, p.name+".png"))
	if err != nil {
		return err
	}
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=1",
		"--user-data-dir="+dir, fmt.Sprintf("--window-size=%d,%d", width, height), "--screenshot="+image, "file://"+file)
	if out, err := browser.CombinedOutput(); err != nil {
		return fmt.Errorf("chromium: %w: %s", err, out)
	}
	return shrink(image)
}
