package fit

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

// SpeedCase is the shape of a model whose steps are timed, and how it steps: as protocol sound does, or
// "exact": all layers, the selectors on every step, 32 images.
type SpeedCase struct {
	Vertices, Layers, Width, Channels int
	Exact                             bool
	Device                            string // as in Options
}

// SpeedCases are those of the benchmark and of `cortexmap bench step`: the paper's scale, and the demo's.
var SpeedCases = []SpeedCase{
	{Vertices: 37984, Layers: 12, Width: 768, Channels: 128},
	{Vertices: 37984, Layers: 12, Width: 768, Channels: 128, Exact: true},
	{Vertices: 2000, Layers: 16, Width: 112, Channels: 128},
	{Vertices: 2000, Layers: 16, Width: 112, Channels: 128, Exact: true},
}

// Kind is "default" or "exact".
func (c SpeedCase) Kind() string {
	if c.Exact {
		return "exact"
	}
	return "default"
}

// String names the case as the benchmark does.
func (c SpeedCase) String() string {
	name := fmt.Sprintf("%s/V=%d/L=%d/D=%d/C=%d", c.Kind(), c.Vertices, c.Layers, c.Width, c.Channels)
	if c.Device == ort.CUDA {
		name += "/" + c.Device
	}
	return name
}

// Speed times whole steps of the descent (21): selectors, bottlenecks, cells, optimisers. Tokens and
// responses are random and in memory. The vertices look all over the image, and their layer selectors are
// as narrow as fits make them (entropy 1.3 nat; six or seven layers have 99 %): the networks are fitted to
// such a map first, whose depth runs along one axis of the places and whose image points along the others.
type Speed struct {
	SpeedCase
	m *model
	d *descent
	x *batch
}

