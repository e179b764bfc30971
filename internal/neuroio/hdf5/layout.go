package hdf5

import (
	"math"

	"cortexmap/internal/fault"
)

// Kinds of layout.
const (
	layoutCompact    = 0
	layoutContiguous = 1
	layoutChunked    = 2
)

// Kinds of chunk index, as layouts 4 and 5 number them; layout 3 has only trees of version 1.
const (
	indexTree1      = 0
	indexSingle     = 1
	indexImplicit   = 2
	indexFixed      = 3
	indexExtensible = 4
	indexTree2      = 5
)

// layout says where a dataset's elements are.
type layout struct {
	kind    int
	inline  []byte   // compact
	at      uint64   // of the elements, or of the chunks' index
	size    uint64   // of contiguous elements
	chunk   []uint64 // elements of a chunk along each dimension
	element uint64   // bytes of an element, as the chunk's last dimension says
	index   int

	edges      bool   // chunks at the edge are not filtered
	filtered   uint64 // bytes of a single chunk; 0: it isn't filtered
	mask       uint32 // and which filters it skipped
	pageBits   int    // of a fixed array
	extensible [5]int // bits of the largest index; elements of the index block; fewest pointers of a secondary block; fewest elements of a data block; bits of a page
}

// readLayout reads versions 3, 4 and 5 (which HDF5 2.0 writes, with wider sizes in the chunks' index).
func readLayout(c *cursor) (l layout) {
	version := c.uint(1)
	if version < 3 || version > 5 {
		c.fail("version %d; 3 to 5 are read", version)
		return l
	}
	l.kind = c.int(1)
	switch l.kind {
	case layoutCompact:
		l.inline = c.take(c.int(2))
	case layoutContiguous:
		l.at, l.size = c.uint(8), c.uint(8)
	case layoutChunked:
		if version == 3 {
			rank := c.int(1)
			l.at = c.uint(8)
			l.dims(c, rank, 4)
			return l
		}
		l.newer(c)
	default:
		c.fail("its elements are put together from other datasets (class %d), which is not read", l.kind)
	}
	return l
}

// dims reads a chunk's dimensions, of which the last is the size of an element.
func (l *layout) dims(c *cursor, rank, width int) {
	if rank < 2 || rank > maxRank+1 || width < 1 || width > 8 {
		c.fail("chunks of %d dimensions of %d bytes", rank, width)
		return
	}
	for range rank - 1 {
		l.chunk = append(l.chunk, c.uint(width))
	}
	l.element = c.uint(width)
}

// newer reads the chunks of layouts 4 and 5.
func (l *layout) newer(c *cursor) {
	flags, rank, width := c.uint(1), c.int(1), c.int(1)
	l.edges = flags&1 != 0
	l.dims(c, rank, width)
	switch l.index = c.int(1); l.index {
	case indexSingle:
		if flags&2 != 0 {
			l.filtered, l.mask = c.uint(8), uint32(c.uint(4))
		}
	case indexImplicit:
	case indexFixed:
		l.pageBits = c.int(1)
	case indexExtensible:
		for i := range l.extensible {
			l.extensible[i] = c.int(1)
		}
	case indexTree2:
		c.take(6) // its header has them, too
	default:
		c.fail("chunks are found by an index of kind %d; 1 to 5 are read", l.index)
	}
	l.at = c.uint(8)
}

// maxChunk bounds a chunk's bytes: HDF5's own bound.
const maxChunk = math.MaxUint32

// check compares a layout with the dataset's type and shape, of total bytes.
func (l *layout) check(d *Dataset, total int64) error {
	switch l.kind {
	case layoutCompact:
		if int64(len(l.inline)) != total {
			return fault.Inputf("the HDF5 dataset of shape %v needs %d bytes, its header has %d", d.Shape, total, len(l.inline))
		}
		return nil
	case layoutContiguous:
		room := uint64(d.f.size - d.f.base)
		if l.at != none && (l.at > room || uint64(total) > room-l.at) {
			return fault.Inputf("the HDF5 dataset of shape %v needs %d bytes at %d, the file ends at %d", d.Shape, total, uint64(d.f.base)+l.at, d.f.size).
				Remedy("copy or write the file again")
		}
		if l.at != none && l.size != uint64(total) {
			return fault.Inputf("the HDF5 dataset of shape %v needs %d bytes, its layout says %d", d.Shape, total, l.size)
		}
		if len(d.filters) > 0 {
			return fault.Inputf("the HDF5 dataset has filters but no chunks")
		}
		return nil
	}
	if len(l.chunk) != len(d.Shape) || l.element != uint64(d.Type.Size) {
		return fault.Inputf("the HDF5 dataset has %d dimensions of %d bytes an element, its chunks %d of %d", len(d.Shape), d.Type.Size, len(l.chunk), l.element)
	}
	bytes := l.element
	for _, n := range l.chunk {
		if n == 0 || n > maxChunk/bytes {
			return fault.Inputf("the HDF5 dataset has chunks of %v elements of %d bytes", l.chunk, l.element)
		}
		bytes *= n
		d.Chunk = append(d.Chunk, int(n))
	}
	return d.checkFilters()
}

// chunkBytes is the size of an unpacked chunk.
func (d *Dataset) chunkBytes() int64 {
	n := int64(d.Type.Size)
	for _, k := range d.Chunk {
		n *= int64(k)
	}
	return n
}
