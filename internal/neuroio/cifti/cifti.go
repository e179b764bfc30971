// Package cifti reads and writes CIFTI-2 files of scalar maps (.dscalar.nii): several maps of both
// hemispheres, and of voxels below the cortex, in one file.
//
// # The format
//
// Source: CIFTI-2 Connectivity File Format, version 2 (2 December 2013), nitrc.org/projects/cifti. The
// file is NIfTI-2, not gzipped, of six dimensions of which the first four are 1; an extension of code 32
// holds XML that says what the other two are.
//
//	offset  type       value
//	0       int32      540
//	4       8 bytes    "n+2\0" 0D 0A 1A 0A
//	12      int16 x 2  type 16 (float32), 32 bits
//	16      int64 x 8  6, 1, 1, 1, 1, maps, brainordinates, 1
//	104     float64 x8 1 each
//	168     int64      offset of the numbers: 544 + size of the extension
//	176     float64 x2 slope 1, intercept 0
//	504     int32      intent 3006 (Workbench goes by the XML, some writers leave 3000)
//	508     16 bytes   "ConnDenseScalar"
//	540     4 bytes    1 0 0 0: an extension follows
//	544     int32 x 2  size of the extension, itself included, a multiple of 16; code 32
//	552                XML, padded with zeros
//	then    float32    the maps of one brainordinate lie side by side
//
//	<CIFTI Version="2"><Matrix>
//	  <MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_SCALARS">
//	    <NamedMap><MapName>r2</MapName></NamedMap> … </MatrixIndicesMap>
//	  <MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS">
//	    <BrainModel IndexOffset="0" IndexCount="3" ModelType="CIFTI_MODEL_TYPE_SURFACE"
//	      BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT" SurfaceNumberOfVertices="10242">
//	      <VertexIndices>0 2 3</VertexIndices></BrainModel> …
//	  </MatrixIndicesMap></Matrix></CIFTI>
//
// Vertices are 0-based and are those of the whole surface. Models of voxels have ModelType
// CIFTI_MODEL_TYPE_VOXELS and <VoxelIndicesIJK>, three numbers a voxel.
//
// nibabel shows the matrix as (maps, brainordinates), Workbench calls brainordinates rows: the same bytes.
//
// # Traps
//
// Vertices that aren't listed have no data; wb_command -cifti-separate writes 0 there. Files of other kinds
// (.dlabel, .dtseries, .dconn) are refused: their matrix means something else.
//
// # Bounds
//
// 2^26 numbers, and XML of 64 MiB; no count is believed before what it counts is there.
package cifti

import (
	"fmt"
	"io"
	"math"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/nifti"
)

// The hemispheres' structures.
const (
	Left  = "CORTEX_LEFT"
	Right = "CORTEX_RIGHT"
)

// File is a file of scalar maps.
type File struct {
	Maps   []string    // names
	Models []Model     // in the order of the brainordinates, which they share out without gaps
	Values [][]float32 // [maps][brainordinates]
}

// Model is a structure's share of the brainordinates.
type Model struct {
	Structure string     // without its CIFTI_STRUCTURE_: CORTEX_LEFT
	Surface   int        // vertices of the whole surface; 0: the model is of voxels
	Vertices  []int32    // of a surface, 0-based
	Voxels    [][3]int32 // of a volume: i, j, k
}

// Len is the number of its brainordinates.
func (m *Model) Len() int { return len(m.Vertices) + len(m.Voxels) }

// Map is one map of two hemispheres: a name, and a value a vertex (NaN is no data).
type Map struct {
	Name        string
	Left, Right []float32 // nil: the map doesn't have this hemisphere
}

// Hemispheres makes a file of maps. Vertices without a number in any map are left out; if that leaves
// none, there is nothing to write and Write refuses the file. It panics if a hemisphere has not the same
// length in all maps that have it.
func Hemispheres(maps ...Map) *File {
	f := &File{Values: make([][]float32, len(maps))}
	side := func(structure string, of func(Map) []float32) {
		m := Model{Structure: structure}
		for _, x := range maps {
			if n := len(of(x)); n > 0 && m.Surface > 0 && n != m.Surface {
				panic(fmt.Sprintf("cifti: maps of %d and %d vertices", m.Surface, n))
			} else if n > 0 {
				m.Surface = n
			}
		}
		at := func(k, v int) float32 {
			if x := of(maps[k]); x != nil {
				return x[v]
			}
			return float32(math.NaN())
		}
		for v := range m.Surface {
			known := false
			for k := range maps {
				known = known || !math.IsNaN(float64(at(k, v)))
			}
			if !known {
				continue
			}
			m.Vertices = append(m.Vertices, int32(v))
			for k := range maps {
				f.Values[k] = append(f.Values[k], at(k, v))
			}
		}
		if len(m.Vertices) > 0 {
			f.Models = append(f.Models, m)
		}
	}
	side(Left, func(m Map) []float32 { return m.Left })
	side(Right, func(m Map) []float32 { return m.Right })
	for _, m := range maps {
		f.Maps = append(f.Maps, m.Name)
	}
	return f
}

// Hemisphere is a map of a whole surface, NaN where the file has no data; nil if it hasn't the structure.
func (f *File) Hemisphere(structure string, m int) []float32 {
	first := 0
	for i := range f.Models {
		model := &f.Models[i]
		if model.Structure != structure || model.Surface == 0 {
			first += model.Len()
			continue
		}
		out := make([]float32, model.Surface)
		for v := range out {
			out[v] = float32(math.NaN())
		}
		for i, v := range model.Vertices {
			out[v] = f.Values[m][first+i]
		}
		return out
	}
	return nil
}

// extensionCode marks CIFTI's XML.
const extensionCode = 32

// maxNumbers bounds the matrix.
const maxNumbers = 1 << 26

// Read reads a .dscalar.nii.
func Read(r io.Reader) (*File, error) {
	in, err := nifti.NewReader(r)
	if err != nil {
		return nil, err
	}
	f, err := describe(&in.Header)
	if err != nil {
		return nil, err
	}
	maps, n := len(f.Maps), 0
	for i := range f.Models {
		n += f.Models[i].Len()
	}
	if d := in.Header.Dims; len(d) != 6 || d[0]*d[1]*d[2]*d[3] != 1 || d[4] != int64(maps) || d[5] != int64(n) {
		return nil, fault.Inputf("the CIFTI file's matrix is %v, its XML describes 1 x 1 x 1 x 1 x %d maps x %d brainordinates", d, maps, n)
	}
	in.N, in.Count = int64(maps)*int64(n), 1
	all, err := in.All(maxNumbers)
	if err != nil {
		return nil, err
	}
	f.Values = make([][]float32, maps)
	for k := range f.Values {
		f.Values[k] = make([]float32, n)
		for i := range n {
			f.Values[k][i] = all[0][i*maps+k]
		}
	}
	return f, nil
}

// describe reads the XML.
func describe(h *nifti.Header) (*File, error) {
	if h.Version != 2 {
		return nil, fault.Inputf("this is no CIFTI-2 file but NIfTI-%d", h.Version)
	}
	for _, e := range h.Extensions {
		if e.Code == extensionCode {
			return parse(e.Data)
		}
	}
	return nil, fault.Inputf("this is no CIFTI file: it has no extension of code %d", extensionCode)
}
