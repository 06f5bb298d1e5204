// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"bufio"
	"encoding/binary"
	"io"
)

// stream changes the events of a watch, one by one: a read may end in the middle of what is to be changed.
type stream struct {
	from   io.Closer
	reader *bufio.Reader
	// framed events, in protobuf, begin with their length; others are lines.
	framed bool
	change func([]byte) []byte
	rest   []byte
}

func newStream(from io.ReadCloser, framed bool, change func([]byte) []byte) *stream {
	return &stream{from: from, reader: bufio.NewReader(from), framed: framed, change: change}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		event, err := s.next()
		if len(event) == 0 {
			return 0, err
		}
		s.rest = s.change(event)
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stream) next() ([]byte, error) {
	if !s.framed {
		return s.reader.ReadBytes('\n')
	}
	var length [4]byte
	if _, err := io.ReadFull(s.reader, length[:]); err != nil {
		return nil, err
	}
	event := make([]byte, 4+binary.BigEndian.Uint32(length[:]))
	copy(event, length[:])
	if _, err := io.ReadFull(s.reader, event[4:]); err != nil {
		return nil, err
	}
	return event, nil
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.from.Close() }
