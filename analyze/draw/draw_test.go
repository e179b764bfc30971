package draw

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"cortexmap/internal/cortex"
)

// demo is fsaverage5 as it is embedded.
func demo(t testing.TB) *cortex.Geometry {
	t.Helper()
	g, err := cortex.LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// small options: one sample a pixel, so that every pixel has one colour.
func small() Options {
	return Options{Network: "net", Subject: "s1", Width: 760, Scale: 1, Samples: 1, Labels: true}
}

// everywhere is a map whose value at a vertex follows from its white and inflated position.
func everywhere(g *cortex.Geometry, rule cortex.Rule, value func(white, inflated [3]float32) float64) *cortex.Map {
	m := cortex.NewMap(g, "test", rule)
	m.Title, m.Unit, m.Lo, m.Hi = "A map of something", "mm", -110, 110
	for i, h := range g.Hemis {
		for v := range h.N() {
			m.Values[i][v] = value(h.White.Points[v], h.Inflated.Points[v])
		}
	}
	return m
}

func anterior(white, _ [3]float32) float64 { return float64(white[1]) }

// pictures are the stage's panels, painted with a map.
func pictures(t *testing.T, s *Stage, m *cortex.Map) []*image.RGBA {
	t.Helper()
	out, err := s.pictures(t.Context(), newPainter(m, s.o.Style))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func stages(t *testing.T, g *cortex.Geometry, o Options) (flat, views *Stage) {
	t.Helper()
	flat, err := Flat(t.Context(), g, o)
	if err != nil {
		t.Fatal(err)
	}
	views, err = Views(t.Context(), g, o)
	if err != nil {
		t.Fatal(err)
	}
	return flat, views
}

// TestColoursAreTheBars: without shading, every pixel of a continuous map has a colour of its colour bar.
func TestColoursAreTheBars(t *testing.T) {
	g := demo(t)
	flat, _ := stages(t, g, small())
	for _, style := range []Style{Accessible, Paper} {
		flat.o.Style = style
		m := everywhere(g, cortex.RuleSequential, anterior)
		bar := map[color.RGBA]bool{white.RGBA(): true}
		for _, c := range newPainter(m, style).ramp {
			bar[c.RGBA()] = true
		}
		for _, img := range pictures(t, flat, m) {
			eachPixel(img, func(x, y int, c color.RGBA) {
				if !bar[c] {
					t.Fatalf("pixel %d,%d has %v, which the bar has not", x, y, c)
				}
			})
		}
	}
}

func eachPixel(img *image.RGBA, do func(x, y int, c color.RGBA)) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			do(x, y, img.RGBAAt(x, y))
		}
	}
}

// TestVertexColour: where a vertex is seen, its pixel has about its colour.
func TestVertexColour(t *testing.T) {
	g := demo(t)
	_, views := stages(t, g, small())
	m := everywhere(g, cortex.RuleSequential, func(_, inflated [3]float32) float64 { return float64(inflated[1]) })
	paint := newPainter(m, Accessible)
	seen := 0
	for _, p := range views.panels {
		points := project(p.surface.Points, p.camera, p.centre, p.mm, p.frame.w, p.frame.h)
		for i, q := range points {
			if !p.frame.seen(q, 0.3) || !p.visible(points, 0.3)[i] {
				continue
			}
			s := int(q[1])*p.frame.w + int(q[0])
			if p.frame.tri[s] < 0 {
				continue // at the silhouette the pixel's middle may miss the surface
			}
			got, _ := paint.at(p.side, p.surface.Faces[p.frame.tri[s]], p.frame.weights(s))
			want := paint.value(m.Values[p.side][i])
			seen++
			// the sample is up to 0.7 pixels from the vertex, and this camera shows 1.6 mm in one: a few rows of 256
			if d := math.Abs(got[0]-want[0]) + math.Abs(got[1]-want[1]) + math.Abs(got[2]-want[2]); d > 0.15 {
				t.Fatalf("%s %s vertex %d: colour %v, want %v", cortex.Sides[p.side], p.name, i, got, want)
			}
			if seen > 400*(p.side+1) {
				break
			}
		}
	}
	if seen < 300 {
		t.Errorf("only %d vertices were seen", seen)
	}
}

