package neuroiotest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
)

// Array is a variable or dataset for the writers below. Data is a slice of numbers: []float64 for MAT;
// []uint8, []int16, []int32, []float32 or []float64 for HDF5.
type Array struct {
	Name string
	Dims []int
	Data any
}

var le = binary.LittleEndian

// words appends numbers, little-endian.
func words(b []byte, values ...any) []byte {
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, le, v); err != nil {
			panic(err)
		}
	}
	return b
}

// MAT is a MATLAB file of version 5 of matrices of doubles, the first index fastest, for simulated subjects;
// package matlab has the format.
func MAT(arrays ...Array) []byte {
	b := append([]byte("MATLAB 5.0 MAT-file, made by a test"), make([]byte, 128)...)[:124]
	b = words(b, uint16(0x0100), []byte("IM"))
	for _, a := range arrays {
		dims := make([]int32, len(a.Dims))
		for i, d := range a.Dims {
			dims[i] = int32(d)
		}
		body := slices.Concat(matElement(6, words(nil, uint32(6), uint32(0))), matElement(5, words(nil, dims)),
			matElement(1, []byte(a.Name)), matElement(9, words(nil, a.Data.([]float64))))
		b = append(b, matElement(14, body)...)
	}
	return b
}

func matElement(typ uint32, data []byte) []byte {
	b := words(nil, typ, uint32(len(data)))
	return append(append(b, data...), make([]byte, (8-len(data)%8)%8)...)
}

// Mapping is a .npy file of a dict of labels and names, as numpy 1 writes it with protocol 3: the
// challenge's mapping_*.npy. Labels must be from 0 to 255; package pickle has the format.
func Mapping(names map[int]string) []byte {
	const head = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"
	b := words([]byte("\x93NUMPY\x01\x00"), uint16(118))
	b = append(b, head...)
	b = append(b, bytes.Repeat([]byte(" "), 117-len(head))...)
	b = append(b, "\n\x80\x03cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02C\x01bq\x03\x87q\x04Rq\x05"+
		"(K\x01)cnumpy\ndtype\nq\x06X\x02\x00\x00\x00O8q\x07\x89\x88\x87q\x08Rq\x09(K\x03X\x01\x00\x00\x00|q\x0aNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tq\x0bb\x89]q\x0c}q\x0d("...)
	labels := make([]int, 0, len(names))
	for l := range names {
		labels = append(labels, l)
	}
	sort.Ints(labels)
	for i, l := range labels {
		b = words(b, []byte{'K', byte(l), 'X'}, uint32(len(names[l])), []byte(names[l]), []byte{'q', byte(14 + i)})
	}
	return append(b, 'u', 'a', 't', 'q', byte(14+len(labels)), 'b', '.')
}

// hdf5 lays out a file whose parts know each other's addresses.
type hdf5 struct{ b []byte }

func (h *hdf5) add(part []byte) (at uint64) {
	at = uint64(len(h.b))
	h.b = append(h.b, part...)
	h.b = append(h.b, make([]byte, (8-len(h.b)%8)%8)...)
	return at
}

// none is the address of what isn't there.
const none = ^uint64(0)

// HDF5 is a file of contiguous datasets in the root group, as h5py's default ones, for simulated subjects;
// package hdf5 has the format. It takes 8 datasets at most, which fit into one node.
func HDF5(arrays ...Array) []byte {
	if len(arrays) > 8 {
		panic("neuroiotest: more than 8 datasets")
	}
	arrays = slices.Clone(arrays)
	sort.Slice(arrays, func(i, j int) bool { return arrays[i].Name < arrays[j].Name })
	h := &hdf5{b: make([]byte, 96)}
	names := make([]byte, 8) // the first name is empty
	leaf := words([]byte("SNOD\x01\x00"), uint16(len(arrays)))
	last := 0
	for _, a := range arrays {
		last = len(names)
		leaf = words(leaf, uint64(last), h.dataset(a), make([]byte, 24))
		names = append(names, a.Name...)
		names = append(names, make([]byte, 8-len(a.Name)%8)...)
	}
	leafAt := h.add(append(leaf, make([]byte, 328-len(leaf))...))
	namesAt := h.add(names)
	heapAt := h.add(words([]byte("HEAP\x00\x00\x00\x00"), uint64(len(names)), uint64(1), namesAt)) // a free list of 1 is none
	tree := words([]byte("TREE\x00\x00"), uint16(1), none, none, uint64(0), leafAt, uint64(last))
	treeAt := h.add(append(tree, make([]byte, 544-len(tree))...))
	root := h.add(header1(message(0x11, treeAt, heapAt)))
	head := words([]byte("\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00"), uint16(4), uint16(16), uint32(0),
		uint64(0), none, uint64(len(h.b)), none, uint64(0), root, uint32(1), uint32(0), treeAt, heapAt)
	copy(h.b, head)
	return h.b
}

// dataset adds a dataset's numbers and header, and gives the header's address.
func (h *hdf5) dataset(a Array) uint64 {
	data := words(nil, a.Data)
	at := h.add(data)
	space := []any{[]byte{1, byte(len(a.Dims)), 0, 0, 0, 0, 0, 0}}
	for _, d := range a.Dims {
		space = append(space, uint64(d))
	}
	return h.add(header1(
		message(0x01, space...),
		message(0x03, datatype(a.Data)),
		message(0x05, []byte{2, 2, 2, 0}), // no fill value
		message(0x08, []byte{3, 1}, at, uint64(len(data)))))
}

func datatype(data any) []byte {
	integer := func(size uint32, signed byte) []byte {
		return words([]byte{0x10, signed, 0, 0}, size, uint16(0), uint16(8*size))
	}
	float := func(size uint32, sign, exponent, bits, fraction byte, bias uint32) []byte {
		return words([]byte{0x11, 0x20, sign, 0}, size, uint16(0), uint16(8*size), []byte{exponent, bits, 0, fraction}, bias)
	}
	switch data.(type) {
	case []uint8:
		return integer(1, 0)
	case []int16:
		return integer(2, 8)
	case []int32:
		return integer(4, 8)
	case []float32:
		return float(4, 31, 23, 8, 23, 127)
	case []float64:
		return float(8, 63, 52, 11, 52, 1023)
	}
	panic(fmt.Sprintf("neuroiotest: HDF5 of %T", data))
}

// message is a message of an object header of version 1, padded to 8 bytes.
func message(kind uint16, body ...any) []byte {
	b := words(nil, body...)
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	return append(words(nil, kind, uint16(len(b)), uint32(0)), b...)
}

// header1 is an object header of version 1.
func header1(messages ...[]byte) []byte {
	body := bytes.Join(messages, nil)
	return append(words([]byte{1, 0}, uint16(len(messages)), uint32(1), uint32(len(body)), uint32(0)), body...)
}
