package hdf5

import (
	"bytes"

	"cortexmap/internal/fault"
)

// Types of messages.
const (
	msgDataspace    = 0x01
	msgLinkInfo     = 0x02
	msgDatatype     = 0x03
	msgOldFill      = 0x04
	msgFill         = 0x05
	msgLink         = 0x06
	msgExternal     = 0x07
	msgLayout       = 0x08
	msgFilters      = 0x0b
	msgAttribute    = 0x0c
	msgContinuation = 0x10
	msgSymbols      = 0x11
	msgAttributes   = 0x15
)

type message struct {
	kind   int
	shared bool // the body only says where it really is
	body   []byte
}

// block is a stretch of the file that holds messages.
type block struct{ at, n uint64 }

// messages lists the messages of the object whose header is at an address.
func (f *File) messages(at uint64) ([]message, error) {
	w := f.walk("object header")
	start := w.read(at, 16)
	var all []message
	switch {
	case w.err != nil:
	case string(start[:4]) == "OHDR":
		all = w.messages2(at, start)
	case start[0] == 1 && start[1] == 0:
		blocks := []block{{at + 16, uint64(le.Uint32(start[8:]))}}
		for i := 0; i < len(blocks) && w.err == nil; i++ {
			b := w.read(blocks[i].at, length(blocks[i].n))
			w.split(b, 8, false, &all, &blocks)
		}
	default:
		w.fail(at, "it begins with % x, which is no header", start[:4])
	}
	return all, w.err
}

// messages2 reads a header of version 2.
func (w *walk) messages2(at uint64, start []byte) (all []message) {
	if start[4] != 2 {
		w.fail(at, "version %d; 2 is read", start[4])
	}
	flags := start[5]
	head := uint64(6)
	if flags&0x20 != 0 {
		head += 16
	}
	if flags&0x10 != 0 {
		head += 4
	}
	width := uint64(1) << (flags & 3)
	size := number(w.read(at+head, int64(width)))
	head += width
	blocks := []block{{at, head + size + 4}}
	prefix := 4
	if flags&4 != 0 {
		prefix = 6
	}
	for i := 0; i < len(blocks) && w.err == nil; i++ {
		b := w.read(blocks[i].at, length(blocks[i].n))
		if w.err == nil && uint64(len(b)) < head+4 && i == 0 || len(b) < 8 {
			w.fail(blocks[i].at, "it has %d bytes", len(b))
		}
		if w.err != nil {
			return nil
		}
		w.sum(b, blocks[i].at)
		skip := head
		if i > 0 {
			w.magic(b, blocks[i].at, "OCHK")
			skip = 4
		}
		w.split(b[skip:len(b)-4], prefix, true, &all, &blocks)
	}
	return all
}

// split cuts a block into messages. A message has a prefix of 8 bytes in version 1, 4 or 6 in version 2;
// what is left at the end and shorter is a gap.
func (w *walk) split(b []byte, prefix int, two bool, all *[]message, blocks *[]block) {
	for len(b) >= prefix && w.err == nil {
		m := message{kind: int(b[0]), shared: b[3]&2 != 0}
		n := int(le.Uint16(b[1:]))
		if !two {
			m.kind, n, m.shared = int(le.Uint16(b)), int(le.Uint16(b[2:])), b[4]&2 != 0
		}
		if n > len(b)-prefix {
			w.err = fault.Inputf("a message of type %d in an object header of the HDF5 file claims %d bytes, %d are left", m.kind, n, len(b)-prefix)
			return
		}
		m.body = b[prefix : prefix+n : prefix+n]
		b = b[prefix+n:]
		if m.kind != msgContinuation {
			*all = append(*all, m)
			continue
		}
		c := cursor{b: m.body}
		next := block{c.uint(8), c.uint(8)}
		if c.err != nil {
			w.err = inMessage("continuation", c.err)
			return
		}
		*blocks = append(*blocks, next)
	}
}

// inMessage says in which message a cursor failed.
func inMessage(what string, err error) error {
	if err == nil {
		return nil
	}
	return fault.Inputf("the %s message of the HDF5 file: %w", what, err)
}

// find gives the body of the only message of a kind, nil if there is none.
func find(all []message, kind int, what string) (*cursor, error) {
	for _, m := range all {
		if m.kind != kind {
			continue
		}
		if m.shared {
			return nil, fault.Inputf("the HDF5 file shares a %s between objects (a named datatype, say), which is not read", what).
				Remedy("write it anew with h5py: f.create_dataset(name, data=array)")
		}
		return &cursor{b: m.body}, nil
	}
	return nil, nil
}

// text is a string of fixed length: to its first NUL, without trailing blanks.
func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(bytes.TrimRight(s, " "))
}
