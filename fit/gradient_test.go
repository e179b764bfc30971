package fit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

type gradientCase struct {
	name    string
	b, v, c int
	widths  []int
	smooth  float64
	mean    bool
	reg     float64
	missing bool
}

var gradientCases = []gradientCase{
	{"sound", 5, 60, 6, []int{7, 12, 5}, 0, false, 0, false},
	{"paper", 5, 60, 6, []int{7, 12, 5}, 0.1, true, 0.07, false},
	{"missing responses", 4, 50, 9, []int{3, 17}, 0, false, 0, true},
	{"missing, smooth", 4, 50, 9, []int{3, 17}, 0.1, false, 0, true},
	{"one layer", 3, 40, 4, []int{6}, 0.1, true, 0.05, false},
}

// The hand-written gradients of the reference against finite differences of its loss.
func TestReferenceGradients(t *testing.T) {
	for _, c := range gradientCases {
		t.Run(c.name, func(t *testing.T) {
			ref := smallCase(1, 2, 4, c.c, c.widths, c.missing) // small: the plain loops run a thousand times
			ref.smooth, ref.reg = c.smooth, c.reg
			if c.name == "one layer" {
				ref.reg = 0 // ln 1 = 0: (9) is not defined for one layer
			}
			if c.mean {
				ref.alpha = 1 / float64(c.c)
			}
			grads := ref.gradients()
			for _, name := range slices.Sorted(maps.Keys(ref.p)) {
				if !hasGradient(name) {
					continue
				}
				var worst, size float64
				for _, g := range grads[name] {
					size = max(size, math.Abs(g))
				}
				step := max(1, len(ref.p[name])/6)
				for i := 0; i < len(ref.p[name]); i += step {
					worst = max(worst, math.Abs(ref.difference(name, i, ref.loss)-grads[name][i]))
				}
				// The five-point difference at 1e-3 leaves h⁴ = 1e-12 of the fifth derivative and 1e-13 of rounding.
				if worst > 1e-9*max(size, 1e-3) {
					t.Errorf("%s: off by %.2g of %.2g", name, worst, size)
				}
			}
		})
	}
}

func hasGradient(name string) bool { return len(name) < 6 || name[len(name)-6:] != "centre" }

// difference is a five-point central difference of a loss by one weight.
func (r *reference) difference(name string, i int, loss func() float64) float64 {
	const h = 1e-3
	p := r.p[name]
	old := p[i]
	at := func(x float64) float64 { p[i] = old + x; return loss() }
	d := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
	p[i] = old
	return d
}

// A whole step through the graphs against the reference: forward 1e-5, gradients 1e-4, relative to the
// largest: float32 sums of B·V products.
func TestStepGradients(t *testing.T) {
	for _, c := range gradientCases {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/%d", c.name, threads), func(t *testing.T) { c.check(t, threads, ort.CPU) })
		}
	}
}

// The same graphs on CUDA, where there is a GPU. TF32 is off, so the tolerances are the same.
func TestCUDAStepGradients(t *testing.T) {
	if _, _, err := orttest.Runtime(t).Device(ort.CUDA); err != nil {
		t.Skip("no CUDA here: ", err)
	}
	for _, c := range gradientCases {
		t.Run(c.name, func(t *testing.T) { c.check(t, 2, ort.CUDA) })
	}
}

func (c gradientCase) check(t *testing.T, threads int, device string) {
	ref := smallCase(2, c.b, c.v, c.c, c.widths, c.missing)
	ref.smooth, ref.reg = c.smooth, c.reg
	if c.mean {
		ref.alpha = 1 / float64(c.c)
	}
	if len(c.widths) == 1 {
		ref.reg = 0
	}
	set := still(c.b)
	set.SmoothL1, set.Mean, set.Regulariser, set.RegSteps = c.smooth, c.mean, ref.reg, 10
	m := ref.modelOn(t, set, threads, device)
	grads, loss := m.gradient(t)
	if want := ref.loss(); math.Abs(loss-want) > 1e-5*want {
		t.Errorf("loss %.8g, want %.8g", loss, want)
	}
	if border := ref.border(); border < c.v/10 {
		t.Errorf("only %d of %d vertices look at the border", border, c.v)
	}
	want := ref.gradients()
	for _, name := range slices.Sorted(maps.Keys(grads)) {
		if d := furthest(grads[name], want[name]); d > 1e-4 {
			t.Errorf("gradient of %s is off by %.2g", name, d)
		}
	}
}

// A step that leaves layers out is the reference's step without them, and no vertex loses more than it may.
func TestStepLeavesLayersOut(t *testing.T) {
	const trace = 0.25
	widths := []int{7, 12, 5, 9, 6, 4}
	ref := smallCase(3, 4, 80, 6, widths, false)
	for i := range ref.p["layer.2.weight"] {
		ref.p["layer.2.weight"][i] *= 2 // sharper
	}
	ref.round()
	set := still(ref.B)
	set.LayerTrace = trace
	m := ref.model(t, set, 2)
	grads, loss := m.gradient(t)
	ref.left = make([][]bool, ref.V)
	out := 0
	lay := activeLayout(m.sel, trace, 2)
	for _, j := range lay.jobs {
		for _, v := range lay.order[j.from:j.to] {
			ref.left[v] = make([]bool, ref.L)
			lost := 0.0
			for l, p := range ref.pick(int(v)).p {
				if !slices.Contains(j.layers, int32(l)) {
					ref.left[v][l] = true
					lost += p
					out++
				}
			}
			if lost > trace+1e-6 { // float32's rounding of p
				t.Errorf("vertex %d loses %.4f of its layers", v, lost)
			}
		}
	}
	if out < ref.V/2 {
		t.Errorf("only %d layers of %d vertices are left out", out, ref.V)
	}
	if want := ref.loss(); math.Abs(loss-want) > 1e-5*want {
		t.Errorf("loss %.8g, want %.8g", loss, want)
	}
	want := ref.gradients()
	for _, name := range slices.Sorted(maps.Keys(grads)) {
		if d := furthest(grads[name], want[name]); d > 1e-4 {
			t.Errorf("gradient of %s is off by %.2g", name, d)
		}
	}
}

// still are settings under which a step moves nothing.
func still(batch int) Settings {
	set, _ := Defaults("sound")
	set.Batch, set.SelectorsEvery, set.BottlenecksEvery, set.LayerTrace = batch, 1, 1, 0
	set.RateReadout, set.RateBias, set.RateBottleneck, set.RateSelectors = 0, 0, 0, 0
	return set
}

// border counts vertices in the outer ring of cells.
func (r *reference) border() int {
	n := 0
	for v := range r.V {
		for _, t := range r.pick(v).token {
			if t < 0 {
				n++
				break
			}
		}
	}
	return n
}
