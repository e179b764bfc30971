package hdf5

// extensibleArray reads the chunks of a dataset of which one dimension can grow without end. That
// dimension is taken as the slowest; an entry's number is the chunk's place then.
//
// The first entries stand in the index block. The others stand in data blocks whose sizes double slowly:
// super block s has 2^(s/2) data blocks of 2^((s+1)/2) times the fewest entries. The index block has the
// addresses of the first super blocks' data blocks themselves, and of the later super blocks.
//
//	header  0 4 "EAHD", 4 1 version 0, 5 1 kind (1: filtered), 6 1 bytes of an entry, 7 1 bits of the largest
//	        index, 8 1 entries of the index block, 9 1 fewest entries of a data block, 10 1 fewest pointers of a
//	        super block, 11 1 bits of a page, 12 6 x 8 counts, of which 44 8 is the entries made,
//	        60 8 index block, 68 4 checksum
//	index   0 4 "EAIB", 4 1 version 0, 5 1 kind, 6 8 header, entries, 8 a data block, 8 a super block, 4 checksum
//	super   0 4 "EASB", 4 1, 5 1, 6 8 header, first entry's number (in bytes for the largest index), a bit a page
//	        of each data block if it has pages, 8 a data block, 4 checksum
//	data    0 4 "EADB", 4 1, 5 1, 6 8 header, first entry's number, entries, 4 checksum; with more than a page:
//	        4 checksum, then pages of entries and 4 checksum
func (d *Dataset) extensibleArray(w *walk) {
	at := d.layout.at
	h := w.read(at, 72)
	w.magic(h, at, "EAHD")
	w.sum(h, at)
	a := &extensible{d: d, w: w, kind: h[5], size: uint64(h[6]), first: uint64(h[8]), fewest: uint64(h[9]), offset: uint64(h[7]+7) / 8}
	bitsOf, pointers, pageBits := uint64(h[7]), uint64(h[10]), uint64(h[11])
	d.entry(w, at, h[5], int(h[6]))
	if w.err == nil && (bitsOf > 64 || !powerOf2(a.fewest) || !powerOf2(pointers) || pageBits > 32 || log2(a.fewest) > bitsOf) {
		w.fail(at, "it has %d bits of index, data blocks of %d entries, super blocks of %d pointers, pages of %d bits", bitsOf, a.fewest, pointers, pageBits)
	}
	if a.setGrid(); w.err != nil {
		return
	}
	a.page = 1 << pageBits
	a.made = le.Uint64(h[44:])
	if index := le.Uint64(h[60:]); index != none {
		a.index(index, 1+bitsOf-log2(a.fewest), 2*(pointers-1), 2*log2(pointers))
	}
}

func powerOf2(n uint64) bool { return n != 0 && n&(n-1) == 0 }

func log2(n uint64) uint64 {
	l := uint64(0)
	for ; n > 1; n >>= 1 {
		l++
	}
	return l
}

type extensible struct {
	d      *Dataset
	w      *walk
	kind   byte
	size   uint64 // bytes of an entry
	first  uint64 // entries of the index block
	fewest uint64 // entries of the smallest data block
	page   uint64 // entries of a page
	offset uint64 // bytes in which a block's first number is written
	made   uint64 // entries in all

	grow int      // the dimension that grows
	grid []uint64 // chunks along each dimension, that one first
}

// setGrid finds the dimension that grows and moves it to the front.
func (a *extensible) setGrid() {
	a.grow = -1
	d := a.d
	for i, n := range d.space.most {
		if n == unlimited && a.grow < 0 {
			a.grow = i
		}
	}
	if a.grow < 0 {
		a.w.fail(d.layout.at, "no dimension of the dataset can grow")
		return
	}
	grid, _, err := gridOf(d.room(), d.layout.chunk)
	if err != nil {
		a.w.err = err
		return
	}
	a.grid = append([]uint64{max(1, grid[a.grow])}, grid[:a.grow]...)
	a.grid = append(a.grid, grid[a.grow+1:]...)
}