// NewSpeed makes the case's model; threads as in Options. Close it.
func NewSpeed(ctx context.Context, rt *ort.Runtime, threads int, c SpeedCase) (*Speed, error) {
	set, err := Defaults("sound")
	if err != nil {
		return nil, err
	}
	if c.Exact {
		set.Batch, set.SelectorsEvery, set.BottlenecksEvery, set.LayerTrace = 32, 1, 1, 0
	}
	s := &Speed{SpeedCase: c}
	if err := s.start(ctx, rt, threads, set); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Speed) start(ctx context.Context, rt *ort.Runtime, threads int, set Settings) (err error) {
	r := rand.New(rand.NewPCG(1, 1))
	p := &problem{set: set, report: newReporter(Options{}), L: s.Layers, C: s.Channels, G: 8, V: s.Vertices, e: newEngine(rt, threads)}
	p.e.device = s.Device
	p.Subject = &subject.Subject{Units: s.Vertices}
	for range s.Layers {
		p.widths = append(p.widths, s.Width)
	}
	for v := range s.Vertices {
		p.units, p.mean, p.inv = append(p.units, v), append(p.mean, 0), append(p.inv, 1)
		p.Subject.Positions = append(p.Subject.Positions, [3]float32{100 * r.Float32(), 100 * r.Float32(), 100 * r.Float32()})
	}
	for range set.Batch * s.Vertices {
		p.Subject.Responses = append(p.Subject.Responses, float32(r.NormFloat64()))
	}
	if s.m, err = newModel(p); err != nil {
		p.e.close()
		return err
	}
	for i, shape := range s.m.bottleneck.shape {
		uniform(r, s.m.bottleneck.part(s.m.bottleneck.data, i), shape[1])
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	s.batch(r)
	s.d, err = newDescent(s.m)
	return err
}

// look fits the networks to the map that the package's fits come to.
func (s *Speed) look(ctx context.Context) error {
	const wide = 0.7 // layers over which the selector falls by e
	all := sampleUnits(s.m.V, 4096, 0, streamVertices)
	return s.m.train(ctx, s.m.net, all, streamTargets, "selectors", func(i int, o, g []float32) {
		at := s.m.Subject.Positions[all[i]]
		for k := range 2 {
			x := math.Tanh(float64(o[k]))
			g[k] = float32(2 * (x - 0.8*(float64(at[k])/50-1)) * (1 - x*x))
		}
		L, depth := s.m.L, float64(at[2])/100*float64(s.m.L-1)
		softmax(g[2:2+L], o[2:2+L])
		var sum float64
		for l := range L {
			sum += math.Exp(-math.Abs(float64(l)-depth) / wide)
		}
		for l := range L {
			g[2+l] -= float32(math.Exp(-math.Abs(float64(l)-depth)/wide) / sum)
		}
		g[2+L] = float32(sigmoid(float64(o[2+L])) - float64(at[2])/100)
	})
}

func (s *Speed) batch(r *rand.Rand) {
	n := s.m.set.Batch
	s.x = s.m.newBatch(n)
	for i := range n {
		s.x.images = append(s.x.images, i)
	}
	for _, layer := range s.x.x {
		for i := range layer {
			layer[i] = store.Half(r.Float32() - 0.5)
		}
	}
}

// Close frees the sessions.
func (s *Speed) Close() {
	if s.m == nil {
		return
	}
	if s.d != nil {
		s.d.unbind()
	}
	s.m.e.close()
}

// Round takes the steps from one of the selectors to the next, and says how many images they showed.
func (s *Speed) Round(ctx context.Context) (images int, err error) {
	for range s.m.set.SelectorsEvery {
		if _, err := s.d.step(ctx, s.x, 1); err != nil {
			return images, err
		}
		images += s.m.set.Batch
	}
	return images, nil
}

// Active is the part of the products with all layers that the steps still take, at present.
func (s *Speed) Active() float64 { return s.d.lay.work(s.m.L) }

// FLOP is what one image's share of a step takes in products alone: two for the cells with the layers that
// are read, one for the bottlenecks, one more of each where the bottlenecks move, and the selectors forward
// and backward.
func (s *Speed) FLOP() float64 {
	v, l, d, c := float64(s.Vertices), float64(s.Layers), float64(s.Width), float64(s.Channels)
	moved := 1 / float64(s.m.set.BottlenecksEvery)
	cells := (2 + moved) * 2 * v * 5 * l * c * s.Active()
	bottlenecks := (1 + moved) * 2 * 65 * d * c * l
	forward := 2 * v * (3*reducedWidth*hidden + 3*hidden*hidden + (l+3)*hidden)
	backward := 2 * v * (3*reducedWidth*hidden + 2*3*hidden*hidden + 2*(l+3)*hidden)
	return cells + bottlenecks + (forward+backward)/float64(s.m.set.Batch*s.m.set.SelectorsEvery)
}

// Parts are the seconds spent so far in each part of the steps.
func (s *Speed) Parts() map[string]float64 { return s.m.report.parts }

// GEMM is the FLOP/s of one product [600, 128] x [128, 1920] on all workers at once, the best of many.
func (s *Speed) GEMM(ctx context.Context) (float64, error) {
	const m, k, n = 600, 128, 1920
	g := newGraph("gemm")
	g.gives(g.op("MatMul", g.f32("a", m, k), g.f32("b", k, n)), onnx.Float32, m, n)
	e := s.m.e
	kernel, err := e.loadOnce(g)
	if err != nil {
		return 0, err
	}
	defer kernel.close()
	bindings := make([]binding, e.workers)
	for w := range bindings {
		bindings[w].f32(make([]float32, m*k), m, k).f32(make([]float32, k*n), k, n).gives(make([]float32, m*n), m, n)
		defer bindings[w].close()
	}
	best := 0.0
	for range 20 {
		const reps = 10
		start := time.Now()
		err := e.each(ctx, func(ctx context.Context, w int) error {
			for range reps {
				if err := kernel.run(ctx, w, &bindings[w]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		best = max(best, float64(2*m*k*n*reps*e.workers)/time.Since(start).Seconds())
	}
	return best, nil
}
