package fit

import (
	"encoding/hex"
	"fmt"
	"math"

	"cortexmap/internal/store"
)

// leastCeiling is the noise ceiling below which a score divided by it says nothing.
const leastCeiling = 0.05

// mapping is the result without curve and weights.
func (m *model) mapping(val, test *evaluation) *store.Mapping {
	out := &store.Mapping{Info: m.info(m.method()), Vertices: m.places(), Predicted: test.predicted}
	n := len(out.Vertices) * m.L
	out.Selector, out.Share = make([]float32, n), make([]float32, n)
	for i := range n {
		out.Selector[i], out.Share[i] = nan32(), nan32()
	}
	sums := newScoreSums()
	shares := make([]float64, m.L)
	for v, u := range m.units {
		row := &out.Vertices[u]
		row.Fitted = true
		scoreRow(row, &val.tally[v], &test.tally[v])
		m.sel.picks(row, v, m.Subject.StimulusDegrees)
		copy(out.Selector[u*m.L:(u+1)*m.L], m.sel.layer[v*m.L:(v+1)*m.L])
		local, global := test.share(v, shares)
		depth, clipped := expected(shares)
		for l, s := range shares {
			out.Share[u*m.L+l] = float32(s)
		}
		if m.L > 1 {
			row.Depth = float32(depth)
		}
		row.LocalShare = float32(max(0, local) / (max(0, local) + max(0, global)))
		sums.add(row, clipped)
	}
	out.Info.Parameters = m.parameters()
	out.Info.Readout = "sum"
	if m.set.Mean {
		out.Info.Readout = "mean"
	}
	out.Info.Scores = sums.scores(m.sel)
	m.lookAtScores(out)
	out.Info.Warnings = m.warnings
	return out
}

// places are the subject's units with what is known before any fit.
func (p *problem) places() []store.Vertex {
	s := p.Subject
	out := make([]store.Vertex, s.Units)
	for u := range out {
		hemi, vertex := "", int32(u)
		if s.Hemi != nil {
			hemi = s.Hemi[u]
		}
		if s.Vertex != nil {
			vertex = s.Vertex[u]
		}
		out[u] = store.NewVertex(hemi, vertex)
		if s.ROIs != nil {
			out[u].ROIs = s.ROIs[u]
		}
		if s.Positions != nil {
			out[u].X, out[u].Y, out[u].Z = s.Positions[u][0], s.Positions[u][1], s.Positions[u][2]
		}
		if s.Ceiling != nil {
			out[u].Ceiling = s.Ceiling[u]
		}
	}
	return out
}

// scoreRow fills the scores (22) of a unit.
func scoreRow(row *store.Vertex, val, test *tally) {
	r2, r := test.scores()
	row.R2, row.R = float32(r2), float32(r)
	rv, _ := val.scores()
	row.R2Val = float32(rv)
	if row.Ceiling >= leastCeiling {
		row.R2Norm = row.R2 / row.Ceiling
	}
}

// picks fills what the selectors say about unit v; degrees is the width of the picture, NaN where unknown.
func (s *selection) picks(row *store.Vertex, v int, degrees float64) {
	p := s.layer[v*s.L : (v+1)*s.L]
	var at, entropy float64
	best := 0
	for l, x := range p {
		at += float64(l) * float64(x)
		if x > 0 {
			entropy -= float64(x) * math.Log(float64(x))
		}
		if x > p[best] {
			best = l
		}
	}
	row.LayerArgmax, row.LayerExpected = int32(best), float32(at)
	if s.L > 1 {
		row.LayerEntropy = float32(entropy / math.Log(float64(s.L)))
	} else {
		row.LayerEntropy = 0
	}
	row.Scale = s.scale[v]
	if s.held.scale == 1 {
		return // nobody looks anywhere
	}
	row.SpaceX, row.SpaceY = s.space[2*v], s.space[2*v+1]
	if half := degrees / 2; half > 0 {
		x, y := float64(row.SpaceX)*half, -float64(row.SpaceY)*half // y of the image points down
		row.EccDeg = float32(math.Hypot(x, y))
		row.AngleDeg = float32(math.Atan2(y, x) * 180 / math.Pi)
	}
}

// info is what a fit knows about itself.
func (p *problem) info(method string) store.FitInfo {
	s := p.Subject
	info := store.FitInfo{
		Subject: s.Name, SubjectKind: s.Kind, Simulated: s.Simulated, Licence: s.Licence, Attribution: s.Attribution,
		Surface: s.Surface, FeaturesKey: p.Features.Manifest.Key, Model: p.Features.Manifest.Model.Name,
		Network: p.Features.Manifest.Model, Family: p.Features.Manifest.Model.Family,
		Protocol: p.set.Protocol, Method: method, Ablation: p.set.Ablation, Seed: p.seed, Layers: p.Features.Layers, Settings: p.set,
		Images: len(p.Train), Split: store.Split{Train: p.digests(p.Train), Val: p.digests(p.Val), Test: p.digests(p.Test)},
		Seconds: p.report.seconds, Parts: p.report.parts, Waited: p.waited(), Provider: "CPUExecutionProvider", Library: p.e.rt.Version(), Threads: p.e.workers,
	}
	if d := s.StimulusDegrees; d > 0 {
		info.Degrees = &d
	}
	return info
}

