package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Mapping is everything fitted for one network, subject and seed.
type Mapping struct {
	Info     FitInfo
	Vertices []Vertex  // the subject's mask, in the responses' order
	Selector []float32 // [V, L]: layer selector, a simplex; NaN rows where not fitted; nil if the method has none
	LayerR2  []float32 // [V, L]: R² on test images of a layer fitted by itself; NaN or nil alike
	LayerR   []float32 // [V, L]: its Pearson r
	Share    []float32 // [V, L]: the layer's part of the prediction's variance, sums to 1; NaN or nil alike
	Weights  []Tensor
	Truth    *Truth // of a simulated subject whose generator is this network; else nil
	// Predicted is written where a fit has it; ReadMapping leaves it to ReadPredictions, since few who read a mapping
	// need as many numbers as it has.
	Predicted *Predictions
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
	Cluster       int32    // channel cluster from 1, in vertices.parquet; a fit doesn't group, so that it is missing in mapping.parquet
	Fitted        bool     // false: no data or no variance; place and ROIs stand, all else is missing
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

// Write puts the mapping under the final name dir, whole or not at all. A mapping that is already there is a
// fault: by the law of keys it is the same.
func (m *Mapping) Write(dir string) error {
	if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
		return fault.Inputf("%s exists already", dir).Remedy("delete it to have it made again")
	}
	d, err := durable.OpenDir(dir)
	if err != nil {
		return err
	}
	if err := m.WriteFiles(d.Path); err != nil {
		return err
	}
	return d.Commit()
}

// WriteFiles puts the mapping's files into dir, an unfinished folder of durable's; each is whole, fit.json
// comes last. It panics if the lengths of m's slices disagree.
func (m *Mapping) WriteFiles(dir string) error {
	m.checkShapes()
	if err := m.writeVertices(filepath.Join(dir, MappingName)); err != nil {
		return err
	}
	if err := m.writeShares(filepath.Join(dir, SharesName)); err != nil {
		return err
	}
	if err := m.writeWeights(filepath.Join(dir, WeightsName)); err != nil {
		return err
	}
	if m.Truth != nil {
		if err := m.Truth.Write(filepath.Join(dir, TruthName)); err != nil {
			return err
		}
	}
	if m.Predicted != nil {
		if err := m.writePredictions(filepath.Join(dir, PredictionsName)); err != nil {
			return err
		}
	}
	info := m.Info
	info.Format = Version
	return writeJSON(filepath.Join(dir, FitName), info)
}

func (m *Mapping) checkShapes() {
	want := len(m.Vertices) * len(m.Info.Layers)
	for _, x := range [][]float32{m.Selector, m.Share, m.LayerR2, m.LayerR} {
		if x != nil && len(x) != want {
			panic(fmt.Sprintf("store: mapping of %d vertices and %d layers has %d selectors or shares", len(m.Vertices), len(m.Info.Layers), len(x)))
		}
	}
	for _, t := range m.Weights {
		if int64(len(t.Data)) != volume(t.Shape) {
			panic(fmt.Sprintf("store: %s has %d numbers, its shape is %v", t.Name, len(t.Data), t.Shape))
		}
	}
	if m.Predicted != nil {
		m.checkPredictions()
	}
	if t := m.Truth; t != nil {
		t.checkShapes()
		if len(t.Depth) != len(m.Vertices) {
			panic(fmt.Sprintf("store: truth of %d units for %d vertices", len(t.Depth), len(m.Vertices)))
		}
	}
}

func (m *Mapping) writeVertices(path string) error {
	rows := make([]vertexRow, len(m.Vertices))
	for i := range rows {
		rows[i] = m.Vertices[i].row()
	}
	return writeRows(path, rows, map[string]string{})
}

func (m *Mapping) writeShares(path string) error {
	layers := len(m.Info.Layers)
	rows := make([]shareRow, len(m.Vertices)*layers)
	for i := range rows {
		v := m.Vertices[i/layers]
		rows[i] = shareRow{Hemi: v.Hemi, Vertex: v.Vertex, Layer: int32(i % layers)}
		if m.Selector != nil {
			rows[i].Selector = present(&m.Selector[i])
		}
		if m.Share != nil {
			rows[i].Share = present(&m.Share[i])
		}
		if m.LayerR2 != nil {
			rows[i].R2, rows[i].R = present(&m.LayerR2[i]), present(&m.LayerR[i])
		}
	}
	return writeRows(path, rows, map[string]string{"cortexmap.layers": strconv.Itoa(layers)})
}

func (m *Mapping) writeWeights(path string) error {
	rows := make([]tensorRow, len(m.Weights))
	for i, t := range m.Weights {
		rows[i] = tensorRow{Name: t.Name, Shape: t.Shape, Data: encodeFloats(t.Data)}
	}
	return writeRows(path, rows, map[string]string{"cortexmap.readout": m.Info.Readout})
}

