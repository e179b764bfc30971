package draw

import (
	"image"
	"math"
	"path/filepath"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/imagetest"
)

// goldenTolerance: on another processor (fused multiply and add) a sample on the edge of a triangle or a glyph may fall
// to the other side, which changes one of the nine samples of a pixel of that edge, by 28 levels of 255 at most. More
// than that needs two such samples in one pixel: one pixel in three hundred may have them. The mistakes of
// TestGoldenNotices change more than one in a hundred.
var goldenTolerance = imagetest.Tolerance{Level: 28, Share: 1.0 / 300}

// goldenOptions give pictures of some 45 kB, cut to the visual areas, which are outlined.
func goldenOptions(t *testing.T, g *cortex.Geometry) Options {
	o := Options{Network: "network lite0", Subject: "subject planted", Width: 820, Scale: 0.3, Samples: 3, Labels: true, Outlines: areas(t, g)}
	for _, area := range o.Outlines {
		for side, in := range area.In {
			o.Focus[side] = union([][]bool{o.Focus[side], in}, len(in))
		}
	}
	return o
}

// goldenMap is a map of one rule over the visual areas: depths from back to front, image points of the other side's
// half of the picture, and a ring of vertices without data.
func goldenMap(g *cortex.Geometry, o Options, rule cortex.Rule) *cortex.Map {
	m := cortex.NewMap(g, rule, rule)
	m.Title, m.Unit, m.Lo, m.Hi, m.Simulated = "A planted map: "+rule, "what is planted", 0, 1, true
	m.Note = "Made up for the golden pictures of the tests."
	if rule == cortex.RuleCategories {
		m.Categories = []string{"1: upper", "2: lower, in the front", "3: lower, in the back", "4: right hemisphere alone"}
	}
	for side, h := range g.Hemis {
		m.Values[side], m.Second[side], m.Certainty[side] = cortex.NoData(h.N()), cortex.NoData(h.N()), cortex.NoData(h.N())
		for v, p := range h.White.Points {
			x, y, z := float64(p[0]), float64(p[1]), float64(p[2])
			if !o.Focus[side][v] || math.Abs(math.Hypot(x, z)-32) < 3 {
				continue
			}
			m.Values[side][v] = plantedValue(m, side, x, y, z)
			m.Second[side][v], m.Certainty[side][v] = -z/40, 0.5+0.5*math.Sin(z/9)
		}
		if rule != cortex.RuleSpace {
			m.Second[side] = nil
		}
		if rule != cortex.RuleLayer {
			m.Certainty[side] = nil
		}
	}
	return m
}

func plantedValue(m *cortex.Map, side int, x, y, z float64) float64 {
	forward := (y + 105) / 75 // 0 at the occipital pole, about 1 where the areas end
	switch m.Rule {
	case cortex.RuleSpace:
		return []float64{0.7, -0.7}[side] * (1 - forward/2)
	case cortex.RuleDiverging:
		return -0.2 - 0.6*forward // all of it negative
	case cortex.RuleR2:
		return 1.3*forward - 0.2 // some below 0, some above the range
	case cortex.RuleCategories:
		switch {
		case side == 1 && z > 15:
			return 3
		case z > 0:
			return 0
		case forward > 0.5:
			return 1
		}
		return 2
	}
	return forward
}

// TestGolden draws every rule flat, the paper's colours where they are others, and the views.
func TestGolden(t *testing.T) {
	g := demo(t)
	o := goldenOptions(t, g)
	flat, views := stages(t, g, o)
	for _, rule := range []cortex.Rule{cortex.RuleLayer, cortex.RuleSpace, cortex.RuleScale, cortex.RuleR2, cortex.RuleDiverging, cortex.RuleCategories} {
		golden(t, flat, goldenMap(g, o, rule), "flat")
	}
	golden(t, views, goldenMap(g, o, cortex.RuleLayer), "views")
	golden(t, views, goldenMap(g, o, cortex.RuleCategories), "views")
	flat.o.Style = Paper
	for _, rule := range []cortex.Rule{cortex.RuleLayer, cortex.RuleSpace, cortex.RuleR2} {
		golden(t, flat, goldenMap(g, o, rule), "flat_paper")
	}
}

