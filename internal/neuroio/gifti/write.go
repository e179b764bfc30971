package gifti

import (
	"bufio"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Named is one map of a .func.gii or .shape.gii: a name that viewers show, and a value a vertex (NaN is no
// data).
type Named struct {
	Name   string
	Values []float32
}

// Func is a .func.gii of one hemisphere (lh, rh): an array a map.
func Func(hemi string, maps ...Named) *File { return maps32(hemi, IntentNone, maps) }

// Shape is a .shape.gii of one hemisphere: curvature, thickness and the like.
func Shape(hemi string, maps ...Named) *File { return maps32(hemi, IntentShape, maps) }

func maps32(hemi, intent string, maps []Named) *File {
	f := &File{Meta: primary(hemi)}
	for _, m := range maps {
		f.Arrays = append(f.Arrays, Array{Intent: intent, Dims: []int{len(m.Values)}, Meta: []MD{{"Name", m.Name}}, Floats: m.Values})
	}
	return f
}

// LabelFile is a .label.gii of one hemisphere: a key a vertex and the table of keys. Key 0 is added to the
// table as "???", fully transparent, if the caller has none.
func LabelFile(hemi, name string, keys []int32, table []Label) *File {
	has0 := false
	for _, l := range table {
		has0 = has0 || l.Key == 0
	}
	if !has0 {
		table = append([]Label{{Key: 0, Name: "???"}}, table...)
	}
	return &File{Meta: primary(hemi), Labels: table, Arrays: []Array{{Intent: IntentLabel, Dims: []int{len(keys)}, Meta: []MD{{"Name", name}}, Ints: keys}}}
}

// SurfaceFile is a .surf.gii of one hemisphere. geometric is Anatomical, Inflated, VeryInflated, Flat or
// Spherical; secondary is GrayWhite, Pial or MidThickness, "" for shapes that are none of them.
func SurfaceFile(hemi, geometric, secondary string, points [][3]float32, faces [][3]int32) *File {
	meta := append(primary(hemi), MD{"GeometricType", geometric})
	if secondary != "" {
		meta = append(meta, MD{"AnatomicalStructureSecondary", secondary})
	}
	topology := "Closed"
	if geometric == "Flat" {
		topology = "Cut"
	}
	unknown := &Transform{DataSpace: "NIFTI_XFORM_UNKNOWN", TransformedSpace: "NIFTI_XFORM_UNKNOWN"}
	for i := range 4 {
		unknown.Matrix[5*i] = 1
	}
	return &File{Arrays: []Array{
		{Intent: IntentPoints, Dims: []int{len(points), 3}, Meta: meta, Transform: unknown, Floats: flat(points)},
		{Intent: IntentTriangle, Dims: []int{len(faces), 3}, Meta: []MD{{"TopologicalType", topology}}, Ints: flat(faces)},
	}}
}

func primary(hemi string) []MD { return []MD{{"AnatomicalStructurePrimary", Structure(hemi)}} }

func flat[T any](triples [][3]T) []T {
	out := make([]T, 0, 3*len(triples))
	for _, t := range triples {
		out = append(out, t[:]...)
	}
	return out
}

// Write writes a file with GZipBase64Binary arrays. It panics if an array's dimensions don't multiply to
// its length; characters that XML can't hold are a fault.
func Write(w io.Writer, f *File) error {
	b := bufio.NewWriterSize(w, 1<<16)
	e := &encoder{w: b}
	e.file(f)
	if e.err != nil {
		return e.err
	}
	return b.Flush()
}

type encoder struct {
	w   *bufio.Writer
	err error
}

// put writes a format whose arguments are escaped already.
func (e *encoder) put(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

// escape makes text safe in XML; what XML 1.0 can't say at all (control characters) is refused.
func (e *encoder) escape(s string) string {
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffd || r == 0xfffe || r == 0xffff {
			e.fail(fault.Inputf("%q holds a character that XML can't", s))
			return ""
		}
	}
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		e.fail(err)
	}
	return b.String()
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) file(f *File) {
	e.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE GIFTI SYSTEM \"http://www.nitrc.org/frs/download.php/115/gifti.dtd\">\n")
	e.put("<GIFTI Version=\"1.0\" NumberOfDataArrays=\"%d\">\n", len(f.Arrays))
	e.meta(f.Meta)
	e.labels(f.Labels)
	for i := range f.Arrays {
		e.array(&f.Arrays[i])
	}
	e.put("</GIFTI>\n")
}

