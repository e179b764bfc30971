package analyze

import (
	"context"
	"fmt"
	"math"
	"strings"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Alignment is the line that relates a place in the hierarchy to the depth that is read there: the
// "cortexmap definition" (paper.md 2.1), never the publication's own, which is not known.
//
//	x_k    = k / (K−1), k = 0..K−1 over the hierarchy's levels
//	y_k    = unweighted mean, over the level's ROIs, of the mean depth of their fitted vertices
//	slope  = b1 − b0 of the least-squares line of y on x; b0 and b1 are its values at x = 0 and 1
//	r      = Pearson's correlation over the same points (r² is the line's fit), tau Kendall's
//
// Over "rois" the points are the levels, over "vertices" every fitted vertex of every level at its level's
// x. An ideal network has b0 = 0, b1 = 1. Levels without fitted vertices are left out and keep their place.
// With one level nothing is defined; with two the slope is, but r and tau say nothing and stay empty.
type Alignment struct {
	Quantity string // share, expected, argmax: which depth
	Over     string // rois, vertices
	Points   []LevelPoint
	Missing  []string       // names of levels without fitted vertices
	Slope    stats.Interval // 95 %, spatial
	B0, B1   float64
	R, Tau   float64
	Reasons  []string // why something is empty
}

// LevelPoint is one level with fitted vertices.
type LevelPoint struct {
	Name      string
	K         int     // its place, 0-based
	X         float64 // k/(K−1)
	NVertices int
	Depth     stats.Interval // mean with its 95 % spatial interval
}

// Quantities are the depths in the order of the tables.
var Quantities = []string{"share", "expected", "argmax"}

// Align computes the six alignments of a mapping: three quantities, over ROI means and over vertices.
func Align(ctx context.Context, in Input, field *Field) ([]Alignment, error) {
	var out []Alignment
	for _, q := range Quantities {
		y := depths(in.Mapping, q)
		for _, over := range []string{"rois", "vertices"} {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			out = append(out, align(in, field, q, over, y))
		}
	}
	return out, nil
}

// unordered are the alignments of a subject without a hierarchy of regions: nothing, and why, so that the tables of a
// sweep have a row for every mapping.
func unordered() (out []Alignment) {
	for _, q := range Quantities {
		for _, over := range []string{"rois", "vertices"} {
			out = append(out, undefined(q, over, "no order of regions is known (analyze.hierarchy)"))
		}
	}
	return out
}

// undefined is an alignment without numbers.
func undefined(quantity, over string, reasons ...string) Alignment {
	return Alignment{Quantity: quantity, Over: over, B0: nan, B1: nan, R: nan, Tau: nan, Slope: bare(nan), Reasons: reasons}
}

// align fits one line. The slope is a weighted sum of the vertices' depths, and its interval follows from
// the weights.
func align(in Input, field *Field, quantity, over string, y []float64) Alignment {
	a := undefined(quantity, over)
	if len(in.Mapping.Info.Layers) < 2 {
		a.Reasons = append(a.Reasons, "a network of one layer has no depth")
		return a
	}
	levels := weightLevels(in.Mapping, in.Hierarchy, y)
	var pts points
	for k, l := range in.Hierarchy.Levels {
		w := levels[k]
		if len(w) == 0 {
			a.Missing = append(a.Missing, l.Name)
			continue
		}
		x := in.Hierarchy.Place(k)
		p := LevelPoint{Name: l.Name, K: k, X: x, NVertices: len(w), Depth: field.interval(quantity, y, w)}
		a.Points = append(a.Points, p)
		if over == "rois" {
			pts.add(x, p.Depth.Estimate, w)
			continue
		}
		for _, v := range w {
			pts.add(x, y[v.at], []weight{{v.at, 1}})
		}
	}
	a.fit(pts, len(a.Points), field, quantity, y)
	return a
}

// points are what the line is fitted to; each y is a weighted sum of vertices.
type points struct {
	x, y []float64
	w    [][]weight
}

func (p *points) add(x, y float64, w []weight) {
	p.x, p.y, p.w = append(p.x, x), append(p.y, y), append(p.w, w)
}

// fit is the least-squares line: slope = Σ c_k y_k with c_k = (x_k − x̄)/Σ(x − x̄)².
func (a *Alignment) fit(p points, levels int, field *Field, quantity string, y []float64) {
	if levels < 2 {
		a.Reasons = append(a.Reasons, fmt.Sprintf("%d of the levels has fitted vertices, a line needs two", levels))
		return
	}
	line := stats.FitLine(p.x, p.y)
	a.B0, a.B1 = line.At(0), line.At(1)
	mean, ss := stats.Mean(p.x), 0.0
	for _, x := range p.x {
		ss += (x - mean) * (x - mean)
	}
	var w []weight
	for k, x := range p.x {
		for _, v := range p.w[k] {
			w = append(w, weight{v.at, v.w * (x - mean) / ss})
		}
	}
	a.Slope = field.interval(quantity, y, merge(w))
	if levels < 3 {
		a.Reasons = append(a.Reasons, "two levels always lie on a line: r and tau say nothing")
		return
	}
	a.R, a.Tau = line.R, stats.Kendall(p.x, p.y)
}

// weight is a vertex's part in a weighted sum.
type weight struct {
	at int
	w  float64
}

// merge adds the weights of vertices that stand twice, keeping the order of first appearance.
func merge(w []weight) []weight {
	place := map[int]int{}
	var out []weight
	for _, v := range w {
		if k, ok := place[v.at]; ok {
			out[k].w += v.w
			continue
		}
		place[v.at] = len(out)
		out = append(out, v)
	}
	return out
}

// weightLevels gives, for each level, the weights with which vertices enter its mean: 1/(R n_r) for each of
// the n_r vertices that have a depth in region r of the R regions that have any.
func weightLevels(m *store.Mapping, h Hierarchy, y []float64) [][]weight {
	out := make([][]weight, len(h.Levels))
	for k, l := range h.Levels {
		var regions [][]int
		for _, roi := range l.ROIs {
			var at []int
			for i := range m.Vertices {
				if !math.IsNaN(y[i]) && In(&m.Vertices[i], roi) {
					at = append(at, i)
				}
			}
			if len(at) > 0 {
				regions = append(regions, at)
			}
		}
		for _, at := range regions {
			for _, i := range at {
				out[k] = append(out[k], weight{i, 1 / float64(len(regions)*len(at))})
			}
		}
		out[k] = merge(out[k])
	}
	return out
}

// AlignROIs is the line over ROI means that are already there, for published tables: mean gives a region's
// depth 0..1, NaN where it is unknown.
func AlignROIs(h Hierarchy, mean func(roi string) float64) stats.Line {
	var x, y []float64
	for k, l := range h.Levels {
		depth := make([]float64, len(l.ROIs))
		for i, roi := range l.ROIs {
			depth[i] = mean(roi)
		}
		if d := stats.Mean(depth); !math.IsNaN(d) {
			x, y = append(x, h.Place(k)), append(y, d)
		}
	}
	return stats.FitLine(x, y)
}

// AlignmentTable is alignment.csv.
func AlignmentTable(in Input, all []Alignment) *Table {
	t := &Table{Name: "alignment", Title: "Hierarchy alignment", Note: "Cortexmap definition: the line of depth on place in the hierarchy, b0 and b1 its ends; not cited as the publication's own.", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"hierarchy", "ordered levels"},
		{"quantity", "which depth: of shares, expected under the selector, its argmax"}, {"over", "points of the line"},
		{"n_rois", "levels used"}, {"slope", "b1 − b0, depth 0..1"}, {"slope_lo", "95 % spatial interval"}, {"slope_hi", "95 % spatial interval"},
		{"b0", "line at the first level, depth 0..1"}, {"b1", "line at the last level, depth 0..1"}, {"r", "Pearson, −1..1"}, {"tau", "Kendall, −1..1"},
		{"r2_mean", "mean R² on test images, all fitted units"}, {"r2_norm_mean", "mean R² / noise ceiling"},
		{"params", "of the network"}, {"family", ""}, {"warnings", ""}, simulatedColumn,
	}}
	m := in.Mapping
	sum := Summarise(m)
	for _, a := range all {
		t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, in.Hierarchy.Name, a.Quantity, a.Over, len(a.Points),
			a.Slope.Estimate, a.Slope.Lo, a.Slope.Hi, a.B0, a.B1, a.R, a.Tau, sum.R2, sum.R2Norm, m.Info.Network.Parameters, m.Info.Family,
			a.warnings(m.Info.Simulated), m.Info.Simulated)
	}
	return t
}