func golden(t *testing.T, s *Stage, m *cortex.Map, kind string) {
	t.Helper()
	imagetest.Golden(t, filepath.Join("testdata", m.Name+"_"+kind+".png"), drawn(t, s, m), goldenTolerance)
}

func drawn(t *testing.T, s *Stage, m *cortex.Map) image.Image {
	t.Helper()
	p, err := s.Draw(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return p.Image()
}

// TestGoldenNotices: the mistakes that a person would see at a glance are beyond the tolerance.
func TestGoldenNotices(t *testing.T) {
	g := demo(t)
	o := goldenOptions(t, g)
	flat, views := stages(t, g, o)
	swapped := func(m *cortex.Map) *cortex.Map {
		for _, x := range []*[2][]float64{&m.Values, &m.Second, &m.Certainty} {
			x[0], x[1] = x[1], x[0]
		}
		return m
	}
	ranged := func(m *cortex.Map) *cortex.Map {
		m.Hi = 1.2
		return m
	}
	mirrored := func(s *Stage, side int) *Stage { // one hemisphere is drawn from the other way round
		out := *s
		out.panels = nil
		for _, p := range s.panels {
			q := *p
			if p.side == side {
				f := *p.frame
				f.tri, f.wa, f.wb = flip(f.tri, f.w), flip(f.wa, f.w), flip(f.wb, f.w)
				q.frame = &f
			}
			out.panels = append(out.panels, &q)
		}
		return &out
	}
	for name, c := range map[string]struct {
		golden string
		img    image.Image
	}{
		"lh and rh swapped, flat":        {"space_flat.png", drawn(t, flat, swapped(goldenMap(g, o, cortex.RuleSpace)))},
		"lh and rh swapped, views":       {"categories_views.png", drawn(t, views, swapped(goldenMap(g, o, cortex.RuleCategories)))},
		"a flipped hemisphere, flat":     {"layer_flat.png", drawn(t, mirrored(flat, 1), goldenMap(g, o, cortex.RuleLayer))},
		"a flipped hemisphere, views":    {"layer_views.png", drawn(t, mirrored(views, 0), goldenMap(g, o, cortex.RuleLayer))},
		"a range that is a fifth longer": {"scale_flat.png", drawn(t, flat, ranged(goldenMap(g, o, cortex.RuleScale)))},
		"another colour map":             {"r2_flat.png", imagetest.Read(t, "testdata/r2_flat_paper.png")},
	} {
		if off := imagetest.Off(imagetest.Read(t, filepath.Join("testdata", c.golden)), c.img, goldenTolerance.Level); off < 1.0/100 {
			t.Errorf("%s changes %.2f %% of the pixels", name, 100*off)
		}
	}
}

// flip mirrors rows of samples.
func flip[T any](x []T, w int) []T {
	out := make([]T, len(x))
	for i := range x {
		out[i] = x[i-i%w+w-1-i%w]
	}
	return out
}

// TestFineFlatMap: fsaverage7's flat map puts every new vertex between its two parents and splits the flat triangles
// alone. A number that is blended along edges then gives the same picture as on fsaverage5, but for rounding, and a
// rank of triangles that crossed a cut would show.
func TestFineFlatMap(t *testing.T) {
	coarse := demo(t)
	fine, err := coarse.Fine(163842)
	if err != nil {
		t.Fatal(err)
	}
	o := small()
	o.Width = 500
	var panels [2][]*image.RGBA
	for k, g := range []*cortex.Geometry{coarse, fine} {
		flat, err := Flat(t.Context(), g, o)
		if err != nil {
			t.Fatal(err)
		}
		panels[k] = pictures(t, flat, everywhere(g, cortex.RuleSequential, anterior))
	}
	for side, want := range panels[0] {
		// the ramp has 256 colours, next ones up to 4 levels apart; samples on the rim are won or lost by rounding
		if off := imagetest.Off(want, panels[1][side], 8); off > 1.0/500 {
			t.Errorf("%s: %.2f %% of the pixels differ", cortex.Sides[side], 100*off)
		}
	}
}
