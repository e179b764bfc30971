package fit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/store"
)

// golden is testdata/reference/factortopy.json: the model in PyTorch, which shares nothing with this package
// but the equations and the integer hash that makes the inputs.
type golden struct {
	Maker, Script                     string
	Format                            int
	Grids, Widths                     []int
	Images, Batch, Vertices, Channels int
	Clip                              float64
	Names                             []string
	Paper, Sound                      goldenRun
}

type goldenRun struct {
	Forward   struct{ Y, Space, Layer, Scale []float64 }
	Loss      float64
	Losses    []float64
	Gradients map[string]goldenArray
	After     map[string]goldenArray
	Code      goldenArray
	Border    int
}

// goldenArray is 64 entries spread over an array, its norm and its largest magnitude.
type goldenArray struct {
	Norm, Largest float64
	Entries       []float64
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("../testdata/reference/factortopy.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil || g.Format != 1 {
		t.Fatalf("factortopy.json has format %d (%v); make it again with testdata/reference/factortopy.py", g.Format, err)
	}
	return g
}

// hashed is the script's function of the same name.
func hashed(seed, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		h := uint32(i+1)*2654435761 + uint32(seed*40503)
		h ^= h >> 15
		h *= 2246822519
		h ^= h >> 13
		out[i] = float64(h>>8)/(1<<23) - 1
	}
	return out
}

func scaled(x []float64, by float64) []float64 {
	for i := range x {
		x[i] *= by
	}
	return x
}

// bilinear is one output of a resize from n to 8 with half-pixel centres: the two inputs and their weights.
func bilinear(i, n int) (a, b int, wa, wb float64) {
	s := min(max((float64(i)+0.5)*float64(n)/8-0.5, 0), float64(n-1))
	a = int(s)
	b = min(a+1, n-1)
	return a, b, 1 - (s - float64(a)), s - float64(a)
}

// reference builds the script's case, all images in one batch.
func (g golden) reference(paper bool) *reference {
	n, v, c := g.Images, g.Vertices, g.Channels
	r := &reference{B: n, V: v, L: len(g.Widths), C: c, G: 8, widths: g.Widths, alpha: 1, p: map[string][]float64{}}
	if paper {
		r.alpha, r.smooth, r.reg = 1/float64(c), 0.1, 0.1
	}
	for l, d := range g.Widths {
		r.x = append(r.x, g.tokens(l, d))
		r.p[fmt.Sprintf("local.%d.centre", l)], r.p[fmt.Sprintf("global.%d.centre", l)] = make([]float64, d), make([]float64, d)
	}
	for i, name := range g.Names {
		r.p[name] = g.weight(100+i, name)
	}
	xyz := hashed(1, v*3)
	positions := make([][3]float64, v)
	for i := range positions {
		for k := range 3 {
			positions[i][k] = math.RoundToEven(xyz[3*i+k]*90) + 100
		}
	}
	r.code = refPositionCode(positions)
	r.target = scaled(hashed(2, n*v), 2)
	return r
}

// tokens are a layer's [N, 65, D]: resized from the native grid, rounded to float16.
func (g golden) tokens(l, d int) []float64 {
	n, side := g.Images, g.Grids[l]
	native, global := hashed(10+l, n*d*side*side), hashed(20+l, n*d)
	at := func(i, k, y, x int) float64 { return math.RoundToEven(native[((i*d+k)*side+y)*side+x]*64) / 64 }
	out := make([]float64, n*65*d)
	for i := range n {
		for t := range 64 {
			ya, yb, wya, wyb := bilinear(t/8, side)
			xa, xb, wxa, wxb := bilinear(t%8, side)
			for k := range d {
				x := wya*(wxa*at(i, k, ya, xa)+wxb*at(i, k, ya, xb)) + wyb*(wxa*at(i, k, yb, xa)+wxb*at(i, k, yb, xb))
				out[(i*65+t)*d+k] = float64(store.Float(store.Half(float32(x))))
			}
		}
		for k := range d {
			out[(i*65+64)*d+k] = math.RoundToEven(global[i*d+k]*64) / 64
		}
	}
	return out
}

