package hdf5

import (
	"math"
	"math/bits"
	"sort"

	"cortexmap/internal/fault"
)

// chunk is where a chunk lies.
type chunk struct {
	number uint64 // in the grid of chunks, last dimension fastest
	at     uint64
	size   uint64 // bytes in the file
	mask   uint32 // filters that were skipped
}

// index finds chunks. Those of a tree or an array are kept, sorted by number, 32 bytes each; those that lie
// side by side are found by arithmetic.
type index struct {
	grid     []uint64 // chunks along each dimension
	chunks   []chunk
	implicit func(at []uint64) chunk // nil: look in chunks
}

// number is a chunk's number by its place in a grid.
func place(grid, at []uint64) (n uint64) {
	for i := range grid {
		n = n*grid[i] + at[i]
	}
	return n
}

// gridOf is how many chunks there are along each dimension, and in all.
func gridOf(dims, chunk []uint64) (grid []uint64, total uint64, err error) {
	total = 1
	for i, n := range dims {
		g := n / chunk[i]
		if n%chunk[i] != 0 {
			g++
		}
		if g != 0 && total > math.MaxInt64/g {
			return nil, 0, fault.Inputf("the HDF5 dataset of shape %v has more chunks of %v than can be counted", dims, chunk)
		}
		grid = append(grid, g)
		total *= g
	}
	return grid, total, nil
}

// find gives the chunk at a place in the grid; false: it was never written.
func (x *index) find(at []uint64) (chunk, bool) {
	if x.implicit != nil {
		return x.implicit(at), true
	}
	n := place(x.grid, at)
	i := sort.Search(len(x.chunks), func(i int) bool { return x.chunks[i].number >= n })
	if i == len(x.chunks) || x.chunks[i].number != n {
		return chunk{}, false
	}
	return x.chunks[i], true
}

// add keeps a chunk if it lies inside the dataset, which may have shrunk since it was written.
func (x *index) add(at []uint64, c chunk) {
	for i := range at {
		if at[i] >= x.grid[i] {
			return
		}
	}
	c.number = place(x.grid, at)
	x.chunks = append(x.chunks, c)
}

// load reads the index, once; it is kept, since reading row by row asks for it again and again.
func (d *Dataset) load() (*index, error) {
	d.once.Do(func() {
		if d.err = d.f.named(d.readIndex()); d.err != nil {
			return
		}
		c := d.index.chunks
		less := func(i, j int) bool { return c[i].number < c[j].number }
		if !sort.SliceIsSorted(c, less) {
			sort.Slice(c, less)
		}
		for i := 1; i < len(c); i++ {
			if c[i].number == c[i-1].number {
				d.err = d.fault("the HDF5 file has a chunk twice, at byte %d and %d", c[i-1].at, c[i].at)
			}
		}
	})
	return &d.index, d.err
}

func (d *Dataset) readIndex() (err error) {
	l := &d.layout
	if d.index.grid, _, err = gridOf(d.space.dims, l.chunk); err != nil || l.at == none {
		return err
	}
	// Arrays count chunks by how far the dataset may grow, not by how large it is.
	most, total, err := gridOf(d.room(), l.chunk)
	if err != nil {
		return err
	}
	w := d.f.walk("index of chunks")
	size := uint64(d.chunkBytes())
	switch l.index {
	case indexTree1:
		d.tree1(w)
	case indexSingle:
		c := chunk{at: l.at, size: size, mask: l.mask}
		if l.filtered > 0 {
			c.size = l.filtered
		}
		d.index.add(make([]uint64, len(d.Shape)), c)
	case indexImplicit:
		d.index.implicit = func(at []uint64) chunk {
			return chunk{at: l.at + place(most, at)*size, size: size}
		}
		if room := uint64(d.f.size); total > room/size || l.at > room-total*size {
			w.fail(l.at, "%d chunks of %d bytes are there, the file has %d", total, size, d.f.size)
		}
	case indexFixed:
		d.fixedArray(w, most, total)
	case indexExtensible:
		d.extensibleArray(w)
	case indexTree2:
		d.tree2(w)
	}
	return w.err
}

// room is the shape that arrays of chunks count by: each dimension as far as it may grow, or as it is
// where it may grow without end.
func (d *Dataset) room() []uint64 {
	out := make([]uint64, len(d.space.most))
	for i, n := range d.space.most {
		if out[i] = n; n == unlimited {
			out[i] = d.space.dims[i]
		}
	}
	return out
}

