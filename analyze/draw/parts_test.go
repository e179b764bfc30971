package draw

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/imagetest"
)

// TestColourMaps: the first, middle and last rows as matplotlib has them (testdata/reference/colourmaps.py).
func TestColourMaps(t *testing.T) {
	for name, want := range map[string][3]string{
		"viridis":  {"#440154", "#21918c", "#fde725"},
		"cividis":  {"#00224e", "#7d7c78", "#fee838"},
		"inferno":  {"#000004", "#bc3754", "#fcffa4"},
		"coolwarm": {"#3b4cc0", "#dddcdc", "#b40426"},
		"PuOr":     {"#7f3b08", "#f6f6f7", "#2d004b"},
		"Reds":     {"#fff5f0", "#fb694a", "#67000d"},
		"RdBu_r":   {"#053061", "#f7f6f6", "#67001f"},
	} {
		r := ramps()[name]
		if r == nil {
			t.Fatalf("no colour map %s", name)
		}
		got := [3]string{r[0].hex(), r[128].hex(), r[255].hex()}
		if got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if r.at(-1) != r[0] || r.at(0.5) != r[128] || r.at(2) != r[255] {
			t.Errorf("%s does not clip to its ends", name)
		}
	}
}

// TestStamp: the colours that were measured for the stamp, and the published corners in the paper's style.
func TestStamp(t *testing.T) {
	for _, c := range []struct {
		u, v float64
		want [3]int
	}{{0, 0, [3]int{171, 171, 171}}, {1, 0, [3]int{234, 136, 167}}, {-1, 0, [3]int{45, 196, 174}}, {0, 1, [3]int{201, 167, 65}}, {0, -1, [3]int{140, 166, 250}}} {
		got := oklabStamp(c.u, c.v).RGBA()
		for k, x := range []uint8{got.R, got.G, got.B} {
			if d := int(x) - c.want[k]; d < -1 || d > 1 {
				t.Errorf("stamp at %v, %v: %v, want %v", c.u, c.v, got, c.want)
			}
		}
	}
	for k, corner := range [][2]float64{{-1, 1}, {1, 1}, {-1, -1}, {1, -1}} {
		if got, want := paperStamp(corner[0], corner[1]).RGBA(), paperCorners[k].RGBA(); got != want {
			t.Errorf("paper's corner %d: %v, want %v", k, got, want)
		}
	}
}

func mapOf(rule cortex.Rule, lo, hi float64, values ...float64) *cortex.Map {
	return &cortex.Map{Rule: rule, Lo: lo, Hi: hi, Values: [2][]float64{values, {}}}
}

// TestPainter: special cases of the rules.
func TestPainter(t *testing.T) {
	tri := [3]int32{0, 1, 2}
	even := [3]float64{0.5, 0.3, 0.2}
	t.Run("a difference map is symmetric even if all of it is negative", func(t *testing.T) {
		p := newPainter(mapOf(cortex.RuleDiverging, -0.6, -0.1, -0.6, -0.1, -0.3), Accessible)
		if p.lo != -0.6 || p.hi != 0.6 {
			t.Errorf("range %v to %v", p.lo, p.hi)
		}
	})
	t.Run("negative R2 has a colour of its own", func(t *testing.T) {
		p := newPainter(mapOf(cortex.RuleR2, 0, 1, -0.1, -0.1, -0.1), Accessible)
		if c, ok := p.at(0, tri, even); !ok || c != negative {
			t.Errorf("colour %v", c)
		}
	})
	t.Run("a constant map has a colour", func(t *testing.T) {
		p := newPainter(mapOf(cortex.RuleSequential, 2, 2, 2, 2, 2), Accessible)
		if c, ok := p.at(0, tri, even); !ok || math.IsNaN(c[0]) {
			t.Errorf("colour %v", c)
		}
	})
	t.Run("categories are not blended, and neighbours in number differ", func(t *testing.T) {
		p := newPainter(mapOf(cortex.RuleCategories, 0, 3, 0, 1, 2), Accessible)
		if c, _ := p.at(0, tri, even); c != Accessible.Category(0) {
			t.Errorf("colour %v", c)
		}
		for i := range len(okabeIto) {
			for j := range i {
				if Accessible.Category(i) == Accessible.Category(j) {
					t.Errorf("categories %d and %d look alike", i, j)
				}
			}
		}
	})
	t.Run("the nearest corner decides on data, the others with data are blended", func(t *testing.T) {
		p := newPainter(mapOf(cortex.RuleSequential, 0, 1, math.NaN(), 1, 1), Accessible)
		if _, ok := p.at(0, tri, even); ok {
			t.Error("the nearest vertex has no data")
		}
		if c, ok := p.at(0, tri, [3]float64{0.2, 0.5, 0.3}); !ok || c != p.value(1) {
			t.Errorf("colour %v", c)
		}
	})
	t.Run("certainty fades, and in the paper's style darkens by 1.2 − e³", func(t *testing.T) {
		p := newPainter(mapOf(cortex.RuleLayer, 0, 1, 0, 0, 0), Paper)
		full := ramps()["coolwarm"].at(0)
		for _, c := range []struct{ certainty, f float64 }{{1, 1.2}, {0.5, 1.2 - 0.125}, {0, 0.2}} {
			got := p.layer(0, c.certainty)
			if want := math.Min(1, full[0]*c.f); math.Abs(got[0]-want) > 1e-12 {
				t.Errorf("certainty %v: red %v, want %v", c.certainty, got[0], want)
			}
		}
		sure, unsure := newPainter(p.m, Accessible).layer(0, 1), newPainter(p.m, Accessible).layer(0, 0)
		if sure.RGBA() != ramps()["viridis"].at(0).RGBA() || unsure[0] < 0.7 {
			t.Errorf("sure %v, unsure %v", sure, unsure)
		}
	})
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"}, {0, 0.4, "0.0 0.1 0.2 0.3 0.4"}, {-1, 1, "−1.0 −0.5 0.0 0.5 1.0"},
		{-110, 110, "−100 −50 0 50 100"}, {0, 0.025, "0.000 0.005 0.010 0.015 0.020 0.025"}, {3, 3, ""}, {0, 12345, "0 2500 5000 7500 10000"},
	} {
		at := ticks(c.lo, c.hi, 5)
		if got := strings.Join(labels(at), " "); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.lo, c.hi, got, c.want)
		}
	}
}

