package report

import (
	"context"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/store"
)

// figure is a picture on the page.
type figure struct {
	Number        int
	PNG           template.URL  // a data URI; "" for charts
	SVG           template.HTML // inline; "" for plates
	Alt           string
	Caption       string
	Files         string // where its numbers lie
	Width, Height int
	file          []byte // of PNG, until it is known how much of it the page can hold; nil for charts
}

// runFigures are those of one run.
type runFigures struct {
	Plates    []figure
	LeftOut   int // pictures that are files only, for the page's size
	Alignment *figure
	Layers    *figure
	Curve     *figure
	Sections  []section
}

// chartScale is for the PNG files of charts; the page shows their SVG.
const chartScale = 2

// drawRun draws and writes all figures of a run; stem begins their names.
func drawRun(ctx context.Context, dir, stem string, r Run, style draw.Style) (f runFigures, err error) {
	if f.Plates, err = drawMaps(ctx, dir, stem, r, style); err != nil {
		return f, err
	}
	for _, c := range []struct {
		chart  draw.Chart
		into   **figure
		shown  bool
		number string
	}{
		{alignmentChart(r), &f.Alignment, len(r.Results.Alignment) > 0, "tables/levels.csv and tables/alignment.csv"},
		{layerChart(r), &f.Layers, len(r.Results.Layers) > 0, "tables/layers.csv"},
		{curveChart(r), &f.Curve, len(r.Mapping.Info.Curve) > 1, "fit.json of the mapping"},
	} {
		if !c.shown {
			continue
		}
		if *c.into, err = writeChart(dir, stem, c.chart, c.number); err != nil {
			return f, err
		}
	}
	f.Sections, err = drawSections(dir, stem, sectionsOf(r))
	return f, err
}

func writeChart(dir, stem string, c drawing, numbers string) (*figure, error) {
	p := c.Plot(chartScale)
	if stem != "" {
		p.Name = stem + "_" + p.Name
	}
	if err := p.Write(dir); err != nil {
		return nil, err
	}
	svg, err := p.SVG()
	if err != nil {
		return nil, err
	}
	// our own SVG, its texts escaped by package draw
	return &figure{SVG: template.HTML(svg), Alt: p.Alt, Caption: p.Title, Files: numbers}, nil
}

// fileStem is RUN of the package comment.
func fileStem(m *store.Mapping) string {
	return store.SafeName(fmt.Sprintf("%s_%s_%s-seed%d", m.Info.Model, m.Info.Subject, m.Info.Protocol, m.Info.Seed))
}

// fileStems are those of all runs; where two would be the same, settings differ, and the key says which is which.
func fileStems(runs []Run) []string {
	count := map[string]int{}
	for _, r := range runs {
		count[fileStem(r.Mapping)]++
	}
	out := make([]string, len(runs))
	for i, r := range runs {
		if out[i] = fileStem(r.Mapping); count[out[i]] > 1 {
			out[i] += "-" + store.SafeName(r.Mapping.Info.Key)
		}
	}
	return out
}

// drawMaps draws every map flat (as views where there is no flat surface), and the first one as views too.
func drawMaps(ctx context.Context, dir, stem string, r Run, style draw.Style) ([]figure, error) {
	if r.Geometry == nil || len(r.Results.Maps) == 0 {
		return nil, nil
	}
	o := draw.DefaultOptions()
	o.Network, o.Subject, o.Style, o.Outlines = "network "+r.Mapping.Info.Model, "subject "+r.Mapping.Info.Subject, style, runOutlines(r)
	o.Focus = focus(r.Geometry, r.Mapping)
	views, err := draw.Views(ctx, r.Geometry, o)
	if err != nil {
		return nil, err
	}
	stages := map[*draw.Stage][]*cortex.Map{views: r.Results.Maps[:1]}
	order := []*draw.Stage{views}
	if r.Geometry.Hemis[0].Flat != nil && r.Geometry.Hemis[1].Flat != nil {
		flat, err := draw.Flat(ctx, r.Geometry, o)
		if err != nil {
			return nil, err
		}
		stages[flat] = r.Results.Maps
		order = []*draw.Stage{flat, views}
	} else {
		stages[views] = r.Results.Maps
	}
	var out []figure
	for _, stage := range order {
		for _, m := range stages[stage] {
			f, err := writePlate(ctx, dir, stem, stage, m)
			if err != nil {
				return nil, err
			}
			out = append(out, *f)
		}
	}
	return out, nil
}

func writePlate(ctx context.Context, dir, stem string, stage *draw.Stage, m *cortex.Map) (*figure, error) {
	p, err := stage.Draw(ctx, m)
	if err != nil {
		return nil, err
	}
	p.Name = stem + "_" + p.Name
	png, err := p.PNG()
	if err != nil {
		return nil, err
	}
	svg, err := p.SVG()
	if err != nil {
		return nil, err
	}
	numbers := stem + "_" + m.Name + ".csv"
	for name, data := range map[string][]byte{p.Name + ".png": png, p.Name + ".svg": svg, numbers: draw.Numbers(m)} {
		if err := durable.WriteFile(filepath.Join(dir, name), data); err != nil {
			return nil, err
		}
	}
	return &figure{
		file: png,
		Alt:  p.Alt, Caption: m.Title, Files: "plates/" + numbers,
		Width: int(math.Round(p.Width)), Height: int(math.Round(p.Height)),
	}, nil
}

