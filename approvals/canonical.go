// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// appendCanonical writes a decoded JSON value without white space, with sorted keys, and with nothing escaped that need not be: the form that `jq -cS`
// writes, and Python's json.dumps with sort_keys, ensure_ascii=False and the shortest separators. encoding/json will not do: it escapes more.
func appendCanonical(out []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...)
	case bool:
		return fmt.Append(out, v)
	case json.Number:
		return append(out, v...)
	case string:
		return appendString(out, v)
	case []any:
		out = append(out, '[')
		for i, item := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendCanonical(out, item)
		}
		return append(out, ']')
	case map[string]any:
		out = append(out, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendString(out, key), ':')
			out = appendCanonical(out, v[key])
		}
		return append(out, '}')
	default:
		panic(fmt.Sprintf("a decoder of JSON made a %T", value))
	}
}

// short are the control characters that have an escape of their own.
var short = map[rune]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r', '"': '"', '\\': '\\'}

func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	for _, r := range s {
		if letter, special := short[r]; special {
			out = append(out, '\\', letter)
		} else if r < ' ' {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, string(r)...)
		}
	}
	return append(out, '"')
}
