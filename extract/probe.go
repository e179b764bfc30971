package extract

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// probe runs the network on noise to learn the candidates' shapes and which of their axes are the grid.
type probe struct {
	net        *Network
	candidates []Candidate
	session    *ort.Session
	base       []float32 // the noise picture, in the network's scale
}

// raw is a candidate's tensor as it came.
type raw struct {
	dims []int64
	data []float32
}

// probeLayers finds out what the candidates' tensors are. Those without a token grid are left out, each with
// a warning.
func (n *Network) probeLayers(ctx context.Context, rt *ort.Runtime, candidates []Candidate, threads int) ([]store.Layer, error) {
	p, err := n.newProbe(rt, candidates, threads)
	if err != nil {
		return nil, err
	}
	defer p.session.Close()
	one, two, err := p.shapes(ctx)
	if err != nil {
		return nil, err
	}
	fits := make([][]layout, len(candidates))
	for i, c := range candidates {
		var second []int64
		if two != nil {
			second = two[i].dims
		}
		var why string
		if fits[i], why = layouts(one[i].dims, second, max(n.feed.frozen, 1), n.feed.h, n.feed.w); why != "" {
			n.leaveOut(c, why)
		}
	}
	if err := p.decide(ctx, one, fits); err != nil {
		return nil, err
	}
	return n.layers(candidates, fits), nil
}

func (n *Network) leaveOut(c Candidate, why string) {
	n.warn("layer-without-grid", "%s (%s, %s) is left out: %s", c.Name, c.Kind, c.Tensor, why)
}

func (n *Network) newProbe(rt *ort.Runtime, candidates []Candidate, threads int) (*probe, error) {
	b := onnx.NewBuilder(n.Model.Opset())
	var outputs []string
	for _, c := range candidates {
		out := n.numbers(b, c.Tensor)
		b.Output(out, onnx.Undefined)
		outputs = append(outputs, out)
	}
	s, err := n.session(rt, b, outputs, threads)
	if err != nil {
		return nil, err
	}
	p := &probe{net: n, candidates: candidates, session: s, base: make([]float32, n.feed.numbers())}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range p.base {
		p.base[i] = float32(r.NormFloat64())
	}
	return p, nil
}

// shapes runs one picture, and two where the batch is free. A network that declares a free batch and fails
// with two is taken to have a frozen one.
func (p *probe) shapes(ctx context.Context) (one, two []raw, err error) {
	n := max(p.net.feed.frozen, 1)
	if one, err = p.run(ctx, p.base, int(n)); err != nil {
		return nil, nil, err
	}
	if p.net.feed.frozen > 0 {
		if n > 1 {
			p.net.warn("frozen-batch", "the export fixed %d images a batch; the last batch is filled up", n)
		}
		return one, nil, nil
	}
	two, err = p.run(ctx, p.base, 2)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if err != nil {
		p.net.feed.frozen = 1
		p.net.warn("frozen-batch", "the network runs one image at a time only, although its input declares a free batch; export it with a batch of 2 as example and a free first axis")
		return one, nil, nil
	}
	return one, two, nil
}

// run feeds n copies of a picture.
func (p *probe) run(ctx context.Context, x []float32, n int) ([]raw, error) {
	room := p.net.feed.room(n)
	for i := range n {
		room.set(i, x)
	}
	in, err := room.tensors(n)
	if err != nil {
		return nil, err
	}
	defer closeAll(in)
	out := make([]*ort.Tensor, len(p.candidates))
	if err := p.session.Run(ctx, in, out); err != nil {
		return nil, err
	}
	defer closeAll(out)
	got := make([]raw, len(out))
	for i, t := range out {
		got[i] = raw{slices.Clone(t.Dims()), slices.Clone(t.F32())}
	}
	return got, nil
}

