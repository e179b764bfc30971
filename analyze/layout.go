package analyze

import (
	"context"
	"fmt"
	"math"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// RegionLayer is what one layer is to one region's fitted vertices.
//
// Of a mapping with selectors: the layer's mean share of the prediction's variance (a region's shares sum to 1 over
// layers), the mean of the raw selector (Yang, Gee and Shi 2024), and the part of the vertices that select this layer
// most: the three distributions of a region over layers. Of a ridge regression a layer: R² and r on test images of that
// layer alone, the classical layer × region matrix (e.g. Schrimpf et al. 2018), beside which the selectors can be read.
type RegionLayer struct {
	ROI       string
	NVertices int
	Layer     int
	Share     Interval // 95 % spatial (Field)
	Selector  float64  // mean, 0..1
	Most      float64  // part of the vertices whose selector is largest here
	R2        Interval // of the layer alone, 95 % spatial
	R         float64  // mean Pearson of the layer alone
}

// RegionLayers is a row a region and layer, regions as in ROIs; nil where a mapping has neither selectors nor scores of
// single layers.
func RegionLayers(ctx context.Context, in Input, field *Field) ([]RegionLayer, error) {
	m, layers := in.Mapping, len(in.Mapping.Info.Layers)
	r2, r := m.LayerR2, m.LayerR
	if m.Selector == nil && r2 == nil || layers == 0 {
		return nil, nil
	}
	names := roiNames(m, in.Hierarchy)
	of := make([][]int, len(names))
	for k, name := range names {
		for i := range m.Vertices {
			if v := &m.Vertices[i]; v.Fitted && In(v, name) {
				of[k] = append(of[k], i)
			}
		}
	}
	out := make([]RegionLayer, len(names)*layers)
	for l := range layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		share, selector := columnOf(m.Share, len(m.Vertices), layers, l), columnOf(m.Selector, len(m.Vertices), layers, l)
		alone, alike := columnOf(r2, len(m.Vertices), layers, l), columnOf(r, len(m.Vertices), layers, l)
		for k, at := range of {
			x := RegionLayer{ROI: names[k], NVertices: len(at), Layer: l, Selector: nan, Most: nan, R: nan}
			x.Share, x.R2 = field.mean(fmt.Sprintf("share of layer %d", l), share, at), field.mean(fmt.Sprintf("R² of layer %d", l), alone, at)
			x.Selector, x.R = meanAt(selector, at), meanAt(alike, at)
			x.Most = mostAt(m, at, l)
			out[k*layers+l] = x
		}
	}
	return out, nil
}

func columnOf(x []float32, n, width, at int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = nan
		if len(x) > 0 {
			out[i] = float64(x[i*width+at])
		}
	}
	return out
}

func meanAt(x []float64, at []int) float64 {
	known, _ := pick(x, at)
	return stats.Mean(known)
}

// mostAt is the part of the vertices whose largest selector is that of a layer.
func mostAt(m *store.Mapping, at []int, layer int) float64 {
	n, known := 0.0, 0.0
	for _, i := range at {
		if l := m.Vertices[i].LayerArgmax; l >= 0 {
			known++
			if int(l) == layer {
				n++
			}
		}
	}
	return n / known // 0/0 is NaN
}

// RegionLayerTable is roi_layers.csv.
func RegionLayerTable(m *store.Mapping, rows []RegionLayer) *Table {
	t := &Table{Name: "roi_layers", Title: "Layers of each region", Note: "share, selector and most are distributions over layers of a mapping with selectors; r2 and r are of each layer alone (ridge). Bounds are 95 % spatial intervals, symmetric about the mean: where a region hardly uses a layer, share_lo can lie a little below 0 (share_hi above 1), which says that the share is not told from 0 (from 1).", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"method", "of the mapping"}, {"roi", "region, FAMILY/NAME"}, {"n_vertices", "fitted units in it"},
		{"layer", "0-based index"}, {"name", "of the layer"}, {"depth", "0 first … 1 last"},
		{"share", "mean share of the prediction's variance, sums to 1 over layers"}, {"share_lo", "95 % spatial, symmetric: below 0 means not told from 0"}, {"share_hi", "95 % spatial, symmetric: above 1 means not told from 1"}, {"selector", "mean selector, sums to 1 over layers"}, {"most", "part of the units that choose this layer most"},
		{"r2", "mean R² on test images of this layer alone"}, {"r2_lo", "95 % spatial"}, {"r2_hi", "95 % spatial"}, {"r", "mean r on test images of this layer alone"}, {"reason", "of what is missing"}, simulatedColumn,
	}}
	last := float64(len(m.Info.Layers) - 1)
	for _, x := range rows {
		depth, reason := nan, ""
		if last > 0 {
			depth = float64(x.Layer) / last
		}
		if x.NVertices == 0 {
			reason = "no fitted units in the region"
		}
		most := x.Most
		if m.Selector == nil {
			most = nan
		}
		t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, m.Info.Method, x.ROI, x.NVertices, x.Layer, m.Info.Layers[x.Layer].Name, depth,
			x.Share.Estimate, x.Share.Lo, x.Share.Hi, x.Selector, most, x.R2.Estimate, x.R2.Lo, x.R2.Hi, x.R, reason, m.Info.Simulated)
	}
	return t
}

// MatrixRow is a row of a layer × region figure.
type MatrixRow struct {
	ROI    string
	Values []float64 // [L]
	Best   int       // layer of the largest value, −1 without numbers
}

// Matrix takes one number of every region and layer, regions without any left out.
func Matrix(rows []RegionLayer, layers int, get func(RegionLayer) float64) []MatrixRow {
	var out []MatrixRow
	for k := 0; k+layers <= len(rows); k += layers {
		r := MatrixRow{ROI: rows[k].ROI, Best: -1}
		for l := range layers {
			x := get(rows[k+l])
			r.Values = append(r.Values, x)
			if !math.IsNaN(x) && (r.Best < 0 || x > r.Values[r.Best]) {
				r.Best = l
			}
		}
		if r.Best >= 0 {
			out = append(out, r)
		}
	}
	return out
}