func (e *encoder) meta(all []MD) {
	if len(all) == 0 {
		e.put("<MetaData/>\n")
		return
	}
	e.put("<MetaData>\n")
	for _, m := range all {
		e.put("<MD><Name>%s</Name><Value>%s</Value></MD>\n", e.escape(m.Name), e.escape(m.Value))
	}
	e.put("</MetaData>\n")
}

// labels writes names as CDATA: NiiVue reads them only so. "]]>" would end it and is split.
func (e *encoder) labels(all []Label) {
	if len(all) == 0 {
		e.put("<LabelTable/>\n")
		return
	}
	e.put("<LabelTable>\n")
	for _, l := range all {
		e.escape(l.Name) // for its check of characters
		name := strings.ReplaceAll(l.Name, "]]>", "]]]]><![CDATA[>")
		e.put("<Label Key=\"%d\" Red=\"%s\" Green=\"%s\" Blue=\"%s\" Alpha=\"%s\"><![CDATA[%s]]></Label>\n",
			l.Key, short(l.Red), short(l.Green), short(l.Blue), short(l.Alpha), name)
	}
	e.put("</LabelTable>\n")
}

func short(x float32) string { return strconv.FormatFloat(float64(x), 'g', -1, 32) }

func (e *encoder) array(a *Array) {
	typ, n := "NIFTI_TYPE_FLOAT32", len(a.Floats)
	if a.Floats == nil {
		typ, n = "NIFTI_TYPE_INT32", len(a.Ints)
	}
	if n != a.Len() {
		panic(fmt.Sprintf("gifti: %d values for dimensions %v", n, a.Dims))
	}
	e.put("<DataArray Intent=\"%s\" DataType=\"%s\" ArrayIndexingOrder=\"RowMajorOrder\" Dimensionality=\"%d\"", e.escape(a.Intent), typ, len(a.Dims))
	for i, d := range a.Dims {
		e.put(" Dim%d=\"%d\"", i, d)
	}
	e.put(" Encoding=\"GZipBase64Binary\" Endian=\"LittleEndian\" ExternalFileName=\"\" ExternalFileOffset=\"\">\n")
	e.meta(a.Meta)
	e.transform(a.Transform)
	e.put("<Data>")
	if a.Floats != nil {
		e.data(len(a.Floats), func(from, to int) any { return a.Floats[from:to] })
	} else {
		e.data(len(a.Ints), func(from, to int) any { return a.Ints[from:to] })
	}
	e.put("</Data>\n</DataArray>\n")
}

func (e *encoder) transform(t *Transform) {
	if t == nil {
		return
	}
	e.put("<CoordinateSystemTransformMatrix>\n<DataSpace>%s</DataSpace>\n<TransformedSpace>%s</TransformedSpace>\n<MatrixData>\n", e.escape(t.DataSpace), e.escape(t.TransformedSpace))
	for i := range 4 {
		m := t.Matrix[4*i:]
		e.put("%g %g %g %g\n", m[0], m[1], m[2], m[3])
	}
	e.put("</MatrixData>\n</CoordinateSystemTransformMatrix>\n")
}

// data streams numbers through zlib and base64, a block at a time.
func (e *encoder) data(n int, part func(from, to int) any) {
	const block = 1 << 14
	b := base64.NewEncoder(base64.StdEncoding, e.w)
	z := zlib.NewWriter(b)
	for from := 0; from < n && e.err == nil; from += block {
		if err := binary.Write(z, binary.LittleEndian, part(from, min(from+block, n))); err != nil {
			e.fail(err)
		}
	}
	if err := z.Close(); err != nil {
		e.fail(err)
	}
	if err := b.Close(); err != nil {
		e.fail(err)
	}
}
