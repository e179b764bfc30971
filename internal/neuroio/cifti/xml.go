package cifti

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// maxSurface bounds the vertices of a surface: 64 times fsaverage7.
const maxSurface = 1 << 24

// document is the XML as far as scalar maps need it.
type document struct {
	XMLName xml.Name   `xml:"CIFTI"`
	Version string     `xml:",attr"`
	Maps    []indexMap `xml:"Matrix>MatrixIndicesMap"`
}

type indexMap struct {
	Dimension string `xml:"AppliesToMatrixDimension,attr"`
	Type      string `xml:"IndicesMapToDataType,attr"`
	Named     []struct {
		Name string `xml:"MapName"`
	} `xml:"NamedMap"`
	Models []brainModel `xml:"BrainModel"`
}

type brainModel struct {
	Offset    int    `xml:"IndexOffset,attr"`
	Count     int    `xml:"IndexCount,attr"`
	Type      string `xml:"ModelType,attr"`
	Structure string `xml:"BrainStructure,attr"`
	Surface   int    `xml:"SurfaceNumberOfVertices,attr"`
	Vertices  string `xml:"VertexIndices"`
	Voxels    string `xml:"VoxelIndicesIJK"`
}

// parse reads the XML into a file without values.
func parse(text []byte) (*File, error) {
	var d document
	if err := xml.Unmarshal(bytes.TrimRight(text, "\x00"), &d); err != nil {
		return nil, fault.Inputf("the CIFTI file's XML can't be read: %w", err)
	}
	if d.Version != "2" && d.Version != "2.0" {
		return nil, fault.Inputf("the CIFTI file's XML is of version %q; 2 is read", d.Version)
	}
	f := &File{}
	seen := map[string]bool{}
	for i := range d.Maps {
		m := &d.Maps[i]
		want := map[string]string{"0": "CIFTI_INDEX_TYPE_SCALARS", "1": "CIFTI_INDEX_TYPE_BRAIN_MODELS"}[m.Dimension]
		if m.Type != want || seen[m.Dimension] {
			return nil, fault.Inputf("dimension %q of the CIFTI file is of type %q; maps of scalars (.dscalar.nii) are read", m.Dimension, m.Type).
				Remedy("other kinds are converted by wb_command, for instance -cifti-reduce for a .dtseries.nii")
		}
		seen[m.Dimension] = true
		for _, n := range m.Named {
			f.Maps = append(f.Maps, n.Name)
		}
		if err := f.models(m.Models); err != nil {
			return nil, err
		}
	}
	if len(f.Maps) == 0 || len(f.Models) == 0 {
		return nil, fault.Inputf("the CIFTI file's XML names %d maps and %d structures", len(f.Maps), len(f.Models))
	}
	return f, nil
}

// models checks that structures follow one another without gaps.
func (f *File) models(all []brainModel) error {
	next := 0
	for i := range all {
		x := &all[i]
		m := Model{Structure: strings.TrimPrefix(x.Structure, "CIFTI_STRUCTURE_")}
		var err error
		switch x.Type {
		case "CIFTI_MODEL_TYPE_SURFACE":
			if x.Surface < 1 || x.Surface > maxSurface {
				return fault.Inputf("%s of the CIFTI file has a surface of %d vertices; 1 to %d are read", m.Structure, x.Surface, maxSurface)
			}
			m.Surface = x.Surface
			m.Vertices, err = whole(x.Vertices, int32(x.Surface))
		case "CIFTI_MODEL_TYPE_VOXELS":
			m.Voxels, err = voxels(x.Voxels)
		default:
			err = fault.Inputf("the model type %q is not known", x.Type)
		}
		if err == nil {
			err = m.distinct()
		}
		if err == nil && (x.Offset != next || x.Count != m.Len()) {
			err = fault.Inputf("it says brainordinates %d and the next %d, it has %d and the next %d", x.Offset, x.Count, next, m.Len())
		}
		if err != nil {
			return fault.Inputf("%s of the CIFTI file: %w", m.Structure, err)
		}
		next += m.Len()
		f.Models = append(f.Models, m)
	}
	return nil
}

// whole reads numbers from 0 to below limit.
func whole(text string, limit int32) ([]int32, error) {
	var out []int32
	for s := range strings.FieldsSeq(text) {
		v, err := strconv.ParseInt(s, 10, 32)
		if err != nil || v < 0 || v >= int64(limit) {
			return nil, fault.Inputf("%q is no number from 0 to %d", s, limit-1)
		}
		out = append(out, int32(v))
	}
	return out, nil
}

func voxels(text string) ([][3]int32, error) {
	flat, err := whole(text, 1<<31-1)
	if err != nil {
		return nil, err
	}
	if len(flat)%3 != 0 {
		return nil, fault.Inputf("%d numbers are no triples of voxel indices", len(flat))
	}
	out := make([][3]int32, len(flat)/3)
	for i := range out {
		out[i] = [3]int32(flat[3*i:])
	}
	return out, nil
}

// distinct refuses a vertex that stands twice: which value is meant?
func (m *Model) distinct() error {
	seen := make(map[int32]bool, len(m.Vertices))
	for _, v := range m.Vertices {
		if seen[v] {
			return fault.Inputf("vertex %d stands twice", v)
		}
		seen[v] = true
	}
	return nil
}