// plane is a grid of n × n vertices a unit apart, two triangles a cell, and its neighbours.
func plane(n int) (*cortex.Surface, [][]int32) {
	s := &cortex.Surface{}
	for y := range n {
		for x := range n {
			s.Points = append(s.Points, [3]float32{float32(x), float32(y), 0})
			if i := int32(y*n + x); x > 0 && y > 0 {
				s.Faces = append(s.Faces, [3]int32{i, i - 1, i - int32(n) - 1}, [3]int32{i, i - int32(n) - 1, i - int32(n)})
			}
		}
	}
	return s, s.Neighbours()
}

// TestBorder: the border of a disc is one closed line near its circle; an island of few vertices has none.
func TestBorder(t *testing.T) {
	const n, r = 60, 15.0
	s, around := plane(n)
	in := make([]bool, n*n)
	for i, p := range s.Points {
		in[i] = math.Hypot(float64(p[0])-30, float64(p[1])-30) < r
	}
	in[2*n+2], in[2*n+3] = true, true // the island
	points := project(s.Points, flatView, vec{30, 30, 0}, 4, 4*n, 4*n)
	f := rasterise(s.Faces, points, nil, flatView.toward, 4*n, 4*n)
	lines := border(s.Faces, points, field(in, around), nil, flatView.toward, f, 1)
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1", len(lines))
	}
	line := lines[0]
	if line[0] != line[len(line)-1] {
		t.Error("the line is not closed")
	}
	for _, p := range line {
		if d := math.Hypot(p[0]-2*n, p[1]-2*n) / 4; math.Abs(d-r) > 1.2 { // about one grid step
			t.Fatalf("a point of the border is %.1f from the centre, want %.0f", d, r)
		}
	}
	all := make([]bool, n*n)
	for i := range all {
		all[i] = true
	}
	var region []int32
	for i, yes := range in {
		if yes {
			region = append(region, int32(i))
		}
	}
	at, wide, ok := anchor(region, all, rim(s), around, points)
	if !ok || math.Hypot(at[0]-2*n, at[1]-2*n) > 8 || wide < 100 {
		t.Errorf("the name stands at %v (width %v)", at, wide)
	}
	if _, _, ok := anchor(nil, all, rim(s), around, points); ok {
		t.Error("nothing has a place for its name")
	}
}

