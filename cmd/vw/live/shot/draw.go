// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	xansi "github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// Size of a cell and of the margin around the frame, in pixels. The font is as wide as a cell at this size.
const (
	cellWidth, cellHeight = 9, 19
	fontSize              = 14.95
	border                = 14
)

const foreground, background = "#d8dee9", "#1b1f27"

// palette of the sixteen colours, as many terminals have them on a dark ground.
var palette = [16]string{
	"#3b4252", "#ef6b73", "#8fc379", "#e5c07b", "#6ca8e8", "#c58fd6", "#56c2d6", "#d8dee9",
	"#77829a", "#ff8a90", "#a8dd92", "#f5d595", "#8fc1f5", "#d9a9e6", "#7ddbec", "#ffffff",
}

// draw the lines of a frame as a terminal would: as a page of cells in their places, with its size in pixels.
func draw(lines []string, columns, rows int) (page string, width, height int) {
	terminal := vt.NewEmulator(columns, rows)
	for y, line := range lines {
		fmt.Fprintf(terminal, "\x1b[%d;1H%s", y+1, line)
	}
	width, height = columns*cellWidth+2*border, rows*cellHeight+2*border
	var b strings.Builder
	fmt.Fprintf(&b, `<!doctype html><meta charset="utf-8"><style>body{margin:0;background:%s;color:%s;font:%gpx/%dpx "DejaVu Sans Mono"}`+
		`i{position:absolute;font-style:normal;white-space:pre;height:%dpx}</style>`, background, foreground, fontSize, cellHeight, cellHeight)
	for y := range rows {
		for x := 0; x < columns; {
			first := terminal.CellAt(x, y)
			text, to := "", x
			for ; to < columns; to++ {
				cell := terminal.CellAt(to, y)
				if !cell.Style.Equal(&first.Style) {
					break
				}
				text += cell.Content
			}
			if strings.TrimSpace(text) != "" || first.Style.Attrs&uv.AttrReverse != 0 {
				fmt.Fprintf(&b, `<i style="left:%dpx;top:%dpx;%s">%s</i>`, border+x*cellWidth, border+y*cellHeight, css(&first.Style), html.EscapeString(text))
			}
			x = to
		}
	}
	return b.String(), width, height
}

func css(s *uv.Style) string {
	fg, bg := hex(s.Fg, foreground), hex(s.Bg, "")
	if s.Attrs&uv.AttrReverse != 0 {
		fg, bg = background, fg
	}
	out := "color:" + fg
	if bg != "" {
		out += ";background:" + bg
	}
	if s.Attrs&uv.AttrBold != 0 {
		out += ";font-weight:bold"
	}
	return out
}

func hex(c color.Color, otherwise string) string {
	switch c := c.(type) {
	case nil:
		return otherwise
	case xansi.BasicColor:
		return palette[c%16]
	default:
		r, g, b, _ := c.RGBA()
		return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
	}
}
