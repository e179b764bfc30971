package analyze

import (
	"context"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// ROI is what one region's fitted vertices have on average. Means are over the vertices that have the
// number; bounds are 95 % spatial intervals (see Field), NaN where there is no surface.
type ROI struct {
	Name      string // as the vertices write it: FAMILY/NAME
	NVertices int    // fitted ones
	Of        int    // all that lie in it
	Means     []stats.Interval
}

// roiMean is one column triple of rois.csv.
type roiMean struct {
	name, doc string
	get       func(*store.Vertex) float64
}

// roiMeans are the means of an ROI, in the order of ROI.Means and of rois.csv.
var roiMeans = []roiMean{
	{"r2_mean", "mean R² on test images, fraction of variance", func(v *store.Vertex) float64 { return float64(v.R2) }},
	{"r2_norm_mean", "mean of R² / noise ceiling, never clipped", normalised},
	{"ceiling_mean", "mean noise ceiling, fraction of variance", func(v *store.Vertex) float64 { return float64(v.Ceiling) }},
	{"depth_mean", "mean depth of the shares, 0 first layer … 1 last", func(v *store.Vertex) float64 { return float64(v.Depth) }},
	{"layer_expected_mean", "mean expected layer of the selector, in layer indices", func(v *store.Vertex) float64 { return float64(v.LayerExpected) }},
	{"local_share_mean", "mean share of local tokens, fraction of the prediction's variance", func(v *store.Vertex) float64 { return float64(v.LocalShare) }},
	{"space_x_mean", "mean x of the image point, −1 left edge … 1 right edge", func(v *store.Vertex) float64 { return float64(v.SpaceX) }},
	{"space_y_mean", "mean y of the image point, −1 top edge … 1 bottom edge", func(v *store.Vertex) float64 { return float64(v.SpaceY) }},
	{"ecc_mean", "mean eccentricity, degrees of visual angle", func(v *store.Vertex) float64 { return float64(v.EccDeg) }},
}

// Mean is the interval of one column, by its name; a name that is none is a bug.
func (r *ROI) Mean(column string) stats.Interval {
	for k, c := range roiMeans {
		if c.name == column {
			return r.Means[k]
		}
	}
	panic("analyze: rois.csv has no column " + column)
}

// ROIs averages over each region: those of the hierarchy first, in its order (a region of it without
// vertices has a row too), then the others by name.
func ROIs(ctx context.Context, in Input, field *Field) ([]ROI, error) {
	m := in.Mapping
	columns := make([][]float64, len(roiMeans))
	for k, c := range roiMeans {
		columns[k] = values(m, c.get)
	}
	var out []ROI
	for _, name := range roiNames(m, in.Hierarchy) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r := ROI{Name: name, Means: make([]stats.Interval, len(roiMeans))}
		var at []int
		for i := range m.Vertices {
			if In(&m.Vertices[i], name) {
				r.Of++
				if m.Vertices[i].Fitted {
					at = append(at, i)
				}
			}
		}
		r.NVertices = len(at)
		for k, y := range columns {
			r.Means[k] = field.mean(roiMeans[k].name, y, at)
		}
		out = append(out, r)
	}
	return out, nil
}

// roiNames orders the regions: as the subject has them, where it says so (a region without fitted vertices has
// a row too), then those of the hierarchy, then by name.
func roiNames(m *store.Mapping, h Hierarchy) []string {
	seen := map[string]bool{}
	for i := range m.Vertices {
		for _, roi := range m.Vertices[i].ROIs {
			seen[roi] = true
		}
	}
	var out []string
	for _, r := range m.Info.Regions {
		out = append(out, r.Name)
		delete(seen, r.Name)
	}
	for _, roi := range h.ROIs() {
		found := slices.ContainsFunc(out, func(full string) bool { return named(full, roi) })
		for _, full := range sorted(seen) {
			if named(full, roi) {
				found = true
				out = append(out, full)
				delete(seen, full)
			}
		}
		if !found && !slices.Contains(out, roi) {
			out = append(out, roi)
		}
	}
	return append(out, sorted(seen)...)
}

func sorted(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// ROITable is rois.csv.
func ROITable(m *store.Mapping, rois []ROI) *Table {
	t := &Table{Name: "rois", Title: "Regions", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"roi", "region, FAMILY/NAME"}, {"n_vertices", "fitted units in it"},
		{"n_outside", "vertices that its label file names and the subject has no units at"}, {"combined_from", "the regions that it is put together from"}, {"source", "where it comes from"},
	}}
	for _, c := range roiMeans {
		t.Columns = append(t.Columns, Column{c.name, c.doc})
	}
	for _, c := range roiMeans {
		t.Columns = append(t.Columns, Column{c.name + "_lo", "95 % spatial interval"}, Column{c.name + "_hi", "95 % spatial interval"})
	}
	t.Columns = append(t.Columns, simulatedColumn)
	for _, r := range rois {
		row := []any{m.Info.Model, m.Info.Subject, m.Info.Seed, r.Name, r.NVertices}
		row = append(row, originOf(m, r.Name)...)
		for _, x := range r.Means {
			row = append(row, x.Estimate)
		}
		for _, x := range r.Means {
			row = append(row, x.Lo, x.Hi)
		}
		t.Add(append(row, m.Info.Simulated)...)
	}
	return t
}

// simulatedColumn ends every table: numbers from simulated responses say so wherever they go.
var simulatedColumn = Column{"simulated", "the responses are simulated"}

// nan is a missing number.
var nan = math.NaN()

// originOf are the columns that say where a region comes from; empty where nobody said.
func originOf(m *store.Mapping, roi string) []any {
	for _, r := range m.Info.Regions {
		if r.Name == roi {
			return []any{float64(r.Outside), strings.Join(r.Parts, " "), r.Source}
		}
	}
	return []any{math.NaN(), "", ""}
}
