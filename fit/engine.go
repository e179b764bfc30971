package fit

import (
	"context"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort"

	"golang.org/x/sync/errgroup"
)

// engine runs graphs on a fixed number of workers, each with sessions of one thread of its own. Work is
// given to workers by rule, never by who is free, so sums are always taken in the same order.
type engine struct {
	rt      *ort.Runtime
	device  string // of the sessions: ort.CPU (also "") or ort.CUDA
	workers int
	kernels []*kernel
}

func newEngine(rt *ort.Runtime, threads int) *engine {
	return &engine{rt: rt, workers: ort.Threads(threads)}
}

func (e *engine) close() {
	for _, k := range e.kernels {
		k.close()
	}
	e.kernels = nil
}

// kernel is a graph, loaded once for each worker.
type kernel struct {
	name     string
	sessions []*ort.Session
}

// load opens a graph; the engine closes it.
func (e *engine) load(g *graph) (*kernel, error) {
	k, err := e.loadOnce(g)
	if err != nil {
		return nil, err
	}
	e.kernels = append(e.kernels, k)
	return k, nil
}

// loadOnce opens a graph that its caller closes.
func (e *engine) loadOnce(g *graph) (*kernel, error) {
	k := &kernel{name: g.name}
	model := g.Model()
	for range e.workers {
		s, err := e.rt.Open(model, g.in, g.out, ort.Options{Threads: 1, Device: e.device})
		if err != nil {
			k.close()
			return nil, fault.New(fault.Bug, "graph %s: %w", g.name, err)
		}
		k.sessions = append(k.sessions, s)
	}
	return k, nil
}

// close may be called on nil, a graph that could not be opened.
func (k *kernel) close() {
	if k == nil {
		return
	}
	for _, s := range k.sessions {
		s.Close()
	}
	k.sessions = nil
}

// run computes the graph on worker w.
func (k *kernel) run(ctx context.Context, w int, b *binding) error {
	if b.err != nil {
		return b.err
	}
	return k.sessions[w].Run(ctx, b.in, b.out)
}

// each runs f once for each worker, at the same time.
func (e *engine) each(ctx context.Context, f func(ctx context.Context, w int) error) error {
	if e.workers == 1 {
		return f(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	for w := range e.workers {
		g.Go(func() error { return f(ctx, w) })
	}
	return g.Wait()
}

// share is worker w's contiguous part of n things.
func (e *engine) share(n, w int) (from, to int) {
	return n * w / e.workers, n * (w + 1) / e.workers
}

// spread gives each of n jobs to worker i mod workers, in order.
func (e *engine) spread(ctx context.Context, n int, f func(ctx context.Context, w, i int) error) error {
	return e.each(ctx, func(ctx context.Context, w int) error {
		for i := w; i < n; i += e.workers {
			if err := f(ctx, w, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// binding is a Run's tensors: views of slices, made once and used as often as they stay what they are.
type binding struct {
	in, out []*ort.Tensor
	err     error
}

func (b *binding) add(to *[]*ort.Tensor, t *ort.Tensor, err error) {
	*to = append(*to, t)
	if err != nil && b.err == nil {
		b.err = err
	}
}

func dims64(dims []int) []int64 {
	d := make([]int64, len(dims))
	for i, x := range dims {
		d[i] = int64(x)
	}
	return d
}

func (b *binding) f32(data []float32, dims ...int) *binding {
	t, err := ort.NewF32(data, dims64(dims)...)
	b.add(&b.in, t, err)
	return b
}

func (b *binding) f64(data []float64, dims ...int) *binding {
	t, err := ort.NewF64(data, dims64(dims)...)
	b.add(&b.in, t, err)
	return b
}

func (b *binding) f16(data []uint16, dims ...int) *binding {
	t, err := ort.NewF16(data, dims64(dims)...)
	b.add(&b.in, t, err)
	return b
}

func (b *binding) i64(data []int64, dims ...int) *binding {
	t, err := ort.NewI64(data, dims64(dims)...)
	b.add(&b.in, t, err)
	return b
}

func (b *binding) gives(data []float32, dims ...int) *binding {
	t, err := ort.NewF32(data, dims64(dims)...)
	b.add(&b.out, t, err)
	return b
}

func (b *binding) gives64(data []float64, dims ...int) *binding {
	t, err := ort.NewF64(data, dims64(dims)...)
	b.add(&b.out, t, err)
	return b
}

func (b *binding) gives16(data []uint16, dims ...int) *binding {
	t, err := ort.NewF16(data, dims64(dims)...)
	b.add(&b.out, t, err)
	return b
}

// close gives the tensors back; the binding can be filled again.
func (b *binding) close() {
	for _, t := range b.in {
		t.Close()
	}
	for _, t := range b.out {
		t.Close()
	}
	b.in, b.out, b.err = b.in[:0], b.out[:0], nil
}
