package cifti

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"

	"cortexmap/internal/fault"
)

// Write writes a .dscalar.nii of surfaces. A file without a brainordinate, and names that XML can't hold,
// are faults. It panics if lengths don't match, or at a model of voxels, whose volume a File doesn't know.
func Write(w io.Writer, f *File) error {
	n := f.check()
	if n == 0 || len(f.Maps) == 0 {
		return fault.Inputf("a CIFTI file of %d maps and %d brainordinates can't be written: no map has a number anywhere", len(f.Maps), n)
	}
	text, err := f.xml()
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 1<<16)
	b.Write(header(len(f.Maps), n, len(text)))
	b.Write(text)
	row := make([]byte, 4*len(f.Maps))
	for i := range n {
		for k, v := range f.Values {
			binary.LittleEndian.PutUint32(row[4*k:], math.Float32bits(v[i]))
		}
		b.Write(row) // an error stays until Flush
	}
	return b.Flush()
}

// check gives the number of brainordinates.
func (f *File) check() int {
	n := 0
	for i := range f.Models {
		m := &f.Models[i]
		if m.Surface == 0 || m.Voxels != nil {
			panic("cifti: " + m.Structure + " is no surface")
		}
		n += m.Len()
	}
	if len(f.Values) != len(f.Maps) {
		panic(fmt.Sprintf("cifti: %d maps, %d names", len(f.Values), len(f.Maps)))
	}
	for _, v := range f.Values {
		if len(v) != n {
			panic(fmt.Sprintf("cifti: a map of %d numbers for %d brainordinates", len(v), n))
		}
	}
	return n
}

// header is all that stands before the XML, which is padded already.
func header(maps, n, text int) []byte {
	le, b := binary.LittleEndian, make([]byte, 552)
	le.PutUint32(b, 540)
	copy(b[4:], "n+2\x00\r\n\x1a\n")
	le.PutUint16(b[12:], 16)
	le.PutUint16(b[14:], 32)
	for i, d := range []int{6, 1, 1, 1, 1, maps, n, 1} {
		le.PutUint64(b[16+8*i:], uint64(d))
		le.PutUint64(b[104+8*i:], math.Float64bits(1))
	}
	le.PutUint64(b[168:], uint64(552+text))
	le.PutUint64(b[176:], math.Float64bits(1))
	le.PutUint32(b[504:], 3006)
	copy(b[508:], "ConnDenseScalar")
	b[540] = 1
	le.PutUint32(b[544:], uint32(8+text))
	le.PutUint32(b[548:], extensionCode)
	return b
}

// xml is the description, padded so that the extension's size is a multiple of 16.
func (f *File) xml() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<CIFTI Version="2"><Matrix>` + "\n" +
		`<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_SCALARS">` + "\n")
	for _, name := range f.Maps {
		for _, r := range name {
			if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0xfffd && r <= 0xffff {
				return nil, fault.Inputf("%q holds a character that XML can't", name)
			}
		}
		b.WriteString("<NamedMap><MapName>")
		if err := xml.EscapeText(&b, []byte(name)); err != nil {
			return nil, err
		}
		b.WriteString("</MapName></NamedMap>\n")
	}
	b.WriteString(`</MatrixIndicesMap>` + "\n" + `<MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS">` + "\n")
	first := 0
	for _, m := range f.Models {
		fmt.Fprintf(&b, `<BrainModel IndexOffset="%d" IndexCount="%d" ModelType="CIFTI_MODEL_TYPE_SURFACE" BrainStructure="CIFTI_STRUCTURE_%s" SurfaceNumberOfVertices="%d"><VertexIndices>`,
			first, len(m.Vertices), m.Structure, m.Surface)
		for i, v := range m.Vertices {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(strconv.Itoa(int(v)))
		}
		b.WriteString("</VertexIndices></BrainModel>\n")
		first += len(m.Vertices)
	}
	b.WriteString("</MatrixIndicesMap>\n</Matrix></CIFTI>\n")
	b.Write(make([]byte, 15-(b.Len()+7)%16))
	return b.Bytes(), nil
}