// weight is the script's parameters().
func (g golden) weight(seed int, name string) []float64 {
	heads := map[string]int{"space": 2, "layer": len(g.Widths), "scale": 1}
	kind, rest, _ := strings.Cut(name, ".")
	var n int
	var by float64
	switch {
	case name == "readout.weight":
		n, by = g.Vertices*g.Channels, 0.6
	case name == "readout.bias":
		n, by = g.Vertices, 0.5
	case heads[kind] == 0: // local.l.weight, global.l.weight
		var l int
		fmt.Sscanf(rest, "%d", &l)
		n, by = g.Channels*g.Widths[l], 1.5/math.Sqrt(float64(g.Widths[l]))
	case rest == "0.weight":
		n, by = 128*192, 0.15
	case rest == "1.weight":
		n, by = 128*128, 0.2
	case rest == "2.weight":
		n, by = heads[kind]*128, 0.8
	default:
		n, by = 128, 0.15
	}
	x := scaled(hashed(seed, n), by)
	for i := range x {
		x[i] = float64(float32(x[i]))
	}
	return x
}

// batch is the reference with images from..to only.
func (r *reference) batch(from, to int) *reference {
	b := *r
	b.B = to - from
	b.x = nil
	for l, d := range r.widths {
		b.x = append(b.x, r.x[l][from*65*d:to*65*d])
	}
	b.target = r.target[from*r.V : to*r.V]
	return &b
}

// check compares an array with its golden digest, relative to the largest entry.
func (g goldenArray) check(t *testing.T, name string, x []float64, tolerance float64) {
	t.Helper()
	var sq float64
	for _, v := range x {
		sq += v * v
	}
	if norm := math.Sqrt(sq); !(math.Abs(norm-g.Norm) <= tolerance*g.Norm) {
		t.Errorf("%s: norm %.8g, PyTorch has %.8g", name, norm, g.Norm)
	}
	n := len(g.Entries)
	for k, want := range g.Entries {
		i := 0
		if n > 1 {
			i = int(float64(len(x)-1) * float64(k) / float64(n-1))
		}
		if !(math.Abs(x[i]-want) <= tolerance*g.Largest) {
			t.Errorf("%s[%d]: %.8g, PyTorch has %.8g, the largest is %.3g", name, i, x[i], want, g.Largest)
			return
		}
	}
}

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// The plain loops agree with PyTorch to rounding: both are float64.
func TestReferenceIsPyTorchs(t *testing.T) {
	g := readGolden(t)
	for name, run := range map[string]goldenRun{"paper": g.Paper, "sound": g.Sound} {
		t.Run(name, func(t *testing.T) {
			r := g.reference(name == "paper").batch(0, g.Batch)
			const tolerance = 1e-10
			whole := func(name string, got, want []float64) {
				goldenArray{Norm: math.Sqrt(dot64(want, want)), Largest: slices.Max(want), Entries: want}.check(t, name, got, tolerance)
			}
			run.Code.check(t, "position code", r.code, tolerance)
			whole("y", r.forward(), run.Forward.Y)
			var space, layer, scale []float64
			for v := range r.V {
				k := r.pick(v)
				space, layer, scale = append(space, k.x[:]...), append(layer, k.p...), append(scale, k.s)
			}
			whole("space", space, run.Forward.Space)
			whole("layer", layer, run.Forward.Layer)
			whole("scale", scale, run.Forward.Scale)
			if loss := r.loss(); math.Abs(loss-run.Loss) > tolerance {
				t.Errorf("loss %.12g, PyTorch has %.12g", loss, run.Loss)
			}
			grads := r.gradients()
			for _, n := range g.Names {
				run.Gradients[n].check(t, n, grads[n], tolerance)
			}
			if run.Border < g.Vertices/4 {
				t.Errorf("only %d vertices look at the border", run.Border)
			}
		})
	}
}