// side compares the mean brightness of two halves of a picture; positive: the second half is brighter.
func sideways(img *image.RGBA, vertical bool) float64 {
	var sum, n [2]float64
	b := img.Bounds()
	eachPixel(img, func(x, y int, c color.RGBA) {
		if c == white.RGBA() {
			return
		}
		k := 2 * x / b.Dx()
		if vertical {
			k = 2 * y / b.Dy()
		}
		sum[k] += float64(c.R) + float64(c.G) + float64(c.B)
		n[k]++
	})
	return sum[1]/n[1] - sum[0]/n[0]
}

// TestOrientation: brains stand upright, and front and back are where the package comment says.
func TestOrientation(t *testing.T) {
	g := demo(t)
	flat, views := stages(t, g, small())
	front := pictures(t, views, everywhere(g, cortex.RuleSequential, func(_, p [3]float32) float64 { return float64(p[1]) }))
	up := pictures(t, views, everywhere(g, cortex.RuleSequential, func(_, p [3]float32) float64 { return float64(p[2]) }))
	for k, p := range views.panels {
		frontIsLeft := (p.side == 0) == (p.name == "lateral" || p.name == "ventral")
		if p.name != "posterior" && (sideways(front[k], false) < 0) != frontIsLeft {
			t.Errorf("%s %s: the front is on the wrong side", cortex.Sides[p.side], p.name)
		}
		if p.name != "ventral" && sideways(up[k], true) > 0 {
			t.Errorf("%s %s is upside down", cortex.Sides[p.side], p.name)
		}
	}
	front = pictures(t, flat, everywhere(g, cortex.RuleSequential, anterior))
	up = pictures(t, flat, everywhere(g, cortex.RuleSequential, func(p, _ [3]float32) float64 { return float64(p[2]) }))
	for k, p := range flat.panels {
		if (sideways(front[k], false) < 0) != (p.side == 0) {
			t.Errorf("flat %s: the occipital pole is not in the middle", cortex.Sides[p.side])
		}
		if sideways(up[k], true) > 0 {
			t.Errorf("flat %s is upside down", cortex.Sides[p.side])
		}
	}
	if flat.panels[0].side != 0 || flat.panels[0].x >= flat.panels[1].x {
		t.Error("the left hemisphere is not on the left")
	}
}

// TestFlatTriangles: a flat map shows nothing but the flat surface's own triangles, and all of them.
func TestFlatTriangles(t *testing.T) {
	g := demo(t)
	flat, _ := stages(t, g, small())
	for _, p := range flat.panels {
		area, pixels := 0.0, 0.0
		points := project(p.surface.Points, p.camera, p.centre, p.mm, p.frame.w, p.frame.h)
		for _, f := range p.surface.Faces {
			a, b, c := points[f[0]], points[f[1]], points[f[2]]
			area += math.Abs((b[0]-a[0])*(c[1]-a[1])-(b[1]-a[1])*(c[0]-a[0])) / 2
		}
		for _, n := range p.frame.tri {
			if n >= 0 {
				pixels++
			}
		}
		if math.Abs(pixels/area-1) > 0.01 { // the rim is some 1,000 pixels of 100,000
			t.Errorf("%s: %v pixels are drawn, the triangles cover %v", cortex.Sides[p.side], pixels, area)
		}
	}
}

// TestNoData: NaN shows the underlay, which is grey, and never another colour.
func TestNoData(t *testing.T) {
	g := demo(t)
	flat, views := stages(t, g, small())
	m := cortex.NewMap(g, "empty", cortex.RuleSequential)
	for _, s := range []*Stage{flat, views} {
		for _, img := range pictures(t, s, m) {
			eachPixel(img, func(x, y int, c color.RGBA) {
				if c.R != c.G || c.G != c.B || c.R == 0 {
					t.Fatalf("pixel %d,%d without data has %v", x, y, c)
				}
			})
		}
	}
	for i := range m.Values {
		m.Values[i][7] = 0.5
	}
	if _, err := flat.Draw(t.Context(), m); err != nil { // one vertex, and a range of no width
		t.Error(err)
	}
}

