package nifti

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

// fields gives the header's fields under one name for both versions.
type fields struct {
	version int
	b       []byte
	order   binary.ByteOrder
}

// places are the offsets of both versions' fields.
type places struct{ typ, bits, dim, pixdim, offset, slope, description, codes, quaternion, matrix, intent, name int }

var placesOf = map[int]places{
	1: {70, 72, 40, 76, 108, 112, 148, 252, 256, 280, 68, 328},
	2: {12, 14, 16, 104, 168, 176, 240, 344, 352, 400, 504, 508},
}

func (f fields) int16(at int) int16 { return int16(f.order.Uint16(f.b[at:])) }
func (f fields) int32(at int) int32 { return int32(f.order.Uint32(f.b[at:])) }
func (f fields) int64(at int) int64 { return int64(f.order.Uint64(f.b[at:])) }

// real is the i-th of the numbers at a place: float32 in version 1, float64 in version 2.
func (f fields) real(at, i int) float64 {
	if f.version == 1 {
		return float64(math.Float32frombits(f.order.Uint32(f.b[at+4*i:])))
	}
	return math.Float64frombits(f.order.Uint64(f.b[at+8*i:]))
}

// dim is the i-th of the dimensions: int16 in version 1, int64 in version 2.
func (f fields) dim(at, i int) int64 {
	if f.version == 1 {
		return int64(f.int16(at + 2*i))
	}
	return f.int64(at + 8*i)
}

// code is a code at a place: int16 in version 1, int32 in version 2.
func (f fields) code(at, i int) int {
	if f.version == 1 {
		return int(f.int16(at + 2*i))
	}
	return int(f.int32(at + 4*i))
}

func (f fields) text(at, n int) string {
	s, _, _ := bytes.Cut(f.b[at:at+n], []byte{0})
	return string(s)
}

// readHeader reads up to the first number, where the stream stands then.
func readHeader(r io.Reader) (*Header, *raw.Stream, error) {
	s := raw.NewStream(r, "NIfTI file", binary.LittleEndian)
	f, err := open(s)
	if err != nil {
		return nil, nil, err
	}
	at := placesOf[f.version]
	h := &Header{Version: f.version, Intent: f.code(at.intent, 0), IntentName: f.text(at.name, 16), Description: f.text(at.description, 80)}
	for _, step := range []func(fields, places) error{h.setDims, h.setType, h.setScale, h.setAffine} {
		if err := step(f, at); err != nil {
			return nil, nil, err
		}
	}
	if err := h.extensions(s, f, at); err != nil {
		return nil, nil, err
	}
	return h, s, s.Err()
}

// open reads the header's bytes and finds version and byte order.
func open(s *raw.Stream) (fields, error) {
	start := make([]byte, 4)
	s.Fill(start)
	if s.Err() != nil {
		return fields{}, s.Err()
	}
	f := fields{}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(start) {
		case 348:
			f.version, f.order = 1, order
		case 540:
			f.version, f.order = 2, order
		}
	}
	if f.version == 0 {
		return f, fault.Inputf("this is no NIfTI file: it begins with % x, not with the header's size 348 or 540", start)
	}
	s.Order = f.order
	f.b = append(start, s.Bytes(int64([]int{0, 348, 540}[f.version]-4))...)
	if s.Err() != nil {
		return f, s.Err()
	}
	magic, want := f.b[344:348:348], "n+1\x00"
	if f.version == 2 {
		magic, want = f.b[4:12], "n+2\x00\r\n\x1a\n"
	}
	switch {
	case string(magic) == want:
		return f, nil
	case string(magic[:2]) == "ni":
		return f, fault.Inputf("this is the header of a pair of files (.hdr and .img); one file is read").
			Remedy("convert it: nib-convert IN.img OUT.nii.gz")
	}
	return f, fault.Inputf("this is no NIfTI file: its magic is %q, not %q", magic, want).
		Remedy("if it is of the older Analyze format, or went through a text-mode transfer, convert or copy it again")
}

func (h *Header) setDims(f fields, at places) error {
	n := f.dim(at.dim, 0)
	if n < 1 || n > 7 {
		return fault.Inputf("the NIfTI file claims %d dimensions (byte %d); 1 to 7 are possible", n, at.dim)
	}
	for i := 1; i <= int(n); i++ {
		d := f.dim(at.dim, i)
		if glmin := f.int32(144); i == 1 && d == -1 && f.version == 1 && glmin > 0 {
			d = int64(glmin) // FreeSurfer's way to store a surface
		}
		if d < 1 {
			return fault.Inputf("dimension %d of the NIfTI file is %d (byte %d)", i, d, at.dim)
		}
		h.Dims = append(h.Dims, d)
		h.Spacing = append(h.Spacing, f.real(at.pixdim, i))
	}
	return nil
}

// types are the codes that are read.
var types = map[int16]raw.Type{
	2: {Kind: raw.Uint, Size: 1}, 512: {Kind: raw.Uint, Size: 2}, 768: {Kind: raw.Uint, Size: 4}, 1280: {Kind: raw.Uint, Size: 8},
	256: {Kind: raw.Int, Size: 1}, 4: {Kind: raw.Int, Size: 2}, 8: {Kind: raw.Int, Size: 4}, 1024: {Kind: raw.Int, Size: 8},
	16: {Kind: raw.Float, Size: 4}, 64: {Kind: raw.Float, Size: 8},
}