// The graphs agree with PyTorch: position code and forward pass to 1e-5, gradients and ten steps to 1e-4.
func TestStepIsPyTorchs(t *testing.T) {
	g := readGolden(t)
	for name, run := range map[string]goldenRun{"paper": g.Paper, "sound": g.Sound} {
		t.Run(name, func(t *testing.T) {
			set, err := Defaults(name)
			if err != nil {
				t.Fatal(err)
			}
			set.Batch, set.SelectorsEvery, set.Warmup, set.Cosine, set.LayerTrace = g.Batch, 1, 0, false, 0
			set.BottlenecksEvery = 1
			set.RateReadout, set.RateBias, set.RateBottleneck, set.RateSelectors = 1e-3, 1e-3, 1e-3, 1e-3
			if name == "paper" {
				set.Clip = g.Clip
			}
			m := g.reference(name == "paper").model(t, set, 2)
			first, second := m.Train[:g.Batch], m.Train[g.Batch:]
			m.compareForward(t, first, run)
			m.Train = first
			grads, loss := m.gradient(t)
			if math.Abs(loss-run.Loss) > 1e-5*run.Loss {
				t.Errorf("loss %.8g, PyTorch has %.8g", loss, run.Loss)
			}
			for _, n := range slices.Sorted(maps.Keys(grads)) {
				run.Gradients[n].check(t, "gradient of "+n, widen(grads[n]), 1e-4)
			}
			m.compareSteps(t, first, second, run)
		})
	}
}

func (m *model) compareForward(t *testing.T, images []int, run goldenRun) {
	t.Helper()
	ctx := context.Background()
	positions := m.Subject.Positions
	xyz := hashed(1, len(positions)*3)
	for i := range positions {
		for k := range 3 {
			positions[i][k] = float32(math.RoundToEven(xyz[3*i+k]*90) + 100)
		}
	}
	run.Code.check(t, "position code", widen(positionCode(positions, frameOf(positions))), 1e-5)
	if err := m.look(ctx); err != nil {
		t.Fatal(err)
	}
	whole := func(name string, got []float32, want []float64) {
		goldenArray{Norm: math.Sqrt(dot64(want, want)), Largest: slices.Max(want), Entries: want}.check(t, name, widen(got), 1e-5)
	}
	whole("space", m.sel.space, run.Forward.Space)
	whole("layer", m.sel.layer, run.Forward.Layer)
	whole("scale", m.sel.scale, run.Forward.Scale)
	whole("y", m.predictions(t, images), run.Forward.Y)
}

// compareSteps takes ten steps on two batches in turn.
func (m *model) compareSteps(t *testing.T, first, second []int, run goldenRun) {
	t.Helper()
	ctx := context.Background()
	d, err := newDescent(m)
	if err != nil {
		t.Fatal(err)
	}
	b := m.newBatch(len(first))
	for step := range 10 {
		if err := m.fill(ctx, b, [][]int{first, second}[step%2]); err != nil {
			t.Fatal(err)
		}
		loss, err := d.step(ctx, b, 1)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(loss-run.Losses[step]) > 1e-4*run.Losses[step] {
			t.Errorf("loss of step %d is %.7g, PyTorch has %.7g", step, loss, run.Losses[step])
		}
	}
	if err := d.settle(ctx); err != nil {
		t.Fatal(err)
	}
	for _, w := range m.weights() {
		if want, ok := run.After[w.Name]; ok {
			want.check(t, w.Name+" after ten steps", widen(w.Data), 1e-4)
		}
	}
}

// predictions are y [B, V] through the evaluator's graph.
func (m *model) predictions(t *testing.T, images []int) []float32 {
	t.Helper()
	ctx := context.Background()
	e, err := newEvaluator(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.fill(ctx, e.buffer, images); err != nil {
		t.Fatal(err)
	}
	if err := m.project(ctx, e.buffer, e.table[:len(images)*m.tableRow()]); err != nil {
		t.Fatal(err)
	}
	p, out := newPass(e), make([]float32, len(images)*m.V)
	for _, job := range p.lay.jobs {
		ev := &evaluation{tally: make([]tally, m.V)}
		if err := p.cell(ctx, 0, job, images, ev); err != nil {
			t.Fatal(err)
		}
		for i := range job.len() {
			v := int(p.lay.order[job.from+i])
			for b := range images {
				out[b*m.V+v] = p.y[0][i*len(images)+b] + m.b[v]
			}
		}
	}
	return out
}
