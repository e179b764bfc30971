package store

import (
	"math"
)

// Mapping is everything fitted for one network, subject and seed.
type Mapping struct {
	Info     FitInfo
	Vertices []Vertex  // the subject's mask, in the responses' order
	Selector []float32 // [V, L]: layer selector, a simplex; NaN rows where not fitted; nil if the method has none
	Share    []float32 // [V, L]: the layer's part of the prediction's variance, sums to 1; NaN or nil alike
	Weights  []Tensor
	Truth    *Truth // of a simulated subject whose generator is this network; else nil
}

// Vertex is a row of mapping.parquet. NaN is what is missing (null in the file), and -1 a missing
// LayerArgmax or Cluster. Start from NewVertex: the zero value claims zeros.
type Vertex struct {
	Hemi          string   // lh, rh; "" where unknown
	Vertex        int32    // 0-based on its surface; the unit's row where there is none
	ROIs          []string // FAMILY/NAME
	X, Y, Z       float32  // given to the position code, the right sphere shifted, mm
	R2, R         float32  // on test images: 1 − SSE/SST around the test mean; Pearson
	R2Val         float32  // on validation images
	Ceiling       float32  // explainable fraction of the test responses' variance, 0..1
	R2Norm        float32  // R2 / Ceiling; missing where Ceiling is below 0.05 or unknown; never clipped
	LayerArgmax   int32    // of the selector, in layer indices
	LayerExpected float32  // of the selector, in layer indices
	LayerEntropy  float32  // of the selector, 0 sure .. 1 uniform
	Depth         float32  // expected depth under the shares, 0..1
	Scale         float32  // selector: 0 local .. 1 global
	LocalShare    float32  // part of the prediction's variance through local tokens
	SpaceX        float32  // −1..1 from edge to edge of the image, right
	SpaceY        float32  // −1..1, down
	EccDeg        float32  // eccentricity, degrees of visual angle
	AngleDeg      float32  // polar angle, degrees counter-clockwise from right
	Cluster       int32
	Fitted        bool // false: no data or no variance; place and ROIs stand, all else is missing
}

// NewVertex is a vertex about which nothing but its place is known.
func NewVertex(hemi string, vertex int32) Vertex {
	n := float32(math.NaN())
	return Vertex{Hemi: hemi, Vertex: vertex, X: n, Y: n, Z: n, R2: n, R: n, R2Val: n, Ceiling: n, R2Norm: n,
		LayerArgmax: -1, LayerExpected: n, LayerEntropy: n, Depth: n, Scale: n, LocalShare: n,
		SpaceX: n, SpaceY: n, EccDeg: n, AngleDeg: n, Cluster: -1}
}

// Tensor is a named array of fitted weights, row-major. The names are listed in the package comment.
type Tensor struct {
	Name  string
	Shape []int64
	Data  []float32
}

// Tensor finds the weights called name, or nil.
func (m *Mapping) Tensor(name string) *Tensor {
	for i := range m.Weights {
		if m.Weights[i].Name == name {
			return &m.Weights[i]
		}
	}
	return nil
}

// Write puts the mapping under the final name dir, whole or not at all.
func (m *Mapping) Write(dir string) error { panic("store: later") }

// WriteFiles puts the mapping's files into dir, which exists; each is whole, fit.json comes last.
func (m *Mapping) WriteFiles(dir string) error { panic("store: later") }

// ReadMapping reads the mapping in dir.
func ReadMapping(dir string) (*Mapping, error) { panic("store: later") }
