package onnx

import (
	"encoding/binary"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/internal/fault"
)

const (
	windowBytes = 1 << 16 // read at once
	maxText     = 1 << 20 // a name, or a packed list of integers
	maxDepth    = 32      // graphs inside graphs
	maxMemory   = 1 << 28 // for the whole structure; the largest networks seen need a fiftieth
	smallTensor = 1024    // bytes of a constant whose numbers are kept
)

// reader walks protobuf messages in a file through one window of it.
type reader struct {
	file   io.ReaderAt
	size   int64
	window []byte
	start  int64 // of the window in the file
	memory int64 // spent on what is returned
	depth  int   // of graphs
	// keepAttributes: inside a function, whose nodes may have to be written again
	keepAttributes bool
	read           error // the first error of the file itself, as against its contents
}

// field is one field of a message: number for varint and fixed types, payload for bytes.
type field struct {
	id      protowire.Number
	kind    protowire.Type
	number  uint64
	off, to int64 // payload [off, to) in the file
	at, end int64 // where the field begins, and the next one
}

func (f field) length() int64 { return f.to - f.off }

// damaged is the fault for contents that can't be a model.
func damaged(at int64, format string, args ...any) error {
	return fault.Inputf("the file is damaged, cut short, or no ONNX model: at byte %d %s", at, fmt.Sprintf(format, args...)).
		Remedy("copy or export it again")
}

// bytes returns n bytes at off, valid until the next call.
func (r *reader) bytes(off int64, n int64) ([]byte, error) {
	if n < 0 || n > r.size-off {
		return nil, damaged(off, "%d bytes run past the end", n)
	}
	if off < r.start || off+n > r.start+int64(len(r.window)) {
		if err := r.load(off, max(n, windowBytes)); err != nil {
			return nil, err
		}
	}
	return r.window[off-r.start : off-r.start+n], nil
}

func (r *reader) load(off, n int64) error {
	n = min(n, r.size-off)
	if int64(cap(r.window)) < n {
		r.window = make([]byte, n)
	}
	r.window, r.start = r.window[:n], off
	k, err := r.file.ReadAt(r.window, off)
	if int64(k) == n {
		return nil
	}
	r.window = r.window[:0]
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	r.read = err
	return fault.Inputf("reading failed at byte %d: %w", off, err)
}

// spend bounds what a hostile file can make us allocate.
func (r *reader) spend(at, n int64) error {
	if r.memory += n; r.memory > maxMemory {
		return damaged(at, "its structure (without weights) passes %d MB", maxMemory>>20)
	}
	return nil
}

// walk calls visit for each field of the message in [off, end).
func (r *reader) walk(off, end int64, visit func(field) error) error {
	for off < end {
		f, next, err := r.field(off, end)
		if err != nil {
			return err
		}
		f.end = next
		if err := visit(f); err != nil {
			return err
		}
		off = next
	}
	return nil
}

// inside walks the message that is a field's payload.
func (r *reader) inside(f field, visit func(field) error) error {
	if f.kind != protowire.BytesType {
		return damaged(f.at, "a number stands where a message is expected")
	}
	return r.walk(f.off, f.to, visit)
}

// field reads the field at off and says where the next one begins.
func (r *reader) field(off, end int64) (f field, next int64, err error) {
	const longest = 20 // a tag and a varint have at most ten bytes each
	b, err := r.bytes(off, min(longest, end-off))
	if err != nil {
		return f, 0, err
	}
	id, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return f, 0, damaged(off, "no field of a message begins")
	}
	f = field{id: id, kind: kind, at: off}
	b = b[n:]
	next = off + int64(n)
	switch {
	case kind == protowire.Fixed32Type && len(b) >= 4:
		f.number = uint64(binary.LittleEndian.Uint32(b))
		return f, next + 4, nil
	case kind == protowire.Fixed64Type && len(b) >= 8:
		f.number = binary.LittleEndian.Uint64(b)
		return f, next + 8, nil
	case kind == protowire.VarintType, kind == protowire.BytesType:
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return f, 0, damaged(off, "a number is cut short")
		}
		f.number, next = v, next+int64(n)
		if kind == protowire.VarintType {
			return f, next, nil
		}
		if v > uint64(end-next) {
			return f, 0, damaged(off, "a field of %d bytes runs past the end (%d are left)", v, end-next)
		}
		f.off, f.to = next, next+int64(v)
		return f, f.to, nil
	}
	return f, 0, damaged(off, "a field has a kind that ONNX doesn't use")
}

// text reads a string field.
func (r *reader) text(f field) (string, error) {
	if f.kind != protowire.BytesType || f.length() > maxText {
		return "", damaged(f.at, "no text stands where a name is expected")
	}
	if err := r.spend(f.at, f.length()+16); err != nil {
		return "", err
	}
	b, err := r.bytes(f.off, f.length())
	return string(b), err
}

// integers appends a repeated integer field to dst, packed or not.
func (r *reader) integers(dst []int64, f field) ([]int64, error) {
	if f.kind == protowire.VarintType {
		return append(dst, int64(f.number)), r.spend(f.at, 16)
	}
	if f.kind != protowire.BytesType || f.length() > maxText {
		return dst, damaged(f.at, "no list of integers stands where one is expected")
	}
	if err := r.spend(f.at, 16*f.length()); err != nil {
		return dst, err
	}
	b, err := r.bytes(f.off, f.length())
	for err == nil && len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return dst, damaged(f.at, "a list of integers is cut short")
		}
		dst, b = append(dst, int64(v)), b[n:]
	}
	return dst, err
}

// pair reads an entry of metadata: key in field 1, value in field 2.
func (r *reader) pair(f field) (key, value string, err error) {
	err = r.inside(f, func(f field) (err error) {
		switch f.id {
		case 1:
			key, err = r.text(f)
		case 2:
			if f.length() <= maxText { // longer ones are no settings
				value, err = r.text(f)
			}
		}
		return err
	})
	return key, value, err
}
