// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

const (
	// maxLetter bytes are in one letter. What is more is divided.
	maxLetter = 512 << 10
	// maxOpened bounds what a letter may unpack to, so that a forged one cannot exhaust the hub.
	maxOpened = 64 << 20
)

// letterName of what is told to a sink about id; part tells apart what was divided. The same gives the same name, so that a letter can be written again.
func letterName(sink, id string, part int) string {
	sum := sha256.Sum256([]byte(sink + "\x00" + id))
	return fmt.Sprintf("vworkspace-letter-%s-%04d", hex.EncodeToString(sum[:])[:24], part)
}

// lettersOf divides events into letters of at most limit bytes, in order. One event that is larger by itself has a letter to itself.
func lettersOf(sink, id string, events []event, limit int) ([]letter, error) {
	packed, err := divide(events, limit)
	if err != nil {
		return nil, err
	}
	all := make([]letter, len(packed))
	for i, data := range packed {
		all[i] = letter{name: letterName(sink, id, i), sink: sink, data: data}
	}
	return all, nil
}

func divide(events []event, limit int) ([][]byte, error) {
	if len(events) == 0 {
		return nil, nil
	}
	data, err := encode(events)
	if err != nil {
		return nil, err
	}
	if len(data) <= limit || len(events) == 1 {
		return [][]byte{data}, nil
	}
	first, err := divide(events[:len(events)/2], limit)
	if err != nil {
		return nil, err
	}
	second, err := divide(events[len(events)/2:], limit)
	return append(first, second...), err
}

// encode packs events: the same give the same bytes.
func encode(events []event) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(events); err != nil {
		return nil, fmt.Errorf("encode a letter: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("encode a letter: %w", err)
	}
	return b.Bytes(), nil
}

// decode unpacks the events of a letter.
func decode(data []byte) ([]event, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode a letter: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxOpened+1))
	if err != nil {
		return nil, fmt.Errorf("decode a letter: %w", err)
	}
	if len(raw) > maxOpened {
		return nil, fmt.Errorf("decode a letter: it unpacks to more than %d bytes", maxOpened)
	}
	var events []event
	if err := json.Unmarshal(raw, &events); err != nil {
		return nil, fmt.Errorf("decode a letter: %w", err)
	}
	return events, nil
}