// warnings are the cell of that name.
func (a *Alignment) warnings(simulated bool) string {
	var w []string
	if simulated {
		w = append(w, "simulated")
	}
	if len(a.Missing) > 0 {
		w = append(w, "no fitted vertices: "+list(a.Missing))
	}
	return strings.Join(append(w, a.Reasons...), "; ")
}

// LevelTable is levels.csv: the points of the alignment's figure.
func LevelTable(in Input, all []Alignment) *Table {
	t := &Table{Name: "levels", Title: "Levels of the hierarchy", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"hierarchy", "ordered levels"},
		{"level", ""}, {"rois", "regions of the level"}, {"x", "place in the hierarchy, 0..1"}, {"n_vertices", "fitted units"}, {"quantity", "which depth"},
		{"depth_mean", "0 first layer … 1 last"}, {"depth_lo", "95 % spatial interval"}, {"depth_hi", "95 % spatial interval"}, simulatedColumn,
	}}
	m := in.Mapping
	for _, a := range all {
		if a.Over != "rois" {
			continue
		}
		for _, p := range a.Points {
			t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, in.Hierarchy.Name, p.Name, strings.Join(in.Hierarchy.Levels[p.K].ROIs, " "),
				p.X, p.NVertices, a.Quantity, p.Depth.Estimate, p.Depth.Lo, p.Depth.Hi, m.Info.Simulated)
		}
	}
	return t
}

// list writes "a", "a and b", "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