func dataURI(png []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
}

// focus marks the mapping's vertices, those that a coarser geometry has.
func focus(g *cortex.Geometry, m *store.Mapping) (out [2][]bool) {
	for side, h := range g.Hemis {
		out[side] = make([]bool, h.N())
	}
	for i := range m.Vertices {
		if side := cortex.Side(m.Vertices[i].Hemi); side >= 0 && int(m.Vertices[i].Vertex) < len(out[side]) {
			out[side][m.Vertices[i].Vertex] = true
		}
	}
	return out
}

// alignmentChart is depth against place in the hierarchy: the levels' means with intervals, and the lines.
func alignmentChart(r Run) draw.Chart {
	c := draw.Chart{Name: "alignment", Title: "Depth along the hierarchy " + r.Hierarchy.Name, XLabel: "level of the hierarchy, early to late",
		YLabel: "depth of the layers that predict a level (0 first layer, 1 last)", XHi: 1, YLo: 0, YHi: 1, Simulated: r.Mapping.Info.Simulated,
		Note: "Points: unweighted means of the level's regions with 95 % spatial intervals where the geometry allows them. Lines: least squares over the points (cortexmap definition)."}
	for k, l := range r.Hierarchy.Levels {
		c.XTicks = append(c.XTicks, draw.Tick{At: r.Hierarchy.Place(k), Name: l.Name})
	}
	for _, a := range r.Results.Alignment {
		if a.Over != "rois" {
			continue
		}
		s := draw.Series{Name: quantityName[a.Quantity], Secondary: a.Quantity != "share"}
		for _, p := range a.Points {
			s.X, s.Y = append(s.X, p.X), append(s.Y, p.Depth.Estimate)
			s.Lo, s.Hi = append(s.Lo, p.Depth.Lo), append(s.Hi, p.Depth.Hi)
		}
		if !math.IsNaN(a.B0) {
			s.Line = &[2]float64{a.B0, a.B1}
		}
		c.Series = append(c.Series, s)
		if a.Quantity == "share" {
			c.Alt = fmt.Sprintf("Depth of shares against the level of the hierarchy: slope %s, from %s at the first level to %s at the last. The table has every point.", interval(a.Slope), short(a.B0), short(a.B1))
		}
	}
	return c
}

// quantityName tells people which depth it is.
var quantityName = map[string]string{"share": "shares", "expected": "selector, expected", "argmax": "selector, argmax"}

// layerChart is the score of each single layer.
func layerChart(r Run) draw.Chart {
	info := &r.Mapping.Info
	c := draw.Chart{Name: "layers", Title: "How well each layer alone predicts", XLabel: "layer, first to last", YLabel: "correlation r of predicted and recorded responses, test images (−1..1)",
		XLo: -0.5, XHi: float64(len(info.Layers)) - 0.5, YLo: math.NaN(), YHi: math.NaN(), Simulated: info.Simulated}
	for l, layer := range info.Layers {
		c.XTicks = append(c.XTicks, draw.Tick{At: float64(l), Name: layer.Name})
	}
	for _, name := range []string{"r_median", "r_mean", "r_shuffled_median"} {
		series := draw.Series{Name: scoreName(name), Join: true, Secondary: name != "r_median"}
		for _, s := range r.Results.Layers {
			if s.Score == name {
				series.X, series.Y = append(series.X, float64(s.Layer)), append(series.Y, s.Value)
			}
		}
		if series.X != nil {
			c.Series = append(c.Series, series)
		}
	}
	if best, ok := analyze.Chosen(r.Results.Layers, "r_median"); ok {
		c.Note = fmt.Sprintf("%s is best on the validation images; its median correlation on test images is %s.", best.Name, short(best.Value))
		c.Alt = "Correlation against layer. " + c.Note + " The table has every layer."
	}
	return c
}

// scoreName tells people what a score is.
func scoreName(s string) string {
	names := map[string]string{"r_median": "median r over units", "r_mean": "mean r over units", "r2_mean": "mean R² over units",
		"r_val_median": "median r, validation images", "r_shuffled_median": "median r, shuffled images (control)", "penalty": "ridge penalty"}
	if n, ok := names[s]; ok {
		return n
	}
	return s
}

// curveChart is how R² on validation images rose while the fit saw images.
func curveChart(r Run) draw.Chart {
	c := draw.Chart{Name: "curve", Title: "The fit's progress", XLabel: "training images seen, repeats counted", YLabel: "mean R² on validation images, fraction of variance",
		YLo: math.NaN(), YHi: math.NaN(), Simulated: r.Mapping.Info.Simulated}
	s := draw.Series{Name: "R² on validation images", Join: true}
	for _, p := range r.Mapping.Info.Curve {
		s.X, s.Y = append(s.X, float64(p.Images)), append(s.Y, p.R2Val)
		c.XHi = math.Max(c.XHi, float64(p.Images))
	}
	c.Series = []draw.Series{s}
	last := s.Y[max(0, len(s.Y)-1):]
	if len(last) > 0 {
		c.Alt = fmt.Sprintf("Mean R² on validation images against training images seen: it ends at %s after %s images.", short(last[0]), count(int(c.XHi)))
	}
	return c
}