// TestGaps: a map of two of three vertices, and of one with a hole, is filled inside and does not grow.
func TestGaps(t *testing.T) {
	const n = 40
	s, around := plane(n)
	middle := func(i int) float64 { return math.Hypot(float64(s.Points[i][0])-20, float64(s.Points[i][1])-20) }
	focus, whole := make([]bool, n*n), make([]bool, n*n)
	for i := range focus {
		whole[i] = middle(i) < 12
		focus[i] = whole[i] && i%3 != 0 && middle(i) > 2.3 // the hole: five across
	}
	m := mapOf(cortex.RuleSequential, 0, 1)
	m.Values[0] = cortex.NoData(n * n)
	for i, in := range focus {
		if in {
			m.Values[0][i] = float64(s.Points[i][0])
		}
	}
	for name, outlined := range map[string][][]bool{"alone": {focus}, "outlined": {whole, nil}} {
		list := gaps(focus, outlined, around)
		full, filled := fill(m, [2][]gap{list, nil})
		if filled != len(list) {
			t.Errorf("%s: %d of %d gaps were filled", name, filled, len(list))
		}
		for i, in := range whole {
			v := full.Values[0][i]
			switch known := !math.IsNaN(v); {
			case in && !known && middle(i) < 10.5:
				t.Errorf("%s: %v was not filled", name, s.Points[i])
			case !in && known && (name == "outlined" || middle(i) > 13):
				t.Errorf("%s: the map grew to %v", name, s.Points[i])
			case known && math.Abs(v-float64(s.Points[i][0])) > 3: // the middle of the hole takes after its nearer rim
				t.Errorf("%s: %v has %v", name, s.Points[i], v)
			}
		}
	}
	if got := gaps(focus, [][]bool{make([]bool, n*n)}, around); len(got) == 0 {
		t.Error("regions elsewhere keep a map from being filled")
	}
	if got := commonest([]float64{2, 1, 1, 2, 1}); got != 1 {
		t.Errorf("the commonest is %v", got)
	}
}

// TestChart: points, intervals, names of ticks, nothing outside; missing values and empty series do no harm.
func TestChart(t *testing.T) {
	nan := math.NaN()
	c := Chart{Name: "c", Title: strings.Repeat("A title ", 20), XLabel: "level", YLabel: "depth (0 first, 1 last)", XHi: 1, YLo: 0, YHi: 1, Simulated: true,
		Note: strings.Repeat("A note. ", 30), XTicks: []Tick{{0, "a long name of a level"}, {0.5, "another long name"}, {1, "the last name of all of them"}},
		Series: []Series{
			{Name: "one", X: []float64{0, 0.5, 1}, Y: []float64{0.2, nan, 0.8}, Lo: []float64{0.1, nan, nan}, Hi: []float64{0.3, nan, nan}, Line: &[2]float64{0.2, 0.8}},
			{Name: "two", X: []float64{0}, Y: []float64{0.4}, Secondary: true},
			{Name: strings.Repeat("three ", 14)},
		}}
	p := c.Plot(1)
	within(t, p)
	if b := p.Image().Bounds(); b.Dx() < 600 {
		t.Errorf("the chart is %v", b)
	}
	c.YLo, c.YHi, c.XTicks = nan, nan, nil
	within(t, c.Plot(1))
	c.Series = nil
	within(t, c.Plot(1))
	for _, r := range []struct{ in, lo, hi float64 }{{0.59, 0, 0.6}, {-0.31, -0.35, 0.35}} {
		c.Series = []Series{{Y: []float64{r.in, math.Abs(r.in)}}}
		if lo, hi := c.yRange(); lo > r.lo+1e-9 && r.in < 0 || hi < r.in || lo > r.in {
			t.Errorf("range of %v: %v to %v", r.in, lo, hi)
		}
	}
}

func TestNumbers(t *testing.T) {
	m := mapOf(cortex.RuleLayer, 0, 1, 0.25, math.NaN())
	m.Certainty = [2][]float64{{math.NaN(), 1}, {}}
	if got, want := string(Numbers(m)), "hemi,vertex,value,certainty\nlh,0,0.25,\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestReduce: 256 colours stay near what they stand for, few stay as they are, and a picture of half the side is one.
func TestReduce(t *testing.T) {
	g := demo(t)
	o := goldenOptions(t, g)
	o.Scale = 1
	flat, err := Flat(t.Context(), g, o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := flat.Draw(t.Context(), goldenMap(g, o, cortex.RuleR2))
	if err != nil {
		t.Fatal(err)
	}
	full, err := p.PNG()
	if err != nil {
		t.Fatal(err)
	}
	small, err := Reduce(full, 1)
	if err != nil {
		t.Fatal(err)
	}
	// colours that few pixels have, of glyphs' and borders' edges, share one with others
	if off := imagetest.Off(p.Image(), decode(t, small), 24); off > 0.02 || 2*len(small) > len(full) {
		t.Errorf("%.1f %% of the pixels are off by more than 24 levels; %d bytes of %d", 100*off, len(small), len(full))
	}
	half, err := Reduce(full, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := decode(t, half).Bounds().Dx(), p.Image().Bounds().Dx()/2; got != want {
		t.Errorf("half of it is %d wide, want %d", got, want)
	}
	few := image.NewRGBA(image.Rect(0, 0, 4, 1))
	copy(few.Pix, []byte{0, 0, 0, 255, 255, 255, 255, 255, 8, 0, 0, 255, 9, 0, 0, 255})
	if got := quantise(few); len(got.Palette) != 3 || got.RGBA64At(1, 0) != few.RGBA64At(1, 0) || got.RGBA64At(0, 0) != few.RGBA64At(0, 0) {
		t.Errorf("black, white and two reds become %v", got.Palette)
	}
}

func decode(t *testing.T, file []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return img
}
