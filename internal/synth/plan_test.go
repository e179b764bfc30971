package synth

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/subject"
)

// The planted retinotopy on straight bands, where it is known what has to come out.
func TestRetinotopyOfBands(t *testing.T) {
	s, g, at := made(t)
	p, err := Plant(s, g, tiny(1).layers, Options{})
	if err != nil {
		t.Fatal(err)
	}
	truth := p.Truth()
	mean := func(values []float64, side int, keep func(madeUnit) bool) float64 {
		var sum, n float64
		for v, place := range at {
			if p.units[v].side == side && keep(place) {
				sum, n = sum+values[v], n+1
			}
		}
		if n == 0 {
			t.Fatal("nothing kept")
		}
		return sum / n
	}
	for v := range at {
		if right := truth.X[v] > 0; right != (p.units[v].side == 0) {
			t.Fatalf("unit %d in %s looks at x = %.3f: not contralateral", v, s.Hemi[v], truth.X[v])
		}
		if e := math.Hypot(truth.X[v], truth.Y[v]); e > 0.9 {
			t.Errorf("unit %d looks %.2f away from the centre: too near the edge for a field to fit", v, e)
		}
	}
	for side, name := range cortex.Sides {
		// Rings of the visual field at some distance from the fovea: elevation at a height above the axis.
		elevation := func(w float64) float64 {
			return mean(truth.Y, side, func(m madeUnit) bool { return m.u > 0 && math.Abs(m.w-w) < 3 })
		}
		mid, v2, v3, v4 := elevation(0), elevation(v1Half), elevation(v2Edge), elevation(v3Edge)
		if math.Abs(mid) > 0.06 { // a ring of +-3 mm of a wave of 0.5 over 20 mm
			t.Errorf("%s: V1's middle looks %.3f below the horizontal meridian", name, mid)
		}
		if !(v2 > v3+0.1 && v4 > v3+0.05) { // V3 is only two smoothing widths wide: its reversal is shallow
			t.Errorf("%s: no reversals: y is %.2f at V1's border with V2, %.2f at V2's with V3, %.2f at V3's with V4", name, v2, v3, v4)
		}
		for _, w := range []float64{v1Half, v3Edge} {
			if up, down := elevation(-w), elevation(w); math.Abs(up+down) > 0.1 || down < 0 {
				t.Errorf("%s: y is %.2f dorsally and %.2f ventrally, want the lower field mirrored", name, down, up)
			}
		}
		last := 0.0
		for u := -45.0; u <= 40; u += 10 {
			x := mean(truth.X, side, func(m madeUnit) bool { return math.Abs(m.w) < 6 && math.Abs(m.u-u) < 5 })
			if e := math.Abs(x); e <= last {
				t.Errorf("%s: eccentricity %.3f at %v mm, %.3f before: it must rise to the front", name, e, u, last)
			} else {
				last = e
			}
		}
	}
}

func TestDepthOfBands(t *testing.T) {
	s, g, _ := made(t)
	for _, layers := range []int{1, 2, 4, 16} {
		p, err := Plant(s, g, make([]Shape, layers), Options{})
		if err != nil {
			t.Fatal(err)
		}
		truth := p.Truth()
		for v, d := range truth.Depth {
			if d < 0 || d > float64(layers-1) {
				t.Fatalf("%d layers: depth %v of unit %d is outside", layers, d, v)
			}
			var sum float64
			for l := range layers {
				sum += p.share(l, v)
			}
			if math.Abs(sum-1) > 1e-12 { // two subtractions near 1
				t.Fatalf("%d layers: unit %d's layers share %v", layers, v, sum)
			}
		}
		if levels := p.Describe().Levels; layers > 1 && !rising(levels) {
			t.Errorf("%d layers: depth does not rise along %+v", layers, levels)
		}
	}
}

func rising(levels []Level) bool {
	for i := 1; i < len(levels); i++ {
		if levels[i].Depth <= levels[i-1].Depth || levels[i].Local >= levels[i-1].Local || levels[i].Sigma <= levels[i-1].Sigma {
			return false
		}
	}
	return len(levels) > 1
}