// ReadFitInfo reads what is known of the mapping in dir, without its numbers.
func ReadFitInfo(dir string) (info FitInfo, err error) {
	path := filepath.Join(dir, FitName)
	if err := readJSON(path, &info); err != nil {
		return info, err
	}
	if err := checkFormat(path, info.Format); err != nil {
		return info, err
	}
	if err := checkLayers(path, info.Layers); err != nil {
		return info, err
	}
	for i, s := range info.LayerScores {
		if s.Layer < 0 || s.Layer >= len(info.Layers) {
			return info, damaged(path, "score %d is of layer %d of %d", i, s.Layer, len(info.Layers))
		}
	}
	return info, nil
}

// ReadMapping reads the mapping in dir. A file that is missing, cut, or disagrees with the others is a fault
// naming it.
func ReadMapping(dir string) (*Mapping, error) {
	info, err := ReadFitInfo(dir)
	if err != nil {
		return nil, err
	}
	m := &Mapping{Info: info}
	if err := m.readVertices(filepath.Join(dir, MappingName)); err != nil {
		return nil, err
	}
	if err := m.readShares(filepath.Join(dir, SharesName)); err != nil {
		return nil, err
	}
	if err := m.readWeights(filepath.Join(dir, WeightsName)); err != nil {
		return nil, err
	}
	if path := filepath.Join(dir, TruthName); durable.Exists(path) {
		t, err := ReadTruth(path)
		if err != nil {
			return nil, err
		}
		if len(t.Depth) != len(m.Vertices) {
			return nil, damaged(path, "%d units, the mapping has %d", len(t.Depth), len(m.Vertices))
		}
		m.Truth = t
	}
	return m, nil
}

func (m *Mapping) readVertices(path string) error {
	rows, _, err := readRows[vertexRow](path)
	if err != nil {
		return err
	}
	m.Vertices = make([]Vertex, len(rows))
	for i := range rows {
		m.Vertices[i] = rows[i].vertex()
		if l := int(m.Vertices[i].LayerArgmax); l < -1 || l >= len(m.Info.Layers) {
			return damaged(path, "row %d chooses layer %d of %d", i, l, len(m.Info.Layers))
		}
	}
	return nil
}

// shareRows reads layers.parquet, also one without the columns r2 and r.
func shareRows(path string) ([]shareRow, error) {
	rows, _, err := readRows[shareRow](path)
	if err == nil {
		return rows, nil
	}
	old, _, e := readRows[firstShareRow](path)
	if e != nil {
		return nil, err
	}
	rows = make([]shareRow, len(old))
	for i, r := range old {
		rows[i] = shareRow{Hemi: r.Hemi, Vertex: r.Vertex, Layer: r.Layer, Selector: r.Selector, Share: r.Share}
	}
	return rows, nil
}

func (m *Mapping) readShares(path string) error {
	rows, err := shareRows(path)
	if err != nil {
		return err
	}
	layers := len(m.Info.Layers)
	if len(rows) != len(m.Vertices)*layers {
		return damaged(path, "%d rows, want %d vertices of %d layers", len(rows), len(m.Vertices), layers)
	}
	column := func() []float32 { return make([]float32, len(rows)) }
	selector, share, r2, corr := column(), column(), column(), column()
	anySelector, anyShare, anyScore := false, false, false
	for i, r := range rows {
		if v := m.Vertices[i/layers]; r.Hemi != v.Hemi || r.Vertex != v.Vertex || int(r.Layer) != i%layers {
			return damaged(path, "row %d is of %s %d layer %d, want %s %d layer %d", i, r.Hemi, r.Vertex, r.Layer, v.Hemi, v.Vertex, i%layers)
		}
		selector[i], share[i] = orNaN32(r.Selector), orNaN32(r.Share)
		r2[i], corr[i] = orNaN32(r.R2), orNaN32(r.R)
		anyScore = anyScore || r.R2 != nil
		anySelector, anyShare = anySelector || r.Selector != nil, anyShare || r.Share != nil
	}
	if anySelector {
		m.Selector = selector
	}
	if anyShare {
		m.Share = share
	}
	if anyScore {
		m.LayerR2, m.LayerR = r2, corr
	}
	return nil
}

func (m *Mapping) readWeights(path string) error {
	rows, lookup, err := readRows[tensorRow](path)
	if err != nil {
		return err
	}
	if got := lookup("cortexmap.readout"); got != m.Info.Readout {
		return damaged(path, "its cortexmap.readout is %q, fit.json says %q", got, m.Info.Readout)
	}
	m.Weights = make([]Tensor, len(rows))
	for i, r := range rows {
		if int64(len(r.Data)) != 4*volume(r.Shape) {
			return damaged(path, "%s has %d bytes, its shape is %v", r.Name, len(r.Data), r.Shape)
		}
		m.Weights[i] = Tensor{Name: r.Name, Shape: r.Shape, Data: decodeFloats(r.Data)}
	}
	return nil
}

// volume is the number of elements of a shape, or −1 if there is no such shape in memory.
func volume(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt32*1024/d {
			return -1
		}
		n *= d
	}
	return n
}

func orNaN32(x *float32) float32 {
	if x == nil {
		return float32(math.NaN())
	}
	return *x
}

// encodeFloats is x as float32 little-endian.
func encodeFloats(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// decodeFloats is the inverse of encodeFloats.
func decodeFloats(b []byte) []float32 {
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}
