// Package freesurfer reads and writes FreeSurfer's files of a surface: triangles (lh.white, lh.sphere, …),
// values (lh.curv, lh.sulc, lh.thickness), labels (.label) and parcellations (.annot).
//
// All binary files are big-endian. Source: FreeSurfer's own reader (utils/mrisurf_io.cpp) and nibabel's
// (freesurfer/io.py), which agree on what follows.
//
// # Triangle surface
//
//	offset  bytes  what
//	0       3      FF FF FE
//	3       n      comment "created by …", ended by two newlines (some writers: one)
//	then    4      int32 vertices N
//	        4      int32 triangles M
//	        12 N   float32 x y z, mm, surface RAS: x right, y front, z up
//	        12 M   int32 vertex numbers, 0-based, counter-clockwise seen from outside
//	        rest   optional: int32 2, 0, 20, then lines "valid = 1  # volume info valid", …
//
// Reading stops after the triangles. The writer adds the block, without which nibabel warns at every load.
// Quad files begin with FF FF FF (as curv files do) or FF FF FD: refused, mris_convert makes triangles.
//
// # Curv
//
//	0       3      FF FF FF
//	3       4      int32 vertices N
//	7       4      int32 triangles (informative)
//	11      4      int32 values a vertex, 1
//	15      4 N    float32
//
// The old format (a 3-byte count, int16 hundredths) is refused. Curvature and sulcal depth are positive in
// a sulcus.
//
// # Label, text
//
//	#!ascii label  , from subject fsaverage vox2ras=TkReg
//	2
//	1  -50.000  0.000  0.000 0.7500000000          vertex x y z value
//	3  0.000  -50.000  0.000 0.0000000000
//
// Vertex -1 means that no vertex was assigned (labels of a volume): refused. Values are often 0, or a
// probability.
//
// # Annot
//
//	int32 N, then N pairs (int32 vertex, int32 value) in any order; int32 1: a colour table follows
//	version 2: int32 -2, int32 highest number + 1, int32 length and name of the table's file with its NUL,
//	           int32 entries; an entry: int32 number, int32 length and name, int32 R, G, B, T
//	version 1: int32 entries (positive), int32 length and name; an entry has no number
//
// T is transparency, 255 - alpha, 0 in practice. A vertex carries not the region's number but its packed
// colour, value = R + G<<8 + B<<16 + T<<24. Value 0 means no region, unless a region is pure black. Two
// regions of one colour can't be told apart: the lower number gets the vertices, and the writer refuses
// such a table. Values that no region has exist in the wild; their vertices get no region, and their count
// is told.
package freesurfer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"cortexmap/internal/fault"
)

// maxVertices bounds every count: 64 times fsaverage7, the largest mesh in use.
const maxVertices = 1 << 24

// Surface is a triangle mesh.
type Surface struct {
	Comment string
	Points  [][3]float32 // [N] mm
	Faces   [][3]int32   // [M]
}

// ReadSurface reads a triangle surface.
func ReadSurface(r io.Reader) (*Surface, error) {
	in := newReader(r, "surface")
	switch magic := in.bytes(3); {
	case in.err != nil:
		return nil, in.err
	case bytes.Equal(magic, []byte{0xff, 0xff, 0xff}), bytes.Equal(magic, []byte{0xff, 0xff, 0xfd}):
		return nil, fault.Inputf("this is no triangle surface of FreeSurfer but a curv file or one of quadrangles").
			Remedy("mris_convert makes triangles of quadrangles")
	case !bytes.Equal(magic, []byte{0xff, 0xff, 0xfe}):
		return nil, fault.Inputf("this is no triangle surface of FreeSurfer: it begins with % x, not with ff ff fe", magic)
	}
	s := &Surface{Comment: in.line()}
	n, m := in.count("vertices"), in.count("triangles")
	flat := in.float32s(3 * n)
	tri := in.int32s(3 * m)
	if in.err != nil {
		return nil, in.err
	}
	s.Points, s.Faces = triples(flat), triples(tri)
	for i, t := range s.Faces {
		for _, v := range t {
			if v < 0 || int(v) >= n {
				return nil, fault.Inputf("triangle %d names vertex %d, the surface has %d", i, v, n)
			}
		}
	}
	return s, nil
}

