// Package gifti reads and writes GIFTI files: surfaces, maps and labels in XML (.surf.gii, .func.gii,
// .shape.gii, .label.gii).
//
// # The format
//
// Source: GIFTI Surface Data Format, version 1.0 (Harwell, Bremen, Coulon, Dierker, Reynolds, Silva, Teich,
// Van Essen, Warfield, Saad; January 2011), nitrc.org/projects/gifti.
//
//	<GIFTI Version="1.0" NumberOfDataArrays="1">
//	  <MetaData><MD><Name>AnatomicalStructurePrimary</Name><Value>CortexLeft</Value></MD></MetaData>
//	  <LabelTable><Label Key="1" Red="0.9" Green="0.1" Blue="0.1" Alpha="1"><![CDATA[V1]]></Label></LabelTable>
//	  <DataArray Intent="NIFTI_INTENT_NONE" DataType="NIFTI_TYPE_FLOAT32" ArrayIndexingOrder="RowMajorOrder"
//	    Dimensionality="1" Dim0="10242" Encoding="GZipBase64Binary" Endian="LittleEndian"
//	    ExternalFileName="" ExternalFileOffset="">
//	    <MetaData>…</MetaData> <CoordinateSystemTransformMatrix>…</…> <Data>…</Data>
//	  </DataArray>
//	</GIFTI>
//
//	file                  arrays
//	.surf.gii             NIFTI_INTENT_POINTSET float32 (N,3) in mm, then NIFTI_INTENT_TRIANGLE int32 (M,3), 0-based
//	.func.gii .shape.gii  one float32 (N) a map; intents NONE, SHAPE, ESTIMATE, …
//	.label.gii            int32 (N), NIFTI_INTENT_LABEL: keys of the label table
//
// Encoding is ASCII (numbers between blanks), Base64Binary, or GZipBase64Binary, which despite its name is
// base64 of a zlib stream (78 …), not of a gzip file. ExternalFileBinary is refused. Endian is the byte
// order of the data. ColumnMajorOrder (first index fastest) is turned into rows. Blanks inside <Data> are
// legal. A whole file may be gzipped (.gii.gz): the first bytes tell, not the name. Only uint8, int32 and
// float32 are legal, but files with the other integers and float64 exist: they are read.
//
// # Traps
//
// Without AnatomicalStructurePrimary (of the file; for surfaces of the POINTSET array) Workbench can't
// place a map. NiiVue loses label names that don't stand in CDATA. NaN is fine in float data and means no
// data. Writers here mind all three.
//
// # Bounds
//
// An array may have 2^26 values (409 maps of 163,842 vertices in one array), a file 1 GiB of data; a text
// may have no more characters than its array's values justify, and unpacking stops where the array is
// full: a small compressed file can't ask for more.
package gifti

import (
	"cortexmap/internal/fault"
)

// File is a GIFTI file.
type File struct {
	Meta   []MD
	Labels []Label
	Arrays []Array
}

// MD is one entry of a MetaData element.
type MD struct{ Name, Value string }

// Label is one entry of the label table; colours are 0..1.
type Label struct {
	Key                     int32
	Name                    string
	Red, Green, Blue, Alpha float32
}

// Array is one DataArray in row-major order: Floats for float types, Ints for whole numbers, the other is
// nil.
type Array struct {
	Intent    string // NIFTI_INTENT_…
	Dims      []int
	Meta      []MD
	Transform *Transform // of a POINTSET; nil where there is none
	Floats    []float32  // float64 in the file is rounded
	Ints      []int32
}

// Transform is a CoordinateSystemTransformMatrix: 4 x 4, row-major, from DataSpace to TransformedSpace.
type Transform struct {
	DataSpace, TransformedSpace string
	Matrix                      [16]float64
}

// Intents that are written here.
const (
	IntentNone     = "NIFTI_INTENT_NONE"
	IntentShape    = "NIFTI_INTENT_SHAPE"
	IntentLabel    = "NIFTI_INTENT_LABEL"
	IntentPoints   = "NIFTI_INTENT_POINTSET"
	IntentTriangle = "NIFTI_INTENT_TRIANGLE"
)

// Structure is Workbench's name of a hemisphere (lh, rh), the value of AnatomicalStructurePrimary.
func Structure(hemi string) string {
	switch hemi {
	case "lh":
		return "CortexLeft"
	case "rh":
		return "CortexRight"
	}
	panic("gifti: no structure is called " + hemi)
}

// Len is the product of the dimensions.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Dims {
		n *= d
	}
	return n
}

// Surface gives the points [N] in mm and the triangles [M] of a .surf.gii. Triangles that name a vertex
// which isn't there are a fault.
func (f *File) Surface() (points [][3]float32, faces [][3]int32, err error) {
	for i := range f.Arrays {
		a := &f.Arrays[i]
		switch {
		case a.Intent == IntentPoints && points == nil:
			if a.Floats == nil || !a.triples() {
				return nil, nil, fault.Inputf("the points have shape %v, (N, 3) of float32 is needed", a.Dims)
			}
			points = triples(a.Floats)
		case a.Intent == IntentTriangle && faces == nil:
			if a.Ints == nil || !a.triples() {
				return nil, nil, fault.Inputf("the triangles have shape %v, (M, 3) of int32 is needed", a.Dims)
			}
			faces = triples(a.Ints)
		}
	}
	if points == nil || faces == nil {
		return nil, nil, fault.Inputf("this GIFTI file is no surface: it has %d arrays, but not both POINTSET and TRIANGLE", len(f.Arrays))
	}
	for i, t := range faces {
		for _, v := range t {
			if v < 0 || int(v) >= len(points) {
				return nil, nil, fault.Inputf("triangle %d names vertex %d, the surface has %d", i, v, len(points))
			}
		}
	}
	return points, faces, nil
}

func (a *Array) triples() bool { return len(a.Dims) == 2 && a.Dims[1] == 3 }

func triples[T any](flat []T) [][3]T {
	out := make([][3]T, len(flat)/3)
	for i := range out {
		out[i] = [3]T(flat[3*i:])
	}
	return out
}