// decide settles which reading of each tensor is right, and leaves one in fits, or none. Small squares of the
// picture are changed: the token that changes most must be the one that the square lies in. Sequences are
// always tried, since their tokens need not lie in raster order; maps only where two readings fit. Layers of
// one shape are judged together, which makes deep layers, whose tokens look at everything, lean on others.
func (p *probe) decide(ctx context.Context, one []raw, fits [][]layout) error {
	groups := map[string][]int{}
	var order []string
	h, w := 0, 0
	for i, f := range fits {
		if len(f) == 0 || len(f) == 1 && (f[0].kind == NCHW || f[0].kind == NHWC) {
			continue
		}
		key := fmt.Sprint(one[i].dims)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
		for _, l := range f {
			h, w = max(h, l.h), max(w, l.w)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	points, err := p.perturb(ctx, one, fits, h, w)
	if err != nil {
		return err
	}
	for _, key := range order {
		if err := p.judge(ctx, one, groups[key], fits, points); err != nil {
			return err
		}
	}
	return nil
}

// perturb gives points, for every reading of every tensor and each of four pictures: two if the token at the
// changed square moved most, one if a neighbour did. Behind strided convolutions a token's field is centred up
// to half a token beside its square.
func (p *probe) perturb(ctx context.Context, one []raw, fits [][]layout, h, w int) ([][]int, error) {
	f, n := p.net.feed, p.images()
	points := make([][]int, len(fits))
	for i := range fits {
		points[i] = make([]int, len(fits[i]))
	}
	for _, square := range patches(h, w, f.h, f.w) {
		moved, err := p.run(ctx, f.changed(p.base, square.holds), n)
		if err != nil {
			return nil, err
		}
		for i := range fits {
			for k, l := range fits[i] {
				points[i][k] += l.closeness(l.mostChanged(one[i].data, moved[i].data, n), square.cell(l.h, l.w, f.h, f.w))
			}
		}
	}
	return points, nil
}

// images is how many images a run of one picture takes.
func (p *probe) images() int { return int(max(p.net.feed.frozen, 1)) }

// changed is the picture with some pixels brighter.
func (f *feed) changed(x []float32, where func(row, column int) bool) []float32 {
	y := slices.Clone(x)
	for row := range f.h {
		for column := range f.w {
			if !where(row, column) {
				continue
			}
			for c := range 3 {
				at := (c*f.h+row)*f.w + column
				if f.card.Layout == NHWC {
					at = (row*f.w+column)*3 + c
				}
				y[at] += 3
			}
		}
	}
	return y
}

// judge keeps the reading of a group with most points. Maps need one a picture on average: on a 7x7 grid a
// wrong reading gets a fifth of a point by chance. Sequences that get less than three quarters of all points
// may lie window by window, where on small grids many a token is its cell's neighbour: their order is learnt.
func (p *probe) judge(ctx context.Context, one []raw, group []int, fits [][]layout, points [][]int) error {
	sum := make([]int, len(fits[group[0]]))
	for _, i := range group {
		for k, n := range points[i] {
			sum[k] += n
		}
	}
	best := 0
	for k := range sum {
		if sum[k] > sum[best] {
			best = k
		}
	}
	enough := 4
	if kind := fits[group[0]][best].kind; kind == NLC || kind == LNC {
		enough = 6
	}
	if sum[best] >= enough*len(group) {
		for _, i := range group {
			fits[i] = fits[i][best : best+1]
		}
		return nil
	}
	if enough == 6 {
		if ok, err := p.learn(ctx, one, group, fits); ok || err != nil {
			return err
		}
	}
	for _, i := range group {
		fits[i] = nil
		p.net.leaveOut(p.candidates[i], "its tokens don't lie in the picture's order: where the picture was changed, tokens elsewhere moved most")
	}
	return nil
}

// layers makes the store's layers of what was decided, numbered in order.
func (n *Network) layers(candidates []Candidate, fits [][]layout) []store.Layer {
	var ls []store.Layer
	for i, c := range candidates {
		if len(fits[i]) == 0 {
			continue
		}
		l := fits[i][0]
		global := GlobalMean
		if l.prefix > 0 {
			global = GlobalCLS
		}
		why := c.Why
		if n.orders[c.Tensor] != nil {
			why += "; its tokens lie window by window, in an order that was learnt"
		}
		ls = append(ls, store.Layer{Index: len(ls), Name: c.Name, Tensor: c.Tensor, Kind: c.Kind, Layout: l.kind, Width: l.width,
			Grid: [2]int{l.h, l.w}, Prefix: l.prefix, Global: global, Why: why})
	}
	return ls
}

// noLayers is the fault for a network of whose layers none has a grid.
func (n *Network) noLayers() error {
	text := "no layer has a grid of tokens"
	if len(n.Warnings) > 0 {
		text += ": " + n.Warnings[len(n.Warnings)-1].Text
	}
	return fault.Inputf("%s", text).In("%s", n.Path)
}
