// SPDX-License-Identifier: Apache-2.0

package expressions

import "strings"

// variable that an expression is about. What does not refer to it is no expression: `${HOME}` in a command is the shell's.
const variable = "cluster"

const (
	opening = "${"
	// escaped is how an opening is written that is meant as it stands, where it would begin an expression otherwise.
	escaped = "$" + opening
)

// piece of a string: text as it is, or an expression without its braces.
type piece struct {
	text         string
	isExpression bool
	// unclosed tells that the expression's last brace, or that of a string in it, is missing.
	unclosed bool
}

// split a string into its pieces. changed tells that they are not simply the string: it holds an expression, or an escape.
func split(s string) (pieces []piece, changed bool) {
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			pieces = append(pieces, piece{text: text.String()})
			text.Reset()
		}
	}
	for i := 0; i < len(s); {
		rest := s[i:]
		switch {
		case strings.HasPrefix(rest, escaped):
			if e := read(rest[len(escaped):]); e.refers {
				changed = true
				end := min(len(escaped)+e.length+1, len(rest))
				text.WriteString(rest[1:end])
				i += end
				continue
			}
		case strings.HasPrefix(rest, opening):
			if e := read(rest[len(opening):]); e.refers {
				changed = true
				flush()
				pieces = append(pieces, piece{text: rest[len(opening) : len(opening)+e.length], isExpression: true, unclosed: !e.closed})
				i += min(len(opening)+e.length+1, len(rest))
				continue
			}
		}
		text.WriteByte(s[i])
		i++
	}
	flush()
	return pieces, changed
}

// extent of what stands after an opening.
type extent struct {
	// length up to the closing brace, or, where there is none, up to what may have been meant as one.
	length int
	closed bool
	// refers tells that it is an expression: it refers to the variable, and holds no other opening, as a shell's default may.
	refers bool
}

// read what stands after an opening, as far as an expression may go. Braces that belong to it, and those in its strings, do not close it.
func read(s string) extent {
	s = s[:min(len(s), MaxLength+1)]
	e := extent{}
	depth := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '}' && depth == 0:
			e.length, e.closed = i, true
			return e
		case c == '{':
			depth++
			i++
		case c == '}':
			depth--
			i++
		case strings.HasPrefix(s[i:], opening):
			return extent{}
		case c == '\'' || c == '"':
			n := quoted(s[i:], false)
			if n == 0 {
				return unclosed(s, e.refers)
			}
			i += n
		case isLetter(c):
			n, refers := word(s, i)
			e.refers = e.refers || refers
			i += n
		case isDigit(c):
			i += wordLength(s[i:])
		default:
			i++
		}
	}
	return unclosed(s, e.refers)
}

// word is the length of the word that begins at a place, with the raw string that it may be the prefix of, and whether it refers to the variable.
func word(s string, at int) (length int, refers bool) {
	n := wordLength(s[at:])
	text, rest := s[at:at+n], s[at+n:]
	if isRaw := len(text) <= 2 && strings.ContainsAny(text, "rR"); isRaw && strings.IndexAny(rest, `'"`) == 0 {
		return n + quoted(rest, true), false
	}
	return n, text == variable && !isMember(s[:at])
}

func wordLength(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
		n++
	}
	return n
}

// unclosed is the extent of what has no closing brace: up to the first brace that may have been meant as one.
func unclosed(s string, refers bool) extent {
	if i := strings.IndexByte(s, '}'); i >= 0 {
		return extent{length: i, refers: refers}
	}
	return extent{length: len(s), refers: refers}
}

// quoted is the length of the string literal that s begins with, 0 when it does not end. In a raw one a backslash means nothing.
func quoted(s string, raw bool) int {
	quote := s[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s, triple) {
		quote = triple
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\n' && len(quote) == 1:
			return 0
		}
	}
	return 0
}

// isMember tells whether a word that follows is a field of something else, or a variable of the shell's.
func isMember(before string) bool {
	before = strings.TrimRight(before, " \t\n")
	return strings.HasSuffix(before, ".") || strings.HasSuffix(before, "$")
}

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