// everyRule gives a map for each colour rule, with what could break a legend: long words, many categories,
// values outside the range.
func everyRule(g *cortex.Geometry) []*cortex.Map {
	var out []*cortex.Map
	for _, rule := range []cortex.Rule{cortex.RuleLayer, cortex.RuleSpace, cortex.RuleScale, cortex.RuleR2, cortex.RuleSequential, cortex.RuleDiverging, cortex.RuleCategories} {
		m := everywhere(g, rule, func(white, _ [3]float32) float64 { return math.Sin(float64(white[1]) / 20) })
		m.Name, m.Lo, m.Hi, m.Simulated = rule, -0.7, 0.7, true
		m.Title = strings.Repeat("A rather long title for a map of something ", 4)
		m.Unit, m.Note = "an unusually long unit that must be broken into lines", strings.Repeat("A note that explains. ", 20)
		for i, h := range g.Hemis {
			switch rule {
			case cortex.RuleSpace:
				m.Second[i] = m.Values[i]
			case cortex.RuleLayer:
				m.Certainty[i] = cortex.NoData(h.N())
			case cortex.RuleCategories:
				m.Categories = []string{"none", "a category with a name that is far too long for its column", "two", "three"}
				for v := range m.Values[i] {
					m.Values[i][v] = float64(v % 4)
				}
			}
		}
		out = append(out, m)
	}
	return out
}

// TestNothingCutOff: every word of every plate lies within the sheet.
func TestNothingCutOff(t *testing.T) {
	g := demo(t)
	o := small()
	for i, h := range g.Hemis {
		o.Focus[i] = make([]bool, h.N())
		for v, p := range h.White.Points {
			o.Focus[i][v] = p[1] < -60
		}
	}
	o.Outlines = []Outline{{Name: "a long name of a region", In: o.Focus}}
	flat, views := stages(t, g, o)
	for _, s := range []*Stage{flat, views} {
		for _, m := range everyRule(g) {
			p, err := s.Draw(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			within(t, p)
		}
	}
}

func within(t *testing.T, p *Plate) {
	t.Helper()
	simulated := false
	for _, o := range p.sheet.ops {
		if o.text == "" {
			continue
		}
		simulated = simulated || strings.Contains(o.text, "simulated")
		w := p.sheet.typ.width(o.text, o.size, o.bold)
		x := o.x - w*float64(o.anchor)/2
		if x < 0 || x+w > p.Width || o.y-o.size < 0 || o.y+0.3*o.size > p.Height {
			t.Errorf("%s: %q runs from %.0f,%.0f to %.0f,%.0f on a sheet of %.0f × %.0f", p.Name, o.text, x, o.y-o.size, x+w, o.y, p.Width, p.Height)
		}
	}
	if !simulated {
		t.Errorf("%s does not say simulated", p.Name)
	}
}

// TestFiles: PNG and SVG are what they say, whole, and the SVG loads nothing.
func TestFiles(t *testing.T) {
	g := demo(t)
	flat, _ := stages(t, g, small())
	m := everyRule(g)[0]
	p, err := flat.Draw(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := p.Write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir + "/layer_flat.png")
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != int(math.Ceil(p.Width)) || size.Y != int(math.Ceil(p.Height)) {
		t.Errorf("the picture is %v, the plate %v × %v", size, p.Width, p.Height)
	}
	svg, err := os.ReadFile(dir + "/layer_flat.svg")
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "data:image/png;base64,") {
					t.Errorf("the SVG refers to %q", a.Value)
				}
			}
		}
	}
	if !strings.Contains(p.Alt, "simulated") || !strings.Contains(p.Alt, "20,484 vertices") {
		t.Errorf("alternative text %q", p.Alt)
	}
}

// TestSameBytes: the same map gives the same picture, whatever the order in which strips were painted.
func TestSameBytes(t *testing.T) {
	g := demo(t)
	o := small()
	o.Outlines = []Outline{{Name: "back", In: [2][]bool{back(g.Hemis[0]), back(g.Hemis[1])}}}
	var first []byte
	for range 2 {
		flat, _ := stages(t, g, o)
		p, err := flat.Draw(t.Context(), everyRule(g)[3])
		if err != nil {
			t.Fatal(err)
		}
		svg, err := p.SVG()
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, svg) {
			t.Error("two runs give two pictures")
		}
		first = svg
	}
}

