package fit

import "context"

// selectorBlock is how many vertices go through the networks at once: their hidden activations stay in
// the cache of one core.
const selectorBlock = 512

// network runs some of the selector networks (2) and their gradient over blocks of vertices.
type network struct {
	heads         []head
	width         int // of an output row
	params        *params
	e             *engine
	forth, back   *kernel
	scratch, sums [][]float32 // a worker's gradients: of one block, and of all its blocks
}

func newNetwork(e *engine, hs []head) (*network, error) {
	n := &network{heads: hs, width: headsWidth(hs), params: selectorParams(hs), e: e}
	var err error
	if n.forth, err = e.load(selectorsGraph(hs, false)); err != nil {
		return nil, err
	}
	if n.back, err = e.load(selectorsGraph(hs, true)); err != nil {
		return nil, err
	}
	for range e.workers {
		n.scratch = append(n.scratch, make([]float32, n.params.size()))
		n.sums = append(n.sums, make([]float32, n.params.size()))
	}
	return n, nil
}

func blocks(n int) int { return (n + selectorBlock - 1) / selectorBlock }

func block(n, i int) (from, to int) { return i * selectorBlock, min(n, (i+1)*selectorBlock) }

// forward puts the outputs [n, width] of the vertices with position code [n, 192] into out.
func (n *network) forward(ctx context.Context, code, out []float32) error {
	v := len(code) / codeWidth
	return n.e.spread(ctx, blocks(v), func(ctx context.Context, w, i int) error {
		from, to := block(v, i)
		var b binding
		defer b.close()
		b.f32(code[from*codeWidth:to*codeWidth], to-from, codeWidth)
		bindSelectors(n.params, n.heads, n.params.data, b.f32)
		b.gives(out[from*n.width:to*n.width], to-from, n.width)
		return n.forth.run(ctx, w, &b)
	})
}

// backward puts the parameters' gradient into grad, from that of the outputs, gout [n, width].
func (n *network) backward(ctx context.Context, code, gout, grad []float32) error {
	v := len(code) / codeWidth
	for _, s := range n.sums {
		clear(s)
	}
	err := n.e.spread(ctx, blocks(v), func(ctx context.Context, w, i int) error {
		from, to := block(v, i)
		var b binding
		defer b.close()
		b.f32(code[from*codeWidth:to*codeWidth], to-from, codeWidth)
		bindSelectors(n.params, n.heads, n.params.data, b.f32)
		b.f32(gout[from*n.width:to*n.width], to-from, n.width)
		bindSelectors(n.params, n.heads, n.scratch[w], b.gives)
		if err := n.back.run(ctx, w, &b); err != nil {
			return err
		}
		axpy(1, n.scratch[w], n.sums[w])
		return nil
	})
	if err != nil {
		return err
	}
	copy(grad, n.sums[0])
	for _, s := range n.sums[1:] {
		axpy(1, s, grad)
	}
	return nil
}

// look sets the picks of all vertices with position code [V, 192].
func (n *network) look(ctx context.Context, code []float32, s *selection, out []float32) error {
	if err := n.forward(ctx, code, out); err != nil {
		return err
	}
	v := len(code) / codeWidth
	return n.e.each(ctx, func(_ context.Context, w int) error {
		from, to := n.e.share(v, w)
		s.set(from, out[from*n.width:to*n.width])
		return nil
	})
}
