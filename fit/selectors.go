package fit

import "context"

// selectorBlock is how many vertices go through the networks at once: their hidden activations stay in
// the cache of one core.
const selectorBlock = 384

// network runs some of the selector networks (2) and their gradient over blocks of vertices, from reduced
// position codes.
type network struct {
	heads             []head
	width             int // of an output row
	params            *params
	e                 *engine
	forth, keep, back *kernel
	fold, unfold      *kernel
	basis             []float32   // [reducedWidth, 192]
	folded            []float32   // [heads·128, reducedWidth] the first layers, for reduced codes
	kept              []float32   // what remember left for backward: a1 [n, heads·128], then each head's a2 [n, 128]
	scratch, sums     [][]float32 // a worker's gradients: of one block, and of all its blocks; the first layers' are folded
}

func newNetwork(e *engine, hs []head) (*network, error) {
	n := &network{heads: hs, width: headsWidth(hs), params: selectorParams(hs), e: e, basis: codeBasis()}
	n.folded = make([]float32, n.first()*reducedWidth)
	for _, k := range []struct {
		kernel **kernel
		graph  *graph
	}{
		{&n.forth, selectorsGraph(hs, false)}, {&n.keep, selectorsGraph(hs, true)}, {&n.back, selectorsGradGraph(hs)},
		{&n.fold, foldGraph(n.first())}, {&n.unfold, unfoldGraph(n.first())},
	} {
		var err error
		if *k.kernel, err = e.load(k.graph); err != nil {
			return nil, err
		}
	}
	size := len(n.folded) + n.params.size() - n.first()*codeWidth
	for range e.workers {
		n.scratch = append(n.scratch, make([]float32, size))
		n.sums = append(n.sums, make([]float32, size))
	}
	return n, nil
}

// first is the width of the first layers, side by side.
func (n *network) first() int { return len(n.heads) * hidden }

func blocks(n int) int { return (n + selectorBlock - 1) / selectorBlock }

func block(n, i int) (from, to int) { return i * selectorBlock, min(n, (i+1)*selectorBlock) }

// forward puts the outputs [n, width] of the vertices with reduced position codes [n, reducedWidth] into out.
func (n *network) forward(ctx context.Context, code, out []float32) error {
	return n.through(ctx, n.forth, code, out)
}

// remember is forward for a backward that follows, before the parameters change.
func (n *network) remember(ctx context.Context, code, out []float32) error {
	if need := len(code) / reducedWidth * 2 * n.first(); len(n.kept) != need {
		n.kept = make([]float32, need)
	}
	return n.through(ctx, n.keep, code, out)
}

func (n *network) through(ctx context.Context, k *kernel, code, out []float32) error {
	if err := n.foldFirst(ctx); err != nil {
		return err
	}
	v := len(code) / reducedWidth
	return n.e.spread(ctx, blocks(v), func(ctx context.Context, w, i int) error {
		from, to := block(v, i)
		var b binding
		defer b.close()
		b.f32(code[from*reducedWidth:to*reducedWidth], to-from, reducedWidth).f32(n.folded, n.first(), reducedWidth)
		bindSelectors(n.params, n.heads, n.params.data[n.first()*codeWidth:], b.f32)
		b.gives(out[from*n.width:to*n.width], to-from, n.width)
		if k == n.keep {
			n.bindKept(v, from, to, b.gives)
		}
		return k.run(ctx, w, &b)
	})
}

// foldFirst brings the first layers into the form for reduced codes.
func (n *network) foldFirst(ctx context.Context) error {
	var b binding
	defer b.close()
	b.f32(n.params.data[:n.first()*codeWidth], n.first(), codeWidth).f32(n.basis, reducedWidth, codeWidth)
	b.gives(n.folded, n.first(), reducedWidth)
	return n.fold.run(ctx, 0, &b)
}

// bindKept adds a block's rows of what is kept of v vertices.
func (n *network) bindKept(v, from, to int, add func(data []float32, dims ...int) *binding) {
	f := n.first()
	add(n.kept[from*f:to*f], to-from, f)
	for i := range n.heads {
		a2 := n.kept[v*f+i*v*hidden:]
		add(a2[from*hidden:to*hidden], to-from, hidden)
	}
}

// backward puts the parameters' gradient into grad, from that of the outputs, gout [n, width], that remember
// gave from the same codes.
func (n *network) backward(ctx context.Context, code, gout, grad []float32) error {
	v := len(code) / reducedWidth
	for _, s := range n.sums {
		clear(s)
	}
	err := n.e.spread(ctx, blocks(v), func(ctx context.Context, w, i int) error {
		from, to := block(v, i)
		var b binding
		defer b.close()
		b.f32(code[from*reducedWidth:to*reducedWidth], to-from, reducedWidth)
		b.f32(gout[from*n.width:to*n.width], to-from, n.width)
		n.bindKept(v, from, to, b.f32)
		for i := 2 * len(n.heads); i < len(n.params.names); i += 3 { // w1, b1, w2 of a head
			b.f32(n.params.part(n.params.data, i), n.params.shape[i]...)
			b.f32(n.params.part(n.params.data, i+2), n.params.shape[i+2]...)
		}
		b.gives(n.scratch[w][:len(n.folded)], n.first(), reducedWidth)
		bindSelectors(n.params, n.heads, n.scratch[w][len(n.folded):], b.gives)
		if err := n.back.run(ctx, w, &b); err != nil {
			return err
		}
		axpy(1, n.scratch[w], n.sums[w])
		return nil
	})
	if err != nil {
		return err
	}
	sum := n.sums[0]
	for _, s := range n.sums[1:] {
		axpy(1, s, sum)
	}
	rest := n.first() * codeWidth
	copy(grad[rest:], sum[len(n.folded):])
	var b binding
	defer b.close()
	b.f32(sum[:len(n.folded)], n.first(), reducedWidth).f32(n.basis, reducedWidth, codeWidth)
	b.gives(grad[:rest], n.first(), codeWidth)
	return n.unfold.run(ctx, 0, &b)
}

// look sets the picks of all vertices with reduced position codes [V, reducedWidth]; remember is the pass of
// that name.
func (n *network) look(ctx context.Context, code []float32, s *selection, out []float32, remember bool) error {
	pass := n.forward
	if remember {
		pass = n.remember
	}
	if err := pass(ctx, code, out); err != nil {
		return err
	}
	v := len(code) / reducedWidth
	return n.e.each(ctx, func(_ context.Context, w int) error {
		from, to := n.e.share(v, w)
		s.set(from, out[from*n.width:to*n.width])
		return nil
	})
}
