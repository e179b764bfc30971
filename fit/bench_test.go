package fit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

// BenchmarkStep times a whole step of descent: selectors, bottlenecks, cells, optimiser; tokens are in memory.
// "default" is what protocol sound does (batches of 16, the selectors on every 8th step), "exact" moves
// everything on every step of 32 images. Besides ms/image it reports the GFLOP/s of the products that the
// step can't do without, their rate over that of a plain matrix product taken in the same run (gemm-ratio:
// 1 would be nothing but products), and the process's peak memory.
//
//	go test ./fit -run - -bench Step
func BenchmarkStep(b *testing.B) {
	for _, kind := range []string{"default", "exact"} {
		for _, size := range []benchSize{
			{37984, 12, 768, 128},
			{2000, 16, 112, 128},
		} {
			b.Run(fmt.Sprintf("%s/V=%d/L=%d/D=%d/C=%d", kind, size.v, size.l, size.d, size.c), func(b *testing.B) { size.run(b, kind) })
		}
	}
}

type benchSize struct{ v, l, d, c int }

func (s benchSize) run(b *testing.B, kind string) {
	set, _ := Defaults("sound")
	if kind == "exact" {
		set.Batch, set.SelectorsEvery = 32, 1
	}
	m := s.model(b, set)
	d, err := newDescent(m)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	x := benchBatch(m, set.Batch)
	step := func() {
		for range set.SelectorsEvery {
			if _, err := d.step(ctx, x, 1); err != nil {
				b.Fatal(err)
			}
		}
	}
	step() // sessions, page faults
	gemm := gemmRate(b, m.e)
	rounds := 0
	for b.Loop() {
		step()
		rounds++
	}
	seconds := b.Elapsed().Seconds()
	images := float64(rounds * set.SelectorsEvery * set.Batch)
	flop := s.flop(set) * images
	b.ReportMetric(1e3*seconds/images, "ms/image")
	b.ReportMetric(flop/seconds/1e9, "GFLOP/s")
	b.ReportMetric(gemm/1e9, "gemm-GFLOP/s")
	b.ReportMetric(flop/seconds/gemm, "gemm-ratio")
	b.ReportMetric(peakMegabytes(), "peak-MB")
	b.ReportMetric(0, "ns/op")
}

// flop is what one image's share of a step takes in products alone: three for the cells, two for the
// bottlenecks, and the selectors forward, again, and backward.
func (s benchSize) flop(set Settings) float64 {
	v, l, d, c := float64(s.v), float64(s.l), float64(s.d), float64(s.c)
	cells := 3 * 2 * v * 5 * l * c
	bottlenecks := 4 * 65 * d * c * l
	forward := 2 * v * (3*codeWidth*hidden + 3*hidden*hidden + (l+3)*hidden)
	backward := 2 * v * (3*codeWidth*hidden + 2*3*hidden*hidden + 2*(l+3)*hidden)
	return cells + bottlenecks + (2*forward+backward)/float64(set.Batch*set.SelectorsEvery)
}

// model is one of random weights whose vertices look all over the image.
func (s benchSize) model(b *testing.B, set Settings) *model {
	r := rand.New(rand.NewPCG(1, 1))
	p := &problem{set: set, report: newReporter(Options{}), L: s.l, C: s.c, G: 8, V: s.v, e: newEngine(orttest.Runtime(b), 0)}
	b.Cleanup(p.e.close)
	p.Subject = &subject.Subject{Units: s.v}
	for range s.l {
		p.widths = append(p.widths, s.d)
	}
	for v := range s.v {
		p.units, p.mean, p.inv = append(p.units, v), append(p.mean, 0), append(p.inv, 1)
		p.Subject.Positions = append(p.Subject.Positions, [3]float32{100 * r.Float32(), 100 * r.Float32(), 100 * r.Float32()})
	}
	for range set.Batch * s.v {
		p.Subject.Responses = append(p.Subject.Responses, float32(r.NormFloat64()))
	}
	m, err := newModel(p)
	if err != nil {
		b.Fatal(err)
	}
	for i, shape := range m.bottleneck.shape {
		uniform(r, m.bottleneck.part(m.bottleneck.data, i), shape[1])
	}
	for i, name := range m.net.params.names {
		if strings.HasSuffix(name, ".2.weight") {
			for k, t := 0, m.net.params.part(m.net.params.data, i); k < len(t); k++ {
				t[k] = float32(r.NormFloat64()) * 0.5
			}
		}
	}
	return m
}

func benchBatch(m *model, n int) *batch {
	r := rand.New(rand.NewPCG(2, 2))
	x := m.newBatch(n)
	for i := range n {
		x.images = append(x.images, i)
	}
	for _, layer := range x.x {
		for i := range layer {
			layer[i] = store.Half(r.Float32() - 0.5)
		}
	}
	return x
}

// gemmRate is the FLOP/s of one product [600, 128] x [128, 1920] on all workers at once, the best of many.
func gemmRate(b *testing.B, e *engine) float64 {
	const m, k, n = 600, 128, 1920
	g := newGraph("gemm")
	g.gives(g.op("MatMul", g.f32("a", m, k), g.f32("b", k, n)), onnx.Float32, m, n)
	kernel, err := e.loadOnce(g)
	if err != nil {
		b.Fatal(err)
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
		err := e.each(context.Background(), func(ctx context.Context, w int) error {
			for range reps {
				if err := kernel.run(ctx, w, &bindings[w]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		best = max(best, float64(2*m*k*n*reps*e.workers)/time.Since(start).Seconds())
	}
	return best
}

// peakMegabytes is the most memory the process has had resident; 0 where the system doesn't say.
func peakMegabytes() float64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