func back(h *cortex.Hemisphere) []bool {
	in := make([]bool, h.N())
	for v, p := range h.White.Points {
		in[v] = p[1] < -85
	}
	return in
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Views(ctx, demo(t), small()); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled stage gives %v", err)
	}
}

func TestNoFlatMap(t *testing.T) {
	g := demo(t)
	g.Hemis[1].Flat = nil
	if _, err := Flat(t.Context(), g, small()); err == nil || !strings.Contains(err.Error(), "no flat map of rh") {
		t.Errorf("a geometry without flat map gives %v", err)
	}
}

// BenchmarkFlat is one map of fsaverage5, painted and encoded, on a prepared stage at the report's size.
func BenchmarkFlat(b *testing.B) {
	g := demo(b)
	s, err := Flat(b.Context(), g, DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	m := everywhere(g, cortex.RuleSequential, anterior)
	for b.Loop() {
		p, err := s.Draw(b.Context(), m)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.PNG(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkViews is a four-view plate of fsaverage5 from geometry to PNG.
func BenchmarkViews(b *testing.B) {
	g := demo(b)
	m := everywhere(g, cortex.RuleSequential, anterior)
	for b.Loop() {
		s, err := Views(b.Context(), g, DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		p, err := s.Draw(b.Context(), m)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.PNG(); err != nil {
			b.Fatal(err)
		}
	}
}

// areas are the demo's visual areas on fsaverage5 or a finer mesh, where a vertex takes the label of a parent: of a
// neighbour with a smaller number.
func areas(t testing.TB, g *cortex.Geometry) []Outline {
	t.Helper()
	fsys := os.DirFS("../../testdata/demo")
	all, err := cortex.VisualAreas(fsys)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]Outline, len(all))
	for side, h := range g.Hemis {
		labels, err := cortex.LoadLabels(fsys, "rois/"+h.Name+".glasser_360.annot")
		if err != nil {
			t.Fatal(err)
		}
		of := labels.Vertex
		for n := 4*len(of) - 6; n <= h.N(); n = 4*n - 6 { // level by level
			for _, around := range g.Coarse(n).Hemis[side].Neighbours()[len(of):] {
				of = append(of, of[around[0]])
			}
		}
		for k, a := range all {
			out[k].Name = a.Label
			out[k].In[side] = make([]bool, h.N())
			for v, label := range of {
				out[k].In[side][v] = label >= 0 && labels.Names[label] == a.Label
			}
		}
	}
	return out
}

// BenchmarkPlate is a four-view plate of fsaverage7 with regions and their names, from geometry to PNG: 163,842
// vertices and 327,680 triangles a hemisphere, eight panels. prepare, draw and encode are its parts in seconds.
func BenchmarkPlate(b *testing.B) {
	g, err := demo(b).Fine(163842)
	if err != nil {
		b.Fatal(err)
	}
	m := everywhere(g, cortex.RuleLayer, func(white, _ [3]float32) float64 { return float64(white[1]) })
	o := DefaultOptions()
	o.Outlines = areas(b, g)
	for _, area := range o.Outlines {
		for side, in := range area.In {
			o.Focus[side] = union([][]bool{o.Focus[side], in}, len(in))
		}
	}
	var parts [3]time.Duration
	for b.Loop() {
		begun := time.Now()
		s, err := Views(b.Context(), g, o)
		if err != nil {
			b.Fatal(err)
		}
		prepared := time.Now()
		p, err := s.Draw(b.Context(), m)
		if err != nil {
			b.Fatal(err)
		}
		drawn := time.Now()
		if _, err := p.PNG(); err != nil {
			b.Fatal(err)
		}
		for i, d := range []time.Duration{prepared.Sub(begun), drawn.Sub(prepared), time.Since(drawn)} {
			parts[i] += d
		}
	}
	for i, name := range []string{"prepare-s", "draw-s", "encode-s"} {
		b.ReportMetric(parts[i].Seconds()/float64(b.N), name)
	}
}
