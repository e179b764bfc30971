package hdf5

import "math/bits"

// heap is a fractal heap: where groups of many members, and objects of many attributes, keep them in files
// of libver='latest'.
//
//	header  0 4 "FRHP", 4 1 version 0, 5 2 bytes of an identifier, 7 2 bytes of filters, 9 1 flags (2: blocks have
//	        checksums), 10 4 largest object, 14 12 x 8 counts and addresses, 110 2 width of the table, 112 8
//	        smallest block, 120 8 largest direct block, 128 2 bits of an offset, 130 2 first rows, 132 8 root,
//	        140 2 rows of the root (0: it is a direct block), 142 4 checksum
//	direct  0 4 "FHDB", 4 1 version 0, 5 8 header, the block's offset, 4 checksum if the flags say so, objects
//	indirect 0 4 "FHIB", 4 1, 5 8 header, the block's offset, 8 a block, row by row, 4 checksum
//
// Blocks of rows 0 and 1 have the smallest size, each later row's have twice the one before. An identifier
// is 1 byte (kind in bits 4 and 5: 0 managed), the object's offset in the heap, block heads included, and
// its length.
type heap struct {
	w                      *walk
	at                     uint64
	width, smallest, large uint64
	offset, length         int // bytes of these in an identifier
	root, rows             uint64
	blocks                 map[uint64][]byte // indirect ones that were read
}

func (w *walk) heap(at uint64) *heap {
	h := &heap{w: w, at: at, blocks: map[uint64][]byte{}}
	b := w.read(at, 146)
	w.magic(b, at, "FRHP")
	if w.err == nil && le.Uint16(b[7:]) != 0 {
		w.fail(at, "it is packed, which is not read")
	}
	w.sum(b, at)
	h.width, h.smallest, h.large = uint64(le.Uint16(b[110:])), le.Uint64(b[112:]), le.Uint64(b[120:])
	bitsOf := uint64(le.Uint16(b[128:]))
	h.offset = int(bitsOf+7) / 8
	h.length = bytesFor(min(h.large, uint64(le.Uint32(b[10:]))))
	h.root, h.rows = le.Uint64(b[132:]), uint64(le.Uint16(b[140:]))
	if w.err == nil && (!powerOf2(h.width) || !powerOf2(h.smallest) || !powerOf2(h.large) || h.large < h.smallest || bitsOf > 64 || h.large > 1<<32) {
		w.fail(at, "it has blocks of %d to %d bytes, %d a row, and offsets of %d bits", h.smallest, h.large, h.width, bitsOf)
	}
	return h
}

// object gives the bytes of the object with an identifier.
func (h *heap) object(id []byte) []byte {
	if h.w.err == nil && (len(id) < 1+h.offset+h.length || id[0]&0xf0 != 0) {
		h.w.fail(h.at, "the identifier % x is of no object that it keeps itself", id)
	}
	if h.w.err != nil {
		return nil
	}
	offset, n := number(id[1:1+h.offset]), number(id[1+h.offset:1+h.offset+h.length])
	block, inside, size := h.root, offset, h.smallest
	for rows := h.rows; rows > 0; {
		row := uint64(0)
		if q := inside / (h.width * h.smallest); q > 0 {
			row = uint64(bits.Len64(q))
		}
		size = h.smallest << max(0, int(row)-1)
		start := uint64(0)
		if row > 0 {
			start = h.width * size
		}
		column := (inside - start) / size
		if row >= rows || row > 60 {
			h.w.fail(h.at, "an object at %d is beyond it", offset)
			return nil
		}
		inside -= start + column*size
		block = h.child(block, rows, row*h.width+column)
		if size <= h.large {
			break
		}
		rows = uint64(bits.Len64(size / (h.smallest * h.width)))
	}
	if h.w.err == nil && (inside > size || n > size-inside) {
		h.w.fail(h.at, "an object of %d bytes at %d is beyond its block", n, offset)
	}
	return h.w.read(block+inside, length(n))
}

// child is the address of a block in an indirect one of so many rows.
func (h *heap) child(at, rows, number uint64) uint64 {
	head := uint64(13 + h.offset)
	b, known := h.blocks[at]
	if !known {
		b = h.w.read(at, length(head+8*rows*h.width+4))
		h.w.magic(b, at, "FHIB")
		h.w.sum(b, at)
		h.blocks[at] = b
	}
	if h.w.err == nil && head+8*number+8 > uint64(len(b)) {
		h.w.fail(at, "it has no block %d", number)
	}
	if h.w.err != nil {
		return none
	}
	return le.Uint64(b[head+8*number:])
}

// dense lists the objects of a heap by a tree of their identifiers, which begin at a place of its records of
// a kind.
func (f *File) dense(heapAt, treeAt uint64, kind byte, at int, what string) (all [][]byte, err error) {
	w := f.walk(what)
	h := w.heap(heapAt)
	w.tree2(treeAt, func(k byte, record int) {
		if k != kind || record < at+1+h.offset+h.length {
			w.fail(treeAt, "it has records of kind %d and %d bytes", k, record)
		}
	}, func(r []byte) { all = append(all, h.object(r[at:])) })
	return all, w.err
}
