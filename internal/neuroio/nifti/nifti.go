// Package nifti reads NIfTI-1 and NIfTI-2 files, gzipped or not: masks, regions, maps and time series of a
// volume. It writes NIfTI-1.
//
// # The format
//
// Source: nifti1.h and nifti2.h of the NIfTI working group (nifti.nimh.nih.gov), and nibabel's reader
// (nifti1.py, nifti2.py). The byte order is the machine's that wrote the file: the first four bytes, the
// header's size, tell.
//
//	NIfTI-1      NIfTI-2      what
//	0    int32   0    int32   size of the header: 348, 540
//	344  4       4    8       magic: "n+1\0"; "n+2\0" 0D 0A 1A 0A. "ni1\0", "ni2\0": header of a .hdr/.img pair
//	70   int16   12   int16   type: 2 uint8, 4 int16, 8 int32, 16 float32, 64 float64, 256 int8, 512 uint16,
//	                          768 uint32, 1024 int64, 1280 uint64
//	72   int16   14   int16   bits of a number
//	40   int16   16   int64   8 of them: count of dimensions (1 to 7), then the dimensions, first fastest
//	76   float32 104  float64 8 of them: handedness of the quaternion (-1 or 1), then the spacings
//	108  float32 168  int64   offset of the first number; 352, 544 where there is no extension
//	112  float32 176  float64 slope, then intercept: a number means slope x stored + intercept; slope 0 or NaN: stored
//	144  int32   -            glmin; FreeSurfer's count of vertices, see below
//	148  80      240  80      description
//	252  int16   344  int32   code of the quaternion's space, then of the matrix's; 0: there is none
//	256  float32 352  float64 quaternion b c d, then its offset x y z
//	280  float32 400  float64 matrix, 3 rows of 4: mm = matrix x (i, j, k, 1)
//	68   int16   504  int32   intent
//	328  16      508  16      name of the intent
//	348  4       540  4       1 0 0 0: extensions follow, each int32 size (itself and the code included), int32 code, data
//
// Space codes: 1 scanner, 2 aligned to another file, 3 Talairach, 4 MNI, 5 other template. x is right, y
// front, z up. The matrix counts where its code is positive, else the quaternion; where both are 0 the
// file doesn't say where its voxels are, and Affine is nil.
//
// # Traps
//
// NSD's volumes are int16 of 300 times percent signal change, and the 300 is in no header. NIfTI-1 counts
// in int16, so that a surface of 163,842 vertices doesn't fit: it is stored as 27307 x 1 x 6, or, by
// FreeSurfer, with -1 as the first dimension and the count in glmin. Both are read.
//
// # Bounds
//
// Read and Labels take 2^26 numbers at most; longer files are read volume by volume. Extensions may have 64
// MiB. No count in the header is believed: memory grows with what is really there.
package nifti

import (
	"io"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

const (
	maxNumbers    = 1 << 26   // of Read and Labels
	maxFrame      = 1<<31 - 1 // of one volume: places in it are int32
	maxExtensions = 64 << 20  // bytes of all of them
	maxExtension  = 1 << 10   // how many
	maxTail       = 1 << 20   // bytes that may follow the numbers; nothing should
)

// Header is what stands before the numbers.
type Header struct {
	Version      int // 1 or 2
	Dims         []int64
	Type         raw.Type
	Slope, Inter float64   // 1 and 0 where nothing is scaled
	Spacing      []float64 // of each dimension, mm and s
	Affine       *Affine   // nil: the file doesn't say where its voxels are
	Space        int       // code of the affine's space; 0 where it is nil
	Intent       int
	IntentName   string
	Description  string
	Extensions   []Extension
}

// Affine turns a voxel's indices into mm: right, front, up. Its rows are x, y, z; the last column is the
// offset.
type Affine [3][4]float64

// At is where voxel i, j, k is, mm.
func (a *Affine) At(i, j, k int) (mm [3]float64) {
	for r, row := range a {
		mm[r] = row[0]*float64(i) + row[1]*float64(j) + row[2]*float64(k) + row[3]
	}
	return mm
}

// Extension is a block of other data in the header; code 32 is CIFTI's XML.
type Extension struct {
	Code int32
	Data []byte
}

// Volume is the first three dimensions; missing ones are 1.
func (h *Header) Volume() (dims [3]int64) {
	for i := range dims {
		dims[i] = 1
		if i < len(h.Dims) {
			dims[i] = h.Dims[i]
		}
	}
	return dims
}

// Voxel gives the indices of number at of a volume, the first fastest.
func (h *Header) Voxel(at int64) (i, j, k int) {
	d := h.Volume()
	return int(at % d[0]), int(at / d[0] % d[1]), int(at / d[0] / d[1])
}

// Reader reads a file volume by volume: N numbers each, Count volumes.
type Reader struct {
	Header Header
	*raw.Sequence
}

// NewReader reads the header of a NIfTI file.
func NewReader(r io.Reader) (*Reader, error) {
	h, s, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	n, count := int64(1), int64(1)
	for i, d := range h.Dims {
		of := &n
		if i >= 3 {
			of = &count
		}
		if d > maxFrame / *of {
			return nil, fault.Inputf("the NIfTI file claims %v numbers; at most %d a volume and %d volumes are read", h.Dims, maxFrame, maxFrame)
		}
		*of *= d
	}
	return &Reader{*h, &raw.Sequence{S: s, Type: h.Type, N: n, Count: count, Slope: h.Slope, Inter: h.Inter, Tail: maxTail}}, nil
}

// Read is a whole file: every volume, [volumes][N], the first dimension fastest.
func Read(r io.Reader) (*Header, [][]float32, error) {
	f, err := NewReader(r)
	if err != nil {
		return nil, nil, err
	}
	v, err := f.All(maxNumbers)
	return &f.Header, v, err
}

// Labels is a file of one volume of whole numbers, [N]: masks and regions.
func Labels(r io.Reader) (*Header, []int32, error) {
	f, err := NewReader(r)
	if err != nil {
		return nil, nil, err
	}
	v, err := f.Sequence.Labels(maxNumbers)
	return &f.Header, v, err
}
