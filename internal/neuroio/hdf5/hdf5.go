// Package hdf5 reads the part of HDF5 that brain data use: h5py's files, those that it writes with
// libver='latest', and MATLAB's 7.3. It reads numbers, any part of a dataset at a time; it writes nothing.
//
// # The format
//
// Source: HDF5 File Format Specification, version 3.0 (The HDF Group, docs.hdfgroup.org), and, for what
// HDF5 2.0 writes, h5py's files. Numbers are little-endian; addresses count from the superblock; an
// address of all ones is none.
//
//	superblock, at byte 0, 512, 1024, 2048, … (what is before it is the user's; MATLAB's text has 512 bytes)
//	0   8   89 48 44 46 0D 0A 1A 0A
//	8   1   version: 0, 1; 2, 3
//	13  2   bytes of an address, of a length: 8, 8 | 9   2   the same
//	40  8   end of the file (version 1: 44)        | 28  8   end of the file
//	64  8   root group's header (version 1: 68)    | 36  8   root group's header;  44 4 checksum
//
//	object header, version 1             version 2
//	0   1   1                            0   4   "OHDR"
//	2   2   messages                     4   1   2, 5 1 flags: 1<<(flags&3) bytes of size; 4: order of creation
//	8   4   bytes of messages                    is kept, 10: 4 more bytes, 20: 16 more bytes of times
//	16      messages: 2 type, 2 size,    then    size of the messages, messages: 1 type, 2 size, 1 flags,
//	        1 flags, 3 -, then the body          2 order if kept, then the body; 4 checksum
//
//	message                    what is read of it
//	01  dataspace              dimensions and how far they may grow
//	02  link info              where a group of many members keeps its links
//	03  datatype               integers, floats, enumerations of them, fixed strings, references to objects
//	04, 05 fill value          what chunks hold that were never written
//	06  link                   a name and an object, in groups of the new kind
//	08  layout                 compact (in the header), contiguous, chunked; versions 3, 4, 5
//	0B  filters                1 deflate, 2 shuffle, 3 fletcher32; any other is refused by name
//	0C  attribute              numbers and fixed strings (MATLAB_class)
//	10  continuation           more messages elsewhere
//	11  symbol table           B-tree and heap of names, in groups of the old kind
//	15  attribute info         where an object of many attributes keeps them
//
//	chunks are found by        layout
//	a B-tree of version 1      3: "TREE", keys of size, filter mask and offset
//	1 an address               4, 5: there is one chunk
//	2 arithmetic               all chunks lie side by side
//	3 a fixed array            "FAHD", "FADB": an entry a chunk, in pages of 1,024
//	4 an extensible array      "EAHD", "EAIB", "EASB", "EADB": one dimension can grow
//	5 a B-tree of version 2    "BTHD", "BTIN", "BTLF": several can
//
// Edge chunks are stored whole, but for a flag of layout 4 that leaves them unfiltered. Checksums are
// verified wherever the format has them.
//
// # Traps
//
// MATLAB and NSD's documentation count dimensions from the fastest: an X x Y x Z x 750 array of theirs is
// (750, Z, Y, X) here, as in h5py. A file that was open for writing when its program died is often cut
// short; the superblock's end of file tells.
//
// # Bounds
//
// A walk through headers, trees and arrays may not read more bytes than the file has, so that neither
// cycles nor counts that don't belong there can hold it up. Reading a whole dataset allocates no more than
// 1,100 times the file's size (deflate packs at most 1,032 to 1); a part is as long as its caller asks.
package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"strings"

	"cortexmap/internal/fault"
)

// File is an open file. Its methods, and those of its datasets, may be used from several goroutines.
type File struct {
	r     io.ReaderAt
	size  int64
	base  int64  // of the superblock: addresses count from here
	root  uint64 // the root group's header
	close func() error
	path  string // for faults; "" if it isn't known

	unchecked bool // set by tests, so that damage reaches what is behind the checksums
}

const signature = "\x89HDF\r\n\x1a\n"

// none is the address of what isn't there.
const none = ^uint64(0)

var le, be = binary.LittleEndian, binary.BigEndian

// Open opens a file. Errors of the operating system come back as they are, for durable.Explain; a file that
// can't be read as HDF5 is a fault that names it.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return OpenFile(f, path)
}

// OpenFile is Open for a file that is open already, which now belongs to the result: Close closes it, and
// so does a failure. path is what faults call it.
func OpenFile(f *os.File, path string) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	h := &File{r: f, size: info.Size(), close: f.Close, path: path}
	if err := h.find(); err != nil {
		f.Close()
		return nil, h.named(err)
	}
	return h, nil
}

// Close lets go of the file.
func (f *File) Close() error { return f.close() }

// Parse finds the superblock of a file of size bytes.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, close: func() error { return nil }}
	if err := f.find(); err != nil {
		return nil, err
	}
	return f, nil
}

