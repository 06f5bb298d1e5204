// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"image"
	"image/color"
	imagedraw "image/draw"
	"image/png"
	"os"
	"slices"
)

// shrink a PNG to its 256 most frequent colours. A frame has a dozen, and the rest are edges of letters.
func shrink(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	full, err := png.Decode(in)
	_ = in.Close()
	if err != nil {
		return err
	}
	seen := map[color.Color]int{}
	bounds := full.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			seen[full.At(x, y)]++
		}
	}
	colors := make(color.Palette, 0, len(seen))
	for c := range seen {
		colors = append(colors, c)
	}
	slices.SortFunc(colors, func(a, b color.Color) int {
		return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(number(a), number(b)))
	})
	small := image.NewPaletted(bounds, colors[:min(len(colors), 256)])
	imagedraw.Draw(small, bounds, full, bounds.Min, imagedraw.Src)
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(out, small); err != nil {
		return err
	}
	return out.Close()
}

// number of a colour, so that the same picture always comes out the same.
func number(c color.Color) uint32 {
	r, g, b, _ := c.RGBA()
	return r>>8<<16 | g>>8<<8 | b>>8
}