func TestTruthKeepsWithoutSeed(t *testing.T) {
	net := tiny(1)
	a, b := plant(t, net, Options{Seed: 1, Generator: "tiny"}), plant(t, net, Options{Seed: 2, Generator: "tiny"})
	if !reflect.DeepEqual(a.Truth(), b.Truth()) {
		t.Error("the planted maps changed with the seed, which is for weights and noise")
	}
	if got := a.Truth(); got.Generator != "tiny" || got.Layers != len(net.layers) || len(got.X) != a.Units() {
		t.Errorf("truth says generator %q, %d layers, %d units", got.Generator, got.Layers, len(got.X))
	}
}

func TestPlantFaults(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(*subject.Subject, *cortex.Geometry, *Options)
		want  string
	}{
		{"ceiling above one", func(_ *subject.Subject, _ *cortex.Geometry, o *Options) { o.Ceiling = 1.5 }, "1.5"},
		{"ceiling not a number", func(_ *subject.Subject, _ *cortex.Geometry, o *Options) { o.Ceiling = math.NaN() }, "NaN"},
		{"repeats", func(_ *subject.Subject, _ *cortex.Geometry, o *Options) { o.Repeats = -1 }, "-1"},
		{"hemisphere", func(s *subject.Subject, _ *cortex.Geometry, _ *Options) { s.Hemi[3] = "left" }, `"left"`},
		{"vertex", func(s *subject.Subject, _ *cortex.Geometry, _ *Options) { s.Vertex[3] = 99999 }, "99999"},
		{"no sphere", func(_ *subject.Subject, g *cortex.Geometry, _ *Options) { g.Hemis[1].Sphere = nil }, "rh"},
		{"no hierarchy", func(s *subject.Subject, _ *cortex.Geometry, _ *Options) { s.Hierarchy = nil }, "hierarchy"},
		{"no V2", func(s *subject.Subject, _ *cortex.Geometry, _ *Options) {
			for _, rois := range s.ROIs {
				rois[0] = strings.Replace(rois[0], "V2", "V3", 1)
			}
		}, "V2"},
		{"one level", func(s *subject.Subject, _ *cortex.Geometry, _ *Options) {
			s.Hierarchy = []subject.Level{{Name: "all", ROIs: []string{"V1", "V2", "V3", "V4"}}, {Name: "none", ROIs: []string{"MT"}}}
		}, "1 levels"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, g, _ := made(t)
			var o Options
			c.spoil(s, g, &o)
			_, err := Plant(s, g, tiny(1).layers, o)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != fault.Input {
				t.Errorf("got %v, want a fault of the input that mentions %s", err, c.want)
			}
		})
	}
}

// A unit outside the hierarchy takes its place from its neighbours; one hemisphere alone is enough.
func TestPlantWithGaps(t *testing.T) {
	s, g, _ := made(t)
	for v := 0; v < s.Units; v += 7 {
		s.ROIs[v] = nil
	}
	p, err := Plant(s, g, tiny(1).layers, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for v, d := range p.Truth().Depth {
		if math.IsNaN(d) || math.IsNaN(p.Truth().X[v]) || math.IsNaN(p.Truth().Y[v]) {
			t.Fatalf("unit %d has depth %v at %v, %v", v, d, p.Truth().X[v], p.Truth().Y[v])
		}
	}
	half := &subject.Subject{Hierarchy: s.Hierarchy}
	for v, hemi := range s.Hemi {
		if hemi == "rh" {
			half.Hemi, half.Vertex, half.ROIs = append(half.Hemi, hemi), append(half.Vertex, s.Vertex[v]), append(half.ROIs, s.ROIs[v])
			half.Units++
		}
	}
	if _, err := Plant(half, g, tiny(1).layers, Options{}); err != nil {
		t.Errorf("the right hemisphere alone: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	net := tiny(1)
	p := plant(t, net, Options{Generator: "tiny", Ceiling: 0.4, Repeats: 3})
	d := p.Describe()
	if d.Units[0]+d.Units[1] != p.Units() || d.Areas != 4 || len(d.Levels) != 4 || d.Repeats != 3 {
		t.Errorf("described as %+v", d)
	}
	// 3 repeats of a ceiling c1 have 3 c1 / (3 c1 + 1 - c1).
	if averaged := 3 * d.Single / (3*d.Single + 1 - d.Single); math.Abs(averaged-0.4) > 1e-12 {
		t.Errorf("a single presentation's ceiling %v averages to %v, want 0.4", d.Single, averaged)
	}
	text := d.String()
	for _, want := range []string{"Simulated subject", "tiny", "3 presentations", "0.40", "level 4"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
}
