package hdf5

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"

	"cortexmap/internal/fault"
)

// Filters that are undone.
const (
	filterDeflate  = 1
	filterShuffle  = 2
	filterFletcher = 3
)

// maxFiltered bounds what a packed chunk may unpack to.
const maxFiltered = 1 << 28

// others names what isn't undone.
var others = map[int]string{4: "szip", 5: "nbit", 6: "scale-offset", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle", 32013: "ZFP", 32015: "Zstandard", 32026: "Blosc2"}

// filter is one step that a chunk went through before it was written.
type filter struct{ id, element int } // element: bytes that shuffle took for one

// readFilters reads a pipeline, first filter first. Version 1 pads names to 8 bytes and an odd number of
// values to 8; version 2 leaves out the name of HDF5's own filters.
func readFilters(c *cursor) (all []filter) {
	version, n := c.uint(1), c.int(1)
	switch version {
	case 1:
		c.take(6)
	case 2:
	default:
		c.fail("version %d; 1 and 2 are read", version)
	}
	for i := 0; i < n && c.err == nil; i++ {
		f := filter{id: c.int(2)}
		name := 0
		if version == 1 || f.id >= 256 {
			name = c.int(2)
		}
		c.take(2) // whether it may be left out
		values := c.int(2)
		if version == 1 {
			name = (name + 7) / 8 * 8
		}
		c.take(name)
		for k := range values {
			if v := c.int(4); k == 0 {
				f.element = v
			}
		}
		if version == 1 && values%2 == 1 {
			c.take(4)
		}
		all = append(all, f)
	}
	return all
}

// checkFilters refuses filters that can't be undone, before anything is read.
func (d *Dataset) checkFilters() error {
	if n := d.chunkBytes(); len(d.filters) > 0 && n > maxFiltered {
		return fault.Inputf("the HDF5 dataset has chunks of %d bytes; packed ones of at most %d are read", n, maxFiltered).
			Remedy("write it anew with smaller chunks: h5repack -l CHUNK=… IN OUT")
	}
	seen := map[int]bool{}
	for _, f := range d.filters {
		if seen[f.id] {
			return fault.Inputf("the HDF5 dataset went through filter %d twice", f.id)
		}
		seen[f.id] = true
		switch f.id {
		case filterDeflate, filterFletcher:
		case filterShuffle:
			if f.element < 1 || f.element > d.Type.Size {
				return fault.Inputf("the HDF5 dataset was shuffled by elements of %d bytes, its own have %d", f.element, d.Type.Size)
			}
		default:
			name := others[f.id]
			if name == "" {
				name = "unknown"
			}
			return fault.Inputf("the HDF5 dataset went through filter %d (%s), which is not undone here", f.id, name).
				Remedy("pack it with gzip: h5repack -f GZIP=4 IN OUT")
		}
	}
	return nil
}

// unpacker undoes filters. It is used by one reading at a time and keeps its buffers.
type unpacker struct {
	d     *Dataset
	z     io.ReadCloser // also a zlib.Resetter
	out   bytes.Buffer
	other []byte
}

// undo gives a chunk's elements; filters whose bit is set in mask were skipped when it was written. The
// result is good until the next call.
func (u *unpacker) undo(b []byte, mask uint32) ([]byte, error) {
	want := u.d.chunkBytes()
	for i := len(u.d.filters) - 1; i >= 0; i-- {
		if i < 32 && mask>>i&1 == 1 {
			continue
		}
		var err error
		switch f := u.d.filters[i]; f.id {
		case filterDeflate:
			b, err = u.inflate(b, want+4*int64(len(u.d.filters))) // checksums may be inside
		case filterShuffle:
			b = u.unshuffle(b, f.element)
		case filterFletcher:
			b, err = verify(b)
		}
		if err != nil {
			return nil, err
		}
	}
	if int64(len(b)) != want {
		return nil, fault.Inputf("it has %d bytes, %d are needed", len(b), want)
	}
	return b, nil
}

// inflate gives at most limit+1 bytes, so that too many are noticed and a bomb is not unpacked.
func (u *unpacker) inflate(b []byte, limit int64) ([]byte, error) {
	var err error
	if r, ok := u.z.(zlib.Resetter); ok {
		err = r.Reset(bytes.NewReader(b), nil)
	} else {
		u.z, err = zlib.NewReader(bytes.NewReader(b))
	}
	if err == nil {
		u.out.Reset()
		_, err = io.Copy(&u.out, io.LimitReader(u.z, limit+1))
	}
	if err != nil {
		return nil, fault.Inputf("it can't be unpacked: %w", err)
	}
	return u.out.Bytes(), nil
}

// unshuffle puts the bytes of each element together again: they were stored first bytes first, then second
// ones, and so on. What is left over at the end stayed in place.
func (u *unpacker) unshuffle(b []byte, size int) []byte {
	n := len(b) / size
	if cap(u.other) < len(b) {
		u.other = make([]byte, len(b))
	}
	out := u.other[:len(b)]
	for k := range size {
		for i, x := range b[k*n : (k+1)*n] {
			out[i*size+k] = x
		}
	}
	copy(out[n*size:], b[n*size:])
	return out
}

// verify takes the checksum off the end. HDF5 before 1.6.3 swapped its bytes on some machines, and its
// own library takes both.
func verify(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, fault.Inputf("it has %d bytes, and no room for its checksum", len(b))
	}
	n := len(b) - 4
	sum, stored := fletcher32(b[:n]), le.Uint32(b[n:])
	swapped := sum>>8&0xff00ff | sum&0xff00ff<<8
	if stored != sum && stored != swapped {
		return nil, fault.Inputf("its checksum is wrong: the file is damaged")
	}
	return b[:n], nil
}

// chunkFault says in which chunk something went wrong, and leaves errors of the file system as they are.
func (d *Dataset) chunkFault(c chunk, err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	return fault.Inputf("%q: the HDF5 chunk at byte %d: %w", d.path, uint64(d.f.base)+c.at, e).
		Remedy("copy or write the file again")
}
