// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Links of a page, and the anchors of its headings, as GitHub makes them.
func Links(source []byte) (links []string, anchors map[string]bool) {
	anchors = map[string]bool{}
	times := map[string]int{}
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Link:
			if entering {
				links = append(links, string(n.Destination))
			}
		case *ast.Heading:
			if entering {
				slug := anchor(words(n, source))
				times[slug]++
				if again := times[slug] - 1; again > 0 {
					slug += "-" + strconv.Itoa(again)
				}
				anchors[slug] = true
			}
		}
		return ast.WalkContinue, nil
	})
	return links, anchors
}

// words of a heading, without what marks them.
func words(n ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(c ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := c.(*ast.Text); ok && entering {
			out.Write(t.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, heading)
}
