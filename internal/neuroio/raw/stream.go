package raw

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"

	"cortexmap/internal/fault"
)

// Stream reads a file from front to back and counts its bytes. The first failure stays, and zeros come
// after it.
type Stream struct {
	Order binary.ByteOrder // of Int16 and its like

	r      *bufio.Reader
	below  *source
	zipped bool
	what   string // the format's name in faults: "MGH file"
	at     int64  // bytes read, of the unpacked file
	err    error
}

// NewStream begins a stream. A gzipped file is unpacked on the way: its first bytes tell, not its name.
func NewStream(r io.Reader, what string, order binary.ByteOrder) *Stream {
	s := &Stream{Order: order, below: &source{r: r}, what: what}
	s.r = bufio.NewReaderSize(s.below, 1<<16)
	if head, _ := s.r.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		s.zipped = true
		z, err := gzip.NewReader(s.r)
		if err != nil {
			s.fail(err)
			return s
		}
		s.r = bufio.NewReaderSize(z, 1<<16)
	}
	return s
}

// source keeps errors of the file system apart from those of unpacking: they come back as they are.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// At is how many bytes were read, of the unpacked file.
func (s *Stream) At() int64 { return s.at }

// Err is the first failure.
func (s *Stream) Err() error { return s.err }

// Refuse notes a failure found by the caller, unless there was one before.
func (s *Stream) Refuse(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *Stream) fail(err error) {
	switch {
	case s.err != nil:
	case s.below.err != nil:
		s.err = s.below.err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		s.err = fault.Inputf("the %s is cut short: it ends after %d bytes", s.what, s.at).Remedy("copy or write the file again")
	case s.zipped:
		s.err = fault.Inputf("the %s can't be unpacked after %d bytes: %w", s.what, s.at, err).Remedy("copy or write the file again")
	default:
		s.err = err
	}
}

// Fill reads len(b) bytes.
func (s *Stream) Fill(b []byte) {
	if s.err != nil {
		clear(b)
		return
	}
	n, err := io.ReadFull(s.r, b)
	s.at += int64(n)
	if err != nil {
		s.fail(err)
	}
}

// step is how much memory is taken at a time for what may not be there.
const step = 1 << 20

// Bytes reads n bytes; memory grows with what is really there.
func (s *Stream) Bytes(n int64) []byte {
	var out []byte
	for s.err == nil && int64(len(out)) < n {
		at, part := len(out), int(min(step, n-int64(len(out))))
		out = append(out, make([]byte, part)...)
		s.Fill(out[at:])
	}
	return out
}

// Skip passes over n bytes.
func (s *Stream) Skip(n int64) {
	for s.err == nil && n > 0 {
		part, err := s.r.Discard(int(min(n, step)))
		s.at += int64(part)
		n -= int64(part)
		if err != nil {
			s.fail(err)
		}
	}
}

// End reads what follows, which is what verifies a gzipped file's checksum. More than limit bytes are a
// fault: nothing that long belongs there.
func (s *Stream) End(limit int64) {
	if s.err != nil {
		return
	}
	n, err := io.CopyN(io.Discard, s.r, limit+1)
	s.at += n
	switch {
	case err == nil:
		s.err = fault.Inputf("more than %d bytes follow the end of the %s's data", limit, s.what)
	case !errors.Is(err, io.EOF) || s.below.err != nil:
		s.fail(err)
	}
}

// Int16 reads a number of 2 bytes.
func (s *Stream) Int16() int16 { return int16(s.Order.Uint16(s.few(2))) }

// Int32 reads a number of 4 bytes.
func (s *Stream) Int32() int32 { return int32(s.Order.Uint32(s.few(4))) }

// few reads a header's field, zeros after a failure.
func (s *Stream) few(n int) []byte {
	b := make([]byte, n)
	s.Fill(b)
	if s.err != nil {
		clear(b)
	}
	return b
}