func (h *Header) setType(f fields, at places) error {
	code, bits := f.int16(at.typ), f.int16(at.bits)
	t, known := types[code]
	if !known {
		return fault.Inputf("the NIfTI file has numbers of type %d (byte %d); integers, float32 and float64 are read", code, at.typ).
			Remedy("convert it: mri_convert -odt float IN OUT.nii.gz")
	}
	if int(bits) != 8*t.Size {
		return fault.Inputf("the NIfTI file has numbers of type %d, which are of %d bits, but says %d (byte %d)", code, 8*t.Size, bits, at.bits)
	}
	t.Order = f.order
	h.Type = t
	return nil
}

func (h *Header) setScale(f fields, at places) error {
	h.Slope, h.Inter = f.real(at.slope, 0), f.real(at.slope, 1)
	if h.Slope == 0 || math.IsNaN(h.Slope) {
		h.Slope, h.Inter = 1, 0
	}
	if math.IsInf(h.Slope, 0) || math.IsInf(h.Inter, 0) || math.IsNaN(h.Inter) {
		return fault.Inputf("the NIfTI file scales its numbers by %v and adds %v (byte %d)", h.Slope, h.Inter, at.slope)
	}
	return nil
}

func (h *Header) setAffine(f fields, at places) error {
	switch q, s := f.code(at.codes, 0), f.code(at.codes, 1); {
	case s > 0:
		h.Space, h.Affine = s, &Affine{}
		for i := range 12 {
			h.Affine[i/4][i%4] = f.real(at.matrix, i)
		}
	case q > 0:
		h.Space = q
		return h.setQuaternion(f, at)
	}
	return nil
}

// setQuaternion makes the affine of a rotation, a handedness, spacings and an offset: nifti1.h, METHOD 2.
//
//	a = √(1 - b² - c² - d²)
//	R = | a²+b²-c²-d²  2(bc-ad)      2(bd+ac)    |
//	    | 2(bc+ad)     a²+c²-b²-d²   2(cd-ab)    |    columns times the spacings, the third also times
//	    | 2(bd-ac)     2(cd+ab)      a²+d²-b²-c² |    the handedness
func (h *Header) setQuaternion(f fields, at places) error {
	b, c, d := f.real(at.quaternion, 0), f.real(at.quaternion, 1), f.real(at.quaternion, 2)
	square := 1 - b*b - c*c - d*d
	// A rotation by half a turn has a = 0, and rounding three float32 leaves it a few 1e-7 below.
	if !(square > -1e-6) {
		return fault.Inputf("the NIfTI file's quaternion %v %v %v (byte %d) is longer than 1", b, c, d, at.quaternion)
	}
	a := math.Sqrt(max(square, 0))
	r := [3][3]float64{
		{a*a + b*b - c*c - d*d, 2 * (b*c - a*d), 2 * (b*d + a*c)},
		{2 * (b*c + a*d), a*a + c*c - b*b - d*d, 2 * (c*d - a*b)},
		{2 * (b*d - a*c), 2 * (c*d + a*b), a*a + d*d - b*b - c*c},
	}
	hand := 1.0
	if f.real(at.pixdim, 0) < 0 {
		hand = -1
	}
	scale := [3]float64{f.real(at.pixdim, 1), f.real(at.pixdim, 2), hand * f.real(at.pixdim, 3)}
	h.Affine = &Affine{}
	for i := range 3 {
		for j := range 3 {
			h.Affine[i][j] = r[i][j] * scale[j]
		}
		h.Affine[i][3] = f.real(at.quaternion, 3+i)
	}
	return nil
}

// extensions reads what stands between the header and the numbers.
func (h *Header) extensions(s *raw.Stream, f fields, at places) error {
	offset := f.int64(at.offset)
	if f.version == 1 {
		x := f.real(at.offset, 0)
		if x != math.Trunc(x) || math.Abs(x) > 1<<53 {
			return fault.Inputf("the NIfTI file's numbers begin at byte %v (byte %d)", x, at.offset)
		}
		offset = int64(x)
	}
	first := int64(len(f.b)) + 4
	if offset == 0 { // written by some for "right behind the header"
		offset = first
	}
	if offset < first || offset-first > maxExtensions {
		return fault.Inputf("the NIfTI file's numbers begin at byte %d (byte %d); %d to %d is possible", offset, at.offset, first, first+maxExtensions)
	}
	flag := s.Bytes(4)
	for s.Err() == nil && flag[0] != 0 && offset-s.At() >= 8 {
		size, code := int64(s.Int32()), s.Int32()
		if s.Err() == nil && (size < 8 || size-8 > offset-s.At()) {
			return fault.Inputf("an extension of the NIfTI file claims %d bytes (byte %d), %d are there", size, s.At()-8, offset-s.At()+8)
		}
		if len(h.Extensions) == maxExtension {
			return fault.Inputf("the NIfTI file has more than %d extensions", maxExtension)
		}
		h.Extensions = append(h.Extensions, Extension{code, s.Bytes(size - 8)})
	}
	s.Skip(offset - s.At())
	return s.Err()
}