func (p *problem) digests(images []int) []string {
	out := make([]string, len(images))
	for k, i := range images {
		d := p.Subject.Images.Stimuli[i].Digest
		out[k] = hex.EncodeToString(d[:])
	}
	return out
}

// lookAtScores warns of what a reader of the scores must know.
func (p *problem) lookAtScores(m *store.Mapping) {
	p.lookAtFlat(m)
	known := 0
	for _, v := range m.Vertices {
		if v.Fitted && v.Ceiling >= leastCeiling {
			known++
		}
	}
	if known == 0 {
		p.warn("no-ceiling", "no noise ceiling is known: r2_norm is empty, and R2 can't be compared between subjects")
	}
}

// scoreSums collects means over fitted units, and the median correlation, leaving out missing ones.
type scoreSums struct {
	sum, n map[string]float64
	r      []float64
}

func newScoreSums() *scoreSums { return &scoreSums{sum: map[string]float64{}, n: map[string]float64{}} }

func (s *scoreSums) one(name string, x float64) {
	if !math.IsNaN(x) {
		s.sum[name] += x
		s.n[name]++
	}
}

func (s *scoreSums) add(row *store.Vertex, clipped float64) {
	s.one("r2_mean", float64(row.R2))
	s.one("r_mean", float64(row.R))
	if row.R == row.R {
		s.r = append(s.r, float64(row.R))
	}
	s.one("r2_val_mean", float64(row.R2Val))
	s.one("r2_norm_mean", float64(row.R2Norm))
	s.one("ceiling_mean", float64(row.Ceiling))
	s.one("depth_mean", float64(row.Depth))
	s.one("local_share_mean", float64(row.LocalShare))
	s.one("layer_entropy_mean", float64(row.LayerEntropy))
	s.one("share_clipped_mean", clipped)
}

func (s *scoreSums) means() store.Scores {
	out := store.Scores{}
	for name, sum := range s.sum {
		out[name] = sum / s.n[name]
	}
	if len(s.r) > 0 {
		out["r_median"] = median(s.r)
	}
	return out
}

// scores are the means, and the part of the vertices that look so far out that tanh is flat there.
func (s *scoreSums) scores(sel *selection) store.Scores {
	out := s.means()
	edge := 0
	for v := range sel.scale {
		if max(abs32(sel.space[2*v]), abs32(sel.space[2*v+1])) > 0.95 {
			edge++
		}
	}
	out["at_edge"] = float64(edge) / float64(len(sel.scale))
	return out
}

func abs32(x float32) float32 { return max(x, -x) }

// weights are the fitted tensors under the names of the store's specification.
func (m *model) weights() []store.Tensor {
	var out []store.Tensor
	add := func(name string, data []float32, shape ...int) {
		out = append(out, store.Tensor{Name: name, Shape: dims64(shape), Data: data})
	}
	for l, d := range m.widths {
		add(fmt.Sprintf("local.%d.weight", l), m.bottleneck.part(m.bottleneck.data, 2*l), m.C, d)
		add(fmt.Sprintf("local.%d.centre", l), m.kc[l], d)
		add(fmt.Sprintf("global.%d.weight", l), m.bottleneck.part(m.bottleneck.data, 2*l+1), m.C, d)
		add(fmt.Sprintf("global.%d.centre", l), m.hc[l], d)
	}
	h := m.sel.held
	if m.sel.joint != nil {
		add("joint.free", m.sel.joint, m.V, m.sel.reads(), m.L)
	} else {
		if m.net == nil || h.centre {
			add("space.free", m.sel.space, m.V, 2)
		}
		if m.net == nil || h.layer >= 0 {
			add("layer.free", m.sel.layer, m.V, m.L)
		}
		if m.net == nil || h.holdsScale() {
			add("scale.free", m.sel.scale, m.V)
		}
	}
	if m.net != nil {
		for i, name := range m.net.params.names {
			if h.holds(name) {
				continue // what is held stands above, a row a vertex
			}
			add(name, m.net.params.part(m.net.params.data, i), m.net.params.shape[i]...)
		}
		add("position.low", m.frame.low[:], 3)
		add("position.range", []float32{m.frame.extent}, 1)
	}
	add("readout.weight", m.w, m.V, m.C)
	add("readout.bias", m.b, m.V)
	return out
}
