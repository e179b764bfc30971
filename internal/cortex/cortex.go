// Package cortex holds the cortical surface: meshes, what can be measured on them, and maps on them.
//
// # Hemispheres, vertices, meshes
//
// A hemisphere is a closed mesh of N vertices that exists in several shapes (white, pial, inflated,
// sphere, flat). All of its shapes share the numbering: vertex i of the sphere is vertex i of the white
// surface, and value i of every map. Hemispheres come in the order lh, rh, always. Coordinates are
// millimetres in surface RAS: x to the right, y to the front, z up. Triangles are counter-clockwise seen
// from outside. fsaverage5, 6 and 7 have 10,242, 40,962 and 163,842 vertices and are nested: vertex i of
// the coarse one is vertex i of the finer ones.
//
// # The flat map
//
// A flat map is the hemisphere cut open and laid into the plane. Its triangles are fewer than the closed
// mesh's, and vertices that no triangle names are not on it: they may keep meaningless coordinates. Flat
// surfaces are therefore drawn and bounded from their own triangles only; LoadDemo sets the other points
// to NaN so that nobody takes them by mistake.
//
// # Distances
//
// Distances along the cortex are lengths of the shortest path along edges (Dijkstra). Such a path is
// longer than the true geodesic: by 2/sqrt(3) = 1.155 at worst on equilateral triangles, and, measured on
// fsaverage5's sphere up to 60 mm against great circles, by 8.5 % on average, 21 % for one pair in a
// hundred, 24 % at most.
package cortex

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Surface is one shape of a hemisphere (or a flat part of it).
type Surface struct {
	Points [][3]float32 // [N] mm; NaN where the surface has no such vertex (flat maps)
	Faces  [][3]int32   // [M] vertex numbers, counter-clockwise seen from outside
}

// Hemisphere is one half of a cortex in the shapes that are known; an unknown one is nil.
type Hemisphere struct {
	Name                                string // lh or rh
	White, Pial, Inflated, Sphere, Flat *Surface
	Curv, Sulc                          []float32 // [N]; positive in a sulcus; nil if unknown
}

// Geometry is a cortex: the left and the right hemisphere, in this order.
type Geometry struct {
	Name  string // fsaverage5, …; what Subject.Surface refers to
	Hemis [2]*Hemisphere
}

// Sides are the hemispheres' names in the order that is used everywhere.
var Sides = [2]string{"lh", "rh"}

// Digest is the SHA-256 of all shapes and values, "" for a nil geometry: what pictures and distances depend on.
func (g *Geometry) Digest() string {
	if g == nil {
		return ""
	}
	d := sha256.New()
	for _, h := range g.Hemis {
		for _, s := range []*Surface{h.White, h.Pial, h.Inflated, h.Sphere, h.Flat} {
			if s == nil {
				s = &Surface{}
			}
			for _, part := range []any{int64(len(s.Points)), s.Points, int64(len(s.Faces)), s.Faces} {
				binary.Write(d, binary.LittleEndian, part) // a hash takes everything
			}
		}
		for _, x := range [][]float32{h.Curv, h.Sulc} {
			binary.Write(d, binary.LittleEndian, int64(len(x)))
			binary.Write(d, binary.LittleEndian, x)
		}
	}
	return hex.EncodeToString(d.Sum(nil))
}

// N is the number of vertices of the closed mesh: of the first shape that is there.
func (h *Hemisphere) N() int {
	for _, s := range []*Surface{h.White, h.Sphere, h.Pial, h.Inflated, h.Flat} {
		if s != nil {
			return len(s.Points)
		}
	}
	return len(h.Curv)
}

// Shape is what a hemisphere looks like: inflated, else white, pial or the sphere, whatever is there first; nil for one
// without vertices.
func (h *Hemisphere) Shape() *Surface {
	for _, s := range []*Surface{h.Inflated, h.White, h.Pial, h.Sphere} {
		if s != nil {
			return s
		}
	}
	return nil
}

// Hemi is the hemisphere with the name lh or rh, nil for another name.
func (g *Geometry) Hemi(name string) *Hemisphere {
	for i, side := range Sides {
		if side == name {
			return g.Hemis[i]
		}
	}
	return nil
}

// Rule says how the values of a map become colours; analyze/draw knows how each one looks.
type Rule = string

// The colour rules. Layer and Space use a second value a vertex: Certainty and Second.
const (
	RuleLayer      Rule = "layer"      // depth along the network, darker where uncertain
	RuleSpace      Rule = "space"      // x and y of an image point on a two-dimensional stamp
	RuleScale      Rule = "scale"      // local to global, 0..1
	RuleR2         Rule = "r2"         // share of variance; negative values are grey
	RuleSequential Rule = "sequential" // from less to more
	RuleDiverging  Rule = "diverging"  // around zero
	RuleCategories Rule = "categories" // whole numbers, indices into Categories
)

// Map is one number a vertex with everything a reader of its picture must know.
type Map struct {
	Name, Title string // Name for files (lower snake), Title for people
	Unit        string // "layer", "mm", "fraction of variance"; "" for a plain number
	Lo, Hi      float64
	Rule        Rule
	Values      [2][]float64 // lh, rh over the full surface [N]; NaN is no data
	Second      [2][]float64 // space: y; else nil
	Certainty   [2][]float64 // layer: certainty 0..1; else nil
	Categories  []string     // categories: names of 0, 1, …
	Note        string       // what else belongs under the picture
	Simulated   bool
}

// NewMap is a map of a geometry with no data anywhere.
func NewMap(g *Geometry, name string, rule Rule) *Map {
	m := &Map{Name: name, Title: name, Rule: rule}
	for i, h := range g.Hemis {
		m.Values[i] = NoData(h.N())
	}
	return m
}

// NoData is n times NaN.
func NoData(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}

// Side is the index of a hemisphere's name in Sides, -1 for another name.
func Side(name string) int {
	for i, side := range Sides {
		if side == name {
			return i
		}
	}
	return -1
}