// named says in a fault which file it is about.
func (f *File) named(err error) error {
	var e *fault.Error
	if f.path != "" && errors.As(err, &e) && e.At == "" {
		return e.In("%s", f.path)
	}
	return err
}

// find looks for the superblock.
func (f *File) find() error {
	for at := int64(0); ; at = max(512, 2*at) {
		b := make([]byte, len(signature))
		if at+int64(len(b)) > f.size {
			return fault.Inputf("this is no HDF5 file: its signature 89 48 44 46 0d 0a 1a 0a is nowhere in it").
				Remedy("compare its size with the original's: it may be a page of text, or a link to the file")
		}
		if _, err := f.r.ReadAt(b, at); err != nil {
			return err
		}
		if string(b) == signature {
			f.base = at
			return f.superblock()
		}
	}
}

func (f *File) superblock() error {
	w := f.walk("superblock")
	version := w.read(0, 9)
	if w.err != nil {
		return w.err
	}
	var sizes []byte
	var end uint64
	switch v := version[8]; v {
	case 0, 1:
		more := 4 * int(v) // version 1 has two more fields
		b := w.read(0, int64(96+more))
		if w.err != nil {
			return w.err
		}
		sizes, end, f.root = b[13:15], le.Uint64(b[40+more:]), le.Uint64(b[64+more:])
	case 2, 3:
		b := w.read(0, 48)
		w.sum(b, 0)
		if w.err != nil {
			return w.err
		}
		sizes, end, f.root = b[9:11], le.Uint64(b[28:]), le.Uint64(b[36:])
	default:
		return fault.Inputf("the HDF5 file's superblock has version %d; 0 to 3 are read", v)
	}
	if !bytes.Equal(sizes, []byte{8, 8}) {
		return fault.Inputf("the HDF5 file's addresses and lengths have %d and %d bytes; 8 are read", sizes[0], sizes[1])
	}
	if end > uint64(f.size) {
		return fault.Inputf("the HDF5 file is cut short: it says that it ends at byte %d, it has %d", end, f.size).
			Remedy("copy or write the file again; a program that died while writing leaves such files")
	}
	return nil
}

// walk is one way through the file's structures. The first failure stays, and zeros come after it.
type walk struct {
	f    *File
	what string // the structure, for faults
	left int64  // bytes that may still be read
	err  error
}

func (f *File) walk(what string) *walk { return &walk{f: f, what: what, left: f.size + 1<<16} }

func (w *walk) fail(at uint64, format string, args ...any) {
	if w.err == nil {
		w.err = fault.Inputf("the HDF5 file's %s at byte %d: "+format, append([]any{w.what, uint64(w.f.base) + at}, args...)...)
	}
}

// read gives n bytes at an address, and zeros after a failure if they are few.
func (w *walk) read(at uint64, n int64) []byte {
	if w.err == nil {
		switch room := w.f.size - w.f.base; {
		case at == none:
			w.err = fault.Inputf("the HDF5 file's %s isn't there: its address is none", w.what)
		case n < 0 || at > uint64(room) || n > room-int64(at):
			w.fail(at, "%d bytes are needed there, the file ends at %d", n, w.f.size)
		case n > w.left:
			w.fail(at, "it goes in circles, or counts more than the file has")
		}
	}
	if w.err != nil {
		return make([]byte, max(0, min(n, 1<<10)))
	}
	w.left -= n
	b := make([]byte, n)
	if _, err := w.f.r.ReadAt(b, w.f.base+int64(at)); err != nil {
		w.err = err
	}
	return b
}

// length is a length in the file, negative if it can't be one.
func length(n uint64) int64 {
	if n > math.MaxInt64 {
		return -1
	}
	return int64(n)
}

// sum verifies the checksum in the last 4 bytes of a block.
func (w *walk) sum(b []byte, at uint64) {
	if n := len(b) - 4; w.err == nil && !w.f.unchecked && lookup3(b[:n]) != le.Uint32(b[n:]) {
		w.fail(at, "its checksum is wrong: the file is damaged")
	}
}

// magic checks a block's first four bytes.
func (w *walk) magic(b []byte, at uint64, want string) {
	if w.err == nil && string(b[:4]) != want {
		w.fail(at, "it begins with %q, not with %q", b[:4], want)
	}
}

// cursor reads a message front to back. The first failure stays, and zeros come after it.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) take(n int) []byte {
	if c.err == nil && (n < 0 || n > len(c.b)) {
		c.err = fault.Inputf("it ends where %d more bytes are needed", n)
	}
	if c.err != nil {
		return make([]byte, max(0, min(n, 64)))
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

// uint is a number of n bytes, 8 at most.
func (c *cursor) uint(n int) (v uint64) { return number(c.take(n)) }

func (c *cursor) int(n int) int { return int(c.uint(n)) }

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fault.Inputf(format, args...)
	}
}

func number(b []byte) (v uint64) {
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

// split cuts a path into its names.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