// WriteSurface writes a triangle surface, with the block that says that its space is unknown to scale.
func WriteSurface(w io.Writer, s *Surface) error {
	b := bufio.NewWriter(w)
	b.Write([]byte{0xff, 0xff, 0xfe})
	b.WriteString(oneLine(s.Comment) + "\n\n")
	put(b, int32(len(s.Points)), int32(len(s.Faces)))
	put(b, s.Points, s.Faces)
	put(b, int32(2), int32(0), int32(20))
	b.WriteString("valid = 1  # volume info valid\nfilename = cortexmap\nvolume = 256 256 256\nvoxelsize = 1 1 1\n" +
		"xras   = -1 0 0\nyras   = 0 0 -1\nzras   = 0 1 0\ncras   = 0 0 0\n")
	return b.Flush()
}

// ReadCurv reads values, one a vertex.
func ReadCurv(r io.Reader) ([]float32, error) {
	in := newReader(r, "curv file")
	magic := in.bytes(3)
	if in.err == nil && !bytes.Equal(magic, []byte{0xff, 0xff, 0xff}) {
		return nil, fault.Inputf("this is no curv file of FreeSurfer: it begins with % x, not with ff ff ff", magic).
			Remedy("files of the old format are converted by mris_convert -c")
	}
	n := in.count("vertices")
	in.int32() // triangles, only for information
	if per := in.int32(); in.err == nil && per != 1 {
		return nil, fault.Inputf("the curv file has %d values a vertex, 1 is needed", per)
	}
	v := in.float32s(n)
	return v, in.err
}

// WriteCurv writes values, one a vertex, of a mesh with so many triangles.
func WriteCurv(w io.Writer, values []float32, faces int) error {
	b := bufio.NewWriter(w)
	b.Write([]byte{0xff, 0xff, 0xff})
	put(b, int32(len(values)), int32(faces), int32(1))
	put(b, values)
	return b.Flush()
}

func triples[T any](flat []T) [][3]T {
	out := make([][3]T, len(flat)/3)
	for i := range out {
		out[i] = [3]T(flat[3*i:])
	}
	return out
}

// put writes big-endian; errors stay in the bufio.Writer until Flush.
func put(b *bufio.Writer, values ...any) {
	for _, v := range values {
		_ = binary.Write(b, binary.BigEndian, v)
	}
}

func oneLine(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte("\n"), []byte(" ")))
}

// reader reads big-endian numbers; the first failure stays, and zeros come after it.
type reader struct {
	r    *bufio.Reader
	what string
	at   int64
	err  error
}

func newReader(r io.Reader, what string) *reader {
	return &reader{r: bufio.NewReader(r), what: what}
}

// fail notes a failure; running out of bytes is told with the place.
func (r *reader) fail(err error) {
	switch {
	case r.err != nil:
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		r.err = fault.Inputf("the %s is cut short: it ends after %d bytes", r.what, r.at).Remedy("copy or write the file again")
	default:
		r.err = err
	}
}

// bytes reads n bytes; memory grows with what is really there, a mebibyte at a time.
func (r *reader) bytes(n int) []byte {
	const step = 1 << 20
	var out []byte
	for r.err == nil && len(out) < n {
		part := min(step, n-len(out))
		at := len(out)
		out = append(out, make([]byte, part)...)
		got, err := io.ReadFull(r.r, out[at:])
		r.at += int64(got)
		if err != nil {
			r.fail(err)
		}
	}
	return out
}

func (r *reader) int32() int32 {
	b := r.bytes(4)
	if r.err != nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b))
}

// count reads a number of things and refuses what can't be one.
func (r *reader) count(of string) int {
	n := r.int32()
	if r.err == nil && (n < 0 || n > maxVertices) {
		r.err = fault.Inputf("the %s claims %d %s; at most %d are read", r.what, n, of, maxVertices)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

func (r *reader) int32s(n int) []int32 {
	b := r.bytes(4 * n)
	if r.err != nil {
		return nil
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(binary.BigEndian.Uint32(b[4*i:]))
	}
	return out
}

func (r *reader) float32s(n int) []float32 {
	b := r.bytes(4 * n)
	if r.err != nil {
		return nil
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.BigEndian.Uint32(b[4*i:]))
	}
	return out
}

// line reads up to a newline, at most 64 KiB, and passes over a second newline right behind it.
func (r *reader) line() string {
	var line []byte
	for r.err == nil {
		c, err := r.r.ReadByte()
		if err != nil {
			r.fail(err)
			return ""
		}
		r.at++
		if c == '\n' {
			if next, err := r.r.Peek(1); err == nil && next[0] == '\n' {
				r.bytes(1)
			}
			return string(line)
		}
		if line = append(line, c); len(line) > 1<<16 {
			r.err = fault.Inputf("the %s has no end of its comment in 64 KiB", r.what)
		}
	}
	return ""
}
