// Package mgh reads and writes FreeSurfer's MGH and MGZ files: volumes, and maps, labels and time series of
// a surface.
//
// # The format
//
// Source: FreeSurfer wiki, "MghFormat"; FreeSurfer's own reader (utils/mri.cpp, mghRead) and nibabel's
// (freesurfer/mghformat.py), which agree on what follows. Everything is big-endian.
//
//	offset  type        what
//	0       int32       version, 1
//	4       int32 x 4   width, height, depth, frames
//	20      int32       type: 0 uint8, 1 int32, 3 float32, 4 int16, 10 uint16
//	24      int32       degrees of freedom
//	28      int16       1: the next 60 bytes are valid
//	30      float32 x 3 spacing, mm
//	42      float32 x 9 direction cosines x_r x_a x_s y_r y_a y_s z_r z_a z_s
//	78      float32 x 3 right, front, up of the centre, mm
//	284                 the numbers: width fastest, frames slowest
//	then    float32 x 5 repetition time, flip angle (rad), echo time, inversion time, field of view; optional
//	then                tags; optional
//
// An .mgz (.mgh.gz) is the same, gzipped as a whole: the first bytes tell, not the name.
//
// On a surface of N vertices, width is N, height and depth are 1, and a frame is one map. Old files put N
// elsewhere or split it (163842 = 27307 x 1 x 6): only the product is looked at, and a frame is always N
// numbers in the order of the vertices. NaN is no data.
//
// # Traps
//
// nilearn loads .mgz but refuses a surface overlay called .mgh: write .mgz. The labels of an .mgz have no
// names; they stand in a .ctab beside it.
//
// # Bounds
//
// Read and Labels take 2^26 numbers at most (409 maps of 163,842 vertices); longer files, such as NSD's
// sessions of 750 frames, are read frame by frame. No count in the header is believed: memory grows with
// what is really there.
package mgh

import (
	"encoding/binary"
	"io"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

// maxNumbers bounds what Read and Labels keep.
const maxNumbers = 1 << 26

// maxTail bounds the tags behind the numbers: command lines and a transform, a few kB in practice.
const maxTail = 64 << 20

// Header is what stands before the numbers.
type Header struct {
	Width, Height, Depth, Frames int32
	Type                         raw.Type
	DOF                          int32
	Geometry                     *Geometry // nil: the file says that it isn't valid
}

// Geometry is where a volume lies. Of a surface's map it means nothing.
type Geometry struct {
	Spacing [3]float32 // mm
	Cosines [9]float32 // x_r x_a x_s y_r y_a y_s z_r z_a z_s
	Centre  [3]float32 // right, front, up, mm
}

// Reader reads a file frame by frame: N numbers each, Count frames.
type Reader struct {
	Header Header
	*raw.Sequence
}

// NewReader reads the header of an MGH or MGZ file.
func NewReader(r io.Reader) (*Reader, error) {
	s := raw.NewStream(r, "MGH file", binary.BigEndian)
	if v := s.Int32(); s.Err() == nil && v != 1 {
		return nil, fault.Inputf("this is no MGH file: it begins with %#08x, not with version 1", uint32(v))
	}
	var h Header
	for _, d := range []*int32{&h.Width, &h.Height, &h.Depth, &h.Frames} {
		*d = s.Int32()
	}
	code := s.Int32()
	h.DOF = s.Int32()
	h.Geometry = geometry(s)
	s.Skip(dataAt - s.At())
	if err := s.Err(); err != nil {
		return nil, err
	}
	if err := h.check(code); err != nil {
		return nil, err
	}
	n := int64(h.Width) * int64(h.Height) * int64(h.Depth)
	return &Reader{h, &raw.Sequence{S: s, Type: h.Type, N: n, Count: int64(h.Frames), Slope: 1, Tail: maxTail}}, nil
}

// dataAt is where the numbers begin.
const dataAt = 284

// types are the codes of byte 20. 2 (long), 5 (tensor) and 6 (bitmap) were never written in earnest.
var types = map[int32]raw.Type{
	0:  {Kind: raw.Uint, Size: 1, Order: binary.BigEndian},
	1:  {Kind: raw.Int, Size: 4, Order: binary.BigEndian},
	3:  {Kind: raw.Float, Size: 4, Order: binary.BigEndian},
	4:  {Kind: raw.Int, Size: 2, Order: binary.BigEndian},
	10: {Kind: raw.Uint, Size: 2, Order: binary.BigEndian},
}

func geometry(s *raw.Stream) *Geometry {
	good := s.Int16()
	g := &Geometry{}
	var b [60]byte
	s.Fill(b[:])
	_, _ = binary.Decode(b[:], binary.BigEndian, g) // 15 float32 are 60 bytes
	if good != 1 {
		return nil
	}
	return g
}

// check sets the type and refuses counts that can't be.
func (h *Header) check(code int32) error {
	known := false
	if h.Type, known = types[code]; !known {
		return fault.Inputf("the MGH file has numbers of type %d (byte 20); 0 uint8, 1 int32, 3 float32, 4 int16 and 10 uint16 are read", code).
			Remedy("convert it: mri_convert -odt float IN OUT.mgz")
	}
	n := int64(1)
	for _, d := range []int32{h.Width, h.Height, h.Depth, h.Frames} {
		if d < 1 {
			return fault.Inputf("the MGH file claims %d x %d x %d numbers and %d frames (bytes 4 to 19)", h.Width, h.Height, h.Depth, h.Frames)
		}
	}
	for _, d := range []int32{h.Width, h.Height, h.Depth} {
		if n *= int64(d); n > maxFrame {
			return fault.Inputf("the MGH file claims %d x %d x %d numbers a frame (bytes 4 to 15); at most %d are read", h.Width, h.Height, h.Depth, maxFrame)
		}
	}
	return nil
}

// maxFrame bounds one frame: places in it are int32.
const maxFrame = 1<<31 - 1

// Read is a whole file: every frame, [frames][N].
func Read(r io.Reader) (Header, [][]float32, error) {
	f, err := NewReader(r)
	if err != nil {
		return Header{}, nil, err
	}
	v, err := f.All(maxNumbers)
	return f.Header, v, err
}

// Labels is a file of one frame of whole numbers, [N]: regions of interest.
func Labels(r io.Reader) ([]int32, error) {
	f, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	return f.Sequence.Labels(maxNumbers)
}
