// SPDX-License-Identifier: Apache-2.0

// Package live shows an Operation while it goes: to a person at a terminal, who can look closer and step in (Show), or line by line (Plain).
//
//	follow.Follower -> Snapshot, at most ten a second -> Model -> a frame of the terminal's size
//
// A frame has a head (what runs, how far it is, when it will end), a cell for each cluster in the groups of the plan, the failures as they come, and a line of keys. Cells
// are a line each while they fit, names side by side when not, and single glyphs when there are hundreds; the state is told by the glyph, and by the colour only besides.
// Colours are the sixteen that a terminal's theme defines. What clusters say is stripped of control characters before it is shown.
package live
