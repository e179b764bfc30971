package synth

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/subject"
)

// demo is the units of the demo subject, all or every step-th: fsaverage5's visual areas.
func demo(t testing.TB, keep func(i int) bool) (*subject.Subject, *cortex.Geometry) {
	t.Helper()
	folder := os.DirFS("../../testdata/demo")
	g, err := cortex.LoadDemo(folder)
	if err != nil {
		t.Fatal(err)
	}
	areas, err := cortex.VisualAreas(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := &subject.Subject{Name: "simulated", Kind: "simulated", Simulated: true}
	for level := 1; level <= 7; level++ {
		step := subject.Level{Name: fmt.Sprintf("level %d", level)}
		for _, a := range areas {
			if a.Level == level {
				step.ROIs = append(step.ROIs, "glasser/"+a.Label)
			}
		}
		s.Hierarchy = append(s.Hierarchy, step)
	}
	for _, side := range cortex.Sides {
		labels, err := cortex.LoadLabels(folder, "rois/"+side+".glasser_360.annot")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range areas {
			for i, v := range labels.Vertices(a.Label) {
				if keep(i) {
					s.Hemi, s.Vertex, s.ROIs = append(s.Hemi, side), append(s.Vertex, v), append(s.ROIs, []string{"glasser/" + a.Label})
				}
			}
		}
	}
	s.Units = len(s.Hemi)
	return s, g
}

func all(int) bool { return true }

func plantDemo(t testing.TB, keep func(int) bool) *Plan {
	t.Helper()
	s, g := demo(t, keep)
	p, err := Plant(s, g, make([]Shape, 16), Options{Generator: "lite0"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What the demo's truth promises on real geometry.
func TestDemo(t *testing.T) {
	p := plantDemo(t, all)
	truth, d := p.Truth(), p.Describe()
	t.Log(d)
	if p.Units() != 2790 || d.Areas != 30 || len(d.Levels) != 7 {
		t.Errorf("%d units in %d areas and %d levels, want 2790, 30 and 7", p.Units(), d.Areas, len(d.Levels))
	}
	for v, u := range p.units {
		if (truth.X[v] > 0) != (u.side == 0) {
			t.Fatalf("unit %d of %s in %s looks at x = %.3f: not contralateral", v, cortex.Sides[u.side], u.area, truth.X[v])
		}
	}
	if !rising(d.Levels) {
		t.Errorf("depth, local share and width do not change monotonically: %+v", d.Levels)
	}
	for i, l := range d.Levels {
		// Smoothing over 10 mm pulls the ends in; the levels themselves are 2.4 layers apart.
		if want := depth(float64(i)/6, 16); math.Abs(l.Depth-want) > 1.5 {
			t.Errorf("%s lies at layer %.2f, (2) without smoothing says %.2f", l.Name, l.Depth, want)
		}
	}
	if d.Levels[0].Local < 0.95 || d.Levels[6].Local > 0.1 {
		t.Errorf("local shares go from %.2f to %.2f, want nearly 1 to nearly 0", d.Levels[0].Local, d.Levels[6].Local)
	}
	// Half of the errors that a fit may end with (0.05 and 0.8 layers).
	if d.Smoothness.Space > 0.025 || d.Smoothness.Depth > 0.4 {
		t.Errorf("neighbours foretell centres within %.4f and layers within %.3f, want 0.025 and 0.4", d.Smoothness.Space, d.Smoothness.Depth)
	}
	if d.Eccentric[1] > 0.85 {
		t.Errorf("a field lies %.2f away from the centre, too near the edge", d.Eccentric[1])
	}
}

// Neither depth nor image points jump between vertices that share an edge (about 4 mm): the steps between
// the areas' levels, 2.4 layers and more, are smoothed away.
func TestDemoHasNoSteps(t *testing.T) {
	s, g := demo(t, all)
	p := plantDemo(t, all)
	index := map[[2]int32]int{}
	for v := range s.Units {
		index[[2]int32{int32(p.units[v].side), s.Vertex[v]}] = v
	}
	for side, h := range g.Hemis {
		for a, neighbours := range h.Neighbours() {
			v, ok := index[[2]int32{int32(side), int32(a)}]
			if !ok {
				continue
			}
			for _, b := range neighbours {
				other, ok := index[[2]int32{int32(side), b}]
				if !ok {
					continue
				}
				if step := math.Abs(p.truth.Depth[v] - p.truth.Depth[other]); step > 2 {
					t.Errorf("depth jumps by %.2f layers between vertices %d and %d of %s", step, a, b, h.Name)
				}
				if jump := math.Hypot(p.truth.X[v]-p.truth.X[other], p.truth.Y[v]-p.truth.Y[other]); jump > 0.25 {
					t.Errorf("the image point jumps by %.2f between vertices %d and %d of %s", jump, a, b, h.Name)
				}
			}
		}
	}
}

// Within an area, polar angle and eccentricity vary; dorsal units see the lower half of the field.
func TestDemoMapsWithinAreas(t *testing.T) {
	p := plantDemo(t, all)
	h := [2]*patch{p.hemisphere(0), p.hemisphere(1)}
	for side, patch := range h {
		u, w, err := patch.axes(cortex.Sides[side])
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			area                 string
			leastEcc, leastAngle float64 // middle 80 %: half-widths, degrees
		}{{"V1", 0.25, 60}, {"V2", 0.25, 60}, {"V3", 0.15, 60}, {"V4", 0.15, 30}} {
			var ecc, angle, wRank, yRank, uRank []float64
			for i, v := range patch.index {
				if patch.units[i].area != c.area {
					continue
				}
				x, y := p.truth.X[v], p.truth.Y[v]
				ecc, angle = append(ecc, math.Hypot(x, y)), append(angle, math.Atan2(y, math.Abs(x))*180/math.Pi)
				uRank, wRank, yRank = append(uRank, u[i]), append(wRank, w[i]), append(yRank, y)
			}
			if got := middle80(ecc); got < c.leastEcc {
				t.Errorf("%s %s: eccentricity spans %.2f, want %.2f", cortex.Sides[side], c.area, got, c.leastEcc)
			}
			if got := middle80(angle); got < c.leastAngle {
				t.Errorf("%s %s: polar angle spans %.0f degrees, want %.0f", cortex.Sides[side], c.area, got, c.leastAngle)
			}
			zscore(uRank)
			zscore(wRank)
			zscore(yRank)
			zscore(ecc)
			if r := dot(wRank, yRank); r < 0.6 {
				t.Errorf("%s %s: height above V1's axis and y correlate by %.2f: dorsal units have to see the lower field", cortex.Sides[side], c.area, r)
			}
			if r := dot(uRank, ecc); c.area == "V1" && r < 0.9 {
				t.Errorf("%s V1: place along its axis and eccentricity correlate by %.2f", cortex.Sides[side], r)
			}
		}
	}
}

func middle80(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[len(x)*9/10] - x[len(x)/10]
}

func dot(a, b []float64) float64 {
	var sum float64
	for i := range a {
		sum += a[i] * b[i] / float64(len(a))
	}
	return sum
}

// Leaving out units hardly moves the truth of the others: every figure of the demo holds for a part of it.
func TestDemoInPart(t *testing.T) {
	whole, part := plantDemo(t, all), plantDemo(t, func(i int) bool { return i%7 < 5 })
	if n := part.Units(); n < 1900 || n > 2100 {
		t.Fatalf("%d units", n)
	}
	at := map[[2]int]int{}
	for v, u := range whole.units {
		at[[2]int{u.side, int(u.vertex)}] = v
	}
	var space, layers float64
	for v, u := range part.units {
		o := at[[2]int{u.side, int(u.vertex)}]
		space += math.Hypot(part.truth.X[v]-whole.truth.X[o], part.truth.Y[v]-whole.truth.Y[o]) / float64(part.Units())
		layers += math.Abs(part.truth.Depth[v]-whole.truth.Depth[o]) / float64(part.Units())
	}
	// Borders are found from the units: their places move by about half the distance between units, 2 mm.
	if space > 0.03 || layers > 0.2 {
		t.Errorf("with five of seven units, centres moved by %.3f and depths by %.2f layers on average", space, layers)
	}
}

func BenchmarkPlantDemo(b *testing.B) {
	s, g := demo(b, all)
	for b.Loop() {
		if _, err := Plant(s, g, make([]Shape, 16), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFinishDemo mixes the demo's 2,538 pictures.
func BenchmarkFinishDemo(b *testing.B) {
	p := plantDemo(b, all)
	local, global := noiseParts(p, 2538)
	for b.Loop() {
		if _, _, err := p.Finish(local, global, 2538); err != nil {
			b.Fatal(err)
		}
	}
}
