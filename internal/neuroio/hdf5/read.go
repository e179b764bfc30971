package hdf5

import (
	"fmt"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

// Read reads a part of the dataset as it is in the file: count elements along each dimension, beginning with
// from. dst has as many bytes as they have, and gets them with the last index fastest. It panics if the
// part doesn't lie inside the dataset or dst has another length.
func (d *Dataset) Read(dst []byte, from, count []int) error {
	n := d.part(from, count)
	if len(dst) != n*d.Type.Size {
		panic(fmt.Sprintf("hdf5: %d bytes for %d elements of %d", len(dst), n, d.Type.Size))
	}
	switch {
	case n == 0:
		return nil
	case d.layout.kind == layoutChunked:
		return d.f.named(d.readChunks(dst, from, count))
	case d.layout.kind == layoutContiguous && d.layout.at == none:
		d.fillWith(dst)
		return nil
	}
	whole := make([]uint64, len(d.Shape))
	for i, k := range d.Shape {
		whole[i] = uint64(k)
	}
	return d.box(dst, newStrides(count, d.Type.Size), from, count, newStrides(d.Shape, d.Type.Size), func(b []byte, at int) error {
		if d.layout.kind == layoutCompact {
			copy(b, d.layout.inline[at:])
			return nil
		}
		_, err := d.f.r.ReadAt(b, d.f.base+int64(d.layout.at)+int64(at))
		return err
	})
}

// part checks a part and gives its number of elements.
func (d *Dataset) part(from, count []int) int {
	if len(from) != len(d.Shape) || len(count) != len(d.Shape) {
		panic(fmt.Sprintf("hdf5: a part of %d and %d dimensions of a dataset of %d", len(from), len(count), len(d.Shape)))
	}
	n := 1
	for i, k := range d.Shape {
		if from[i] < 0 || count[i] < 0 || count[i] > k-from[i] {
			panic(fmt.Sprintf("hdf5: elements %v and the next %v of shape %v", from, count, d.Shape))
		}
		n *= count[i]
	}
	return n
}

// fillWith puts the fill value everywhere.
func (d *Dataset) fillWith(dst []byte) {
	if d.fill == nil {
		clear(dst)
		return
	}
	for i := 0; i < len(dst); i += len(d.fill) {
		copy(dst[i:], d.fill)
	}
}

// newStrides are the bytes from one element to the next along each dimension of an array.
func newStrides(shape []int, size int) []int {
	out := make([]int, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = size
		size *= shape[i]
	}
	return out
}

// box copies a box of count elements in runs as long as possible: to dst, whose strides are given, from
// the places get is asked for, whose strides are src. from is where the box begins there.
func (d *Dataset) box(dst []byte, to, from, count, src []int, get func(b []byte, at int) error) error {
	start := 0
	for i := range from {
		start += from[i] * src[i]
	}
	// Dimensions that are side by side in both arrays are one run.
	run, rank := d.Type.Size, len(count)
	for rank > 0 && to[rank-1] == run && src[rank-1] == run {
		run *= count[rank-1]
		rank--
	}
	var walk func(k, t, s int) error
	walk = func(k, t, s int) error {
		if k == rank {
			return get(dst[t:t+run], s)
		}
		for range count[k] {
			if err := walk(k+1, t, s); err != nil {
				return err
			}
			t, s = t+to[k], s+src[k]
		}
		return nil
	}
	return walk(0, 0, start)
}

// readChunks goes through the chunks that a part touches.
func (d *Dataset) readChunks(dst []byte, from, count []int) error {
	x, err := d.load()
	if err != nil {
		return err
	}
	r := chunkReader{d: d, unpacker: unpacker{d: d}, to: newStrides(count, d.Type.Size), src: newStrides(d.Chunk, d.Type.Size)}
	rank := len(count)
	at, inside, size := make([]uint64, rank), make([]int, rank), make([]int, rank)
	var walk func(k, t int) error
	walk = func(k, t int) error {
		if k == rank {
			c, written := x.find(at)
			return r.read(dst[t:], c, written, at, inside, size)
		}
		for e := from[k]; e < from[k]+count[k]; {
			n := e / d.Chunk[k]
			at[k], inside[k] = uint64(n), e-n*d.Chunk[k]
			size[k] = min(d.Chunk[k]-inside[k], from[k]+count[k]-e)
			if err := walk(k+1, t+(e-from[k])*r.to[k]); err != nil {
				return err
			}
			e += size[k]
		}
		return nil
	}
	return walk(0, 0)
}

// chunkReader copies the wanted box out of one chunk after the other.
type chunkReader struct {
	d *Dataset
	unpacker
	to, src []int // strides of the result and of a chunk
	buf     []byte
}

// longRun is from how many bytes on a run is read from the file by itself.
const longRun = 4096

// read copies the box of size elements that begins inside a chunk to dst, where the box's first element is.
func (r *chunkReader) read(dst []byte, c chunk, written bool, at []uint64, inside, size []int) error {
	d := r.d
	if !written {
		return d.box(dst, r.to, inside, size, r.src, func(b []byte, _ int) error {
			d.fillWith(b)
			return nil
		})
	}
	if err := d.bounds(c); err != nil {
		return d.chunkFault(c, err)
	}
	packed := len(d.filters) > 0 && !(d.layout.edges && r.edge(at))
	if last := len(size) - 1; !packed && size[last]*r.src[last] >= longRun {
		if err := r.unpacked(c); err != nil {
			return err
		}
		return d.box(dst, r.to, inside, size, r.src, func(b []byte, s int) error {
			_, err := d.f.r.ReadAt(b, d.f.base+int64(c.at)+int64(s))
			return err
		})
	}
	if cap(r.buf) < int(c.size) {
		r.buf = make([]byte, c.size)
	}
	b := r.buf[:c.size]
	if _, err := d.f.r.ReadAt(b, d.f.base+int64(c.at)); err != nil {
		return err
	}
	var err error
	if packed {
		b, err = r.undo(b, c.mask)
	} else {
		err = r.unpacked(c)
	}
	if err != nil {
		return d.chunkFault(c, err)
	}
	return d.box(dst, r.to, inside, size, r.src, func(to []byte, s int) error {
		copy(to, b[s:])
		return nil
	})
}

// edge says whether a chunk reaches past the dataset.
func (r *chunkReader) edge(at []uint64) bool {
	for i, k := range at {
		if int(k+1)*r.d.Chunk[i] > r.d.Shape[i] {
			return true
		}
	}
	return false
}

// unpacked checks the size of a chunk that no filter changed.
func (r *chunkReader) unpacked(c chunk) error {
	if want := r.d.chunkBytes(); c.size != uint64(want) {
		return fault.Inputf("it has %d bytes, %d are needed", c.size, want)
	}
	return nil
}

// bounds checks that a chunk lies inside the file, and that what it unpacks to can be in it.
func (d *Dataset) bounds(c chunk) error {
	room := uint64(d.f.size - d.f.base)
	if c.at > room || c.size > room-c.at {
		return fault.Inputf("it has %d bytes, the file ends at %d", c.size, d.f.size)
	}
	if uint64(d.chunkBytes())/ratio > c.size+64 {
		return fault.Inputf("it has %d bytes, which can't unpack to %d", c.size, d.chunkBytes())
	}
	return nil
}

// ratio is more than deflate can pack: 258 bytes to 2 bits, and a little more.
const ratio = 1100

// fault names the file and the dataset.
func (d *Dataset) fault(format string, args ...any) error {
	return d.f.named(fault.Inputf("%q: "+format, append([]any{d.path}, args...)...))
}

// whole refuses to read all of a dataset that the file can't hold: a count of 2^31 in a small file.
func (d *Dataset) whole() (from []int, err error) {
	if n := d.Len(); n > 1<<20/d.Type.Size && int64(n)/ratio > d.f.size/int64(d.Type.Size) {
		return nil, d.fault("the HDF5 dataset of shape %v has %d elements of %d bytes, more than a file of %d bytes can hold", d.Shape, n, d.Type.Size, d.f.size)
	}
	return make([]int, len(d.Shape)), nil
}

// Bytes is the whole dataset as it is in the file.
func (d *Dataset) Bytes() ([]byte, error) {
	from, err := d.whole()
	if err != nil {
		return nil, err
	}
	b := make([]byte, d.Len()*d.Type.Size)
	return b, d.Read(b, from, d.Shape)
}

// ReadFloat32 is Read for numbers, converted. It panics if the elements are no numbers.
func (d *Dataset) ReadFloat32(dst []float32, from, count []int) error {
	return readAs(d, dst, from, count)
}

// ReadFloat64 is Read for numbers, converted. It panics if the elements are no numbers.
func (d *Dataset) ReadFloat64(dst []float64, from, count []int) error {
	return readAs(d, dst, from, count)
}

func readAs[T float32 | float64](d *Dataset, dst []T, from, count []int) error {
	if d.Type.Class != Numbers {
		panic(fmt.Sprintf("hdf5: %q holds no numbers", d.path))
	}
	b := make([]byte, len(dst)*d.Type.Size)
	if err := d.Read(b, from, count); err != nil {
		return err
	}
	raw.Convert(dst, b, d.Type.Number)
	return nil
}

// numbers is the whole dataset, whose elements must be numbers.
func (d *Dataset) numbers() ([]byte, error) {
	if d.Type.Class != Numbers {
		return nil, d.fault("the HDF5 dataset holds no numbers")
	}
	return d.Bytes()
}

// Float32 is the whole dataset, converted.
func (d *Dataset) Float32() ([]float32, error) {
	b, err := d.numbers()
	if err != nil {
		return nil, err
	}
	out := make([]float32, d.Len())
	raw.Convert(out, b, d.Type.Number)
	return out, nil
}

// Float64 is the whole dataset, converted.
func (d *Dataset) Float64() ([]float64, error) {
	b, err := d.numbers()
	if err != nil {
		return nil, err
	}
	out := make([]float64, d.Len())
	raw.Convert(out, b, d.Type.Number)
	return out, nil
}

// Int64 is the whole dataset as whole numbers. Floats are accepted if each is whole; anything else is a
// fault that names the element.
func (d *Dataset) Int64() ([]int64, error) {
	b, err := d.numbers()
	if err != nil {
		return nil, err
	}
	out := make([]int64, d.Len())
	if err := raw.Whole(out, b, d.Type.Number, 0); err != nil {
		return nil, d.fault("%w", err)
	}
	return out, nil
}

// Targets are the references of a whole dataset of class References, for File.Target; 0 points to nothing.
func (d *Dataset) Targets() ([]uint64, error) {
	if d.Type.Class != References {
		return nil, d.fault("the HDF5 dataset holds no references")
	}
	b, err := d.Bytes()
	if err != nil {
		return nil, err
	}
	out := make([]uint64, d.Len())
	for i := range out {
		out[i] = le.Uint64(b[8*i:])
	}
	return out, nil
}