// tree1 reads the chunks of layout 3. A key is 4 bytes of size, 4 of mask, and the offset of the chunk's
// first element along each dimension, and within the element (0).
func (d *Dataset) tree1(w *walk) {
	rank := len(d.Shape)
	at := make([]uint64, rank)
	w.tree1(d.layout.at, 1, 8+8*(rank+1), -1, func(key []byte, child uint64) {
		for i := range at {
			offset := le.Uint64(key[8+8*i:])
			if offset%d.layout.chunk[i] != 0 {
				w.fail(child, "a chunk begins at element %d of dimension %d, chunks have %d", offset, i, d.layout.chunk[i])
				return
			}
			at[i] = offset / d.layout.chunk[i]
		}
		d.index.add(at, chunk{at: child, size: uint64(le.Uint32(key)), mask: le.Uint32(key[4:])})
	})
}

// element reads one entry of an array of chunks: an address and, where chunks are filtered, a size that
// fills what is left and a mask. Entries that were never written are left out.
func (d *Dataset) element(at []uint64, b []byte) {
	c := chunk{at: le.Uint64(b), size: uint64(d.chunkBytes())}
	if c.at == none {
		return
	}
	if len(d.filters) > 0 {
		c.size, c.mask = number(b[8:len(b)-4]), le.Uint32(b[len(b)-4:])
	}
	d.index.add(at, c)
}

// entry checks the size of an array's entries.
func (d *Dataset) entry(w *walk, at uint64, client byte, size int) {
	want := byte(0)
	if len(d.filters) > 0 {
		want = 1
	}
	if client != want || want == 0 && size != 8 || want == 1 && (size < 8+1+4 || size > 8+8+4) {
		w.fail(at, "it has entries of kind %d and %d bytes", client, size)
	}
}

// unplace is the inverse of place.
func unplace(grid []uint64, n uint64, at []uint64) {
	for i := len(grid) - 1; i >= 0; i-- {
		at[i] = n % grid[i]
		n /= grid[i]
	}
}

// fixedArray reads the chunks of a dataset that can't grow beyond a known size.
//
//	header  0 4 "FAHD", 4 1 version 0, 5 1 kind (1: filtered), 6 1 bytes of an entry, 7 1 bits of a page,
//	        8 8 entries, 16 8 data block, 24 4 checksum
//	block   0 4 "FADB", 4 1 version 0, 5 1 kind, 6 8 header, entries, 4 checksum; or, if there is more than
//	        a page: 6 8 header, a bit a page (highest first) that says whether it was written, 4 checksum,
//	        pages of entries and 4 checksum
func (d *Dataset) fixedArray(w *walk, grid []uint64, total uint64) {
	h := w.read(d.layout.at, 28)
	w.magic(h, d.layout.at, "FAHD")
	w.sum(h, d.layout.at)
	size, n, block := int(h[6]), le.Uint64(h[8:]), le.Uint64(h[16:])
	d.entry(w, d.layout.at, h[5], size)
	if w.err == nil && (n != total || h[7] > 32) {
		w.fail(d.layout.at, "it has %d entries, in pages of 2^%d, for %d chunks", n, h[7], total)
	}
	if w.err != nil || block == none {
		return
	}
	at := make([]uint64, len(grid))
	take := func(first uint64, b []byte) {
		for i := 0; w.err == nil && (i+1)*size <= len(b); i++ {
			unplace(grid, first+uint64(i), at)
			d.element(at, b[i*size:(i+1)*size])
		}
	}
	page := uint64(1) << h[7]
	if n <= page {
		b := w.read(block, length(14+n*uint64(size)+4))
		w.magic(b, block, "FADB")
		w.sum(b, block)
		if w.err == nil {
			take(0, b[14:len(b)-4])
		}
		return
	}
	pages := (n + page - 1) / page
	bitmap := (pages + 7) / 8
	b := w.read(block, length(14+bitmap+4))
	w.magic(b, block, "FADB")
	w.sum(b, block)
	for p, from := uint64(0), block+14+bitmap+4; p < pages && w.err == nil; p++ {
		entries := min(page, n-p*page)
		bytes := entries*uint64(size) + 4
		if b[14+p/8]&(0x80>>(p%8)) != 0 {
			e := w.read(from, length(bytes))
			w.sum(e, from)
			take(p*page, e[:len(e)-4])
		}
		from += bytes
	}
}

// bytesFor is how many bytes HDF5 takes for numbers up to limit.
func bytesFor(limit uint64) int { return (max(1, bits.Len64(limit))-1)/8 + 1 }