// take keeps entries from a number on.
func (a *extensible) take(first uint64, b []byte) {
	row := uint64(1)
	for _, g := range a.grid[1:] {
		row *= g
	}
	if row == 0 {
		return
	}
	at, rest := make([]uint64, len(a.grid)), make([]uint64, len(a.grid)-1)
	for n := first; uint64(len(b)) >= a.size && a.w.err == nil; n, b = n+1, b[a.size:] {
		unplace(a.grid[1:], n%row, rest)
		copy(at, rest[:a.grow])
		at[a.grow] = n / row
		copy(at[a.grow+1:], rest[a.grow:])
		a.d.element(at, b[:a.size])
	}
}

// open reads a block, checks it, and gives what is behind its head.
func (a *extensible) open(at uint64, magic string, head, body uint64) []byte {
	if body > 1<<62 {
		a.w.fail(at, "it counts more than the file has")
	}
	b := a.w.read(at, length(head+body+4))
	a.w.magic(b, at, magic)
	a.w.sum(b, at)
	if a.w.err == nil && b[5] != a.kind {
		a.w.fail(at, "it is of kind %d, its header of %d", b[5], a.kind)
	}
	if a.w.err != nil {
		return nil
	}
	return b[head : head+body]
}

// index reads the index block: supers super blocks in all, of which the first direct ones have their data
// blocks, blocks of them, named here.
func (a *extensible) index(at, supers, blocks, direct uint64) {
	later := uint64(0)
	if supers > direct {
		later = supers - direct
	}
	b := a.open(at, "EAIB", 14, a.first*a.size+8*blocks+8*later)
	if a.w.err != nil {
		return
	}
	a.take(0, b[:a.first*a.size])
	b = b[a.first*a.size:]
	number := a.first
	for s := uint64(0); s < supers && a.w.err == nil; s++ {
		count, entries := uint64(1)<<(s/2), a.fewest<<((s+1)/2)
		if s < direct {
			for range count {
				a.data(le.Uint64(b), number, entries, nil, 0)
				number += entries
				b = b[8:]
			}
			continue
		}
		if number >= a.made { // nothing was ever put there, and the numbers would overflow
			return
		}
		a.super(le.Uint64(b), number, count, entries)
		number += count * entries
		b = b[8:]
	}
}

// super reads a super block of count data blocks.
func (a *extensible) super(at, number, count, entries uint64) {
	if at == none {
		return
	}
	if count > uint64(a.d.f.size) || entries/a.page/8 > uint64(a.d.f.size) {
		a.w.fail(at, "it counts more than the file has")
		return
	}
	bitmap := uint64(0) // bytes for each data block; the bits stand together, whatever is left over is at the end
	if entries > a.page {
		bitmap = (entries/a.page + 7) / 8
	}
	b := a.open(at, "EASB", 14+a.offset, count*bitmap+8*count)
	if a.w.err != nil {
		return
	}
	for i := range count {
		a.data(le.Uint64(b[count*bitmap+8*i:]), number+i*entries, entries, b[:count*bitmap], i*(entries/a.page))
	}
}

// data reads a data block; written has a bit for each of its pages, from one on.
func (a *extensible) data(at, number, entries uint64, written []byte, bit uint64) {
	if at == none || a.w.err != nil {
		return
	}
	head := 14 + a.offset
	if entries <= a.page {
		a.take(number, a.open(at, "EADB", head, entries*a.size))
		return
	}
	a.open(at, "EADB", head, 0)
	for p, from := uint64(0), at+head+4; p < entries/a.page && a.w.err == nil; p++ {
		bytes := a.page*a.size + 4
		if k := bit + p; written == nil || written[k/8]&(0x80>>(k%8)) != 0 {
			b := a.w.read(from, length(bytes))
			a.w.sum(b, from)
			a.take(number+p*a.page, b[:len(b)-4])
		}
		from += bytes
	}
}
