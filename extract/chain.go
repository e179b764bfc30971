package extract

import (
	"slices"
	"strings"
)

// link is one vertex of the chain of dominators, with everything that lies between the link before and it.
type link struct {
	vertex   int
	members  []int           // vertices of the segment, the link's own included, ascending
	count    map[product]int // products among them
	active   bool            // an activation is among them
	swaps    bool            // tokens and channels change places: a product there mixes tokens
	concats  []int           // concatenations on the way, in order
	shortcut bool            // a way round some of the products exists
}

// chain is the way from the picture to a target: each link is passed by everything that reaches the target.
// Along a residual network the links are the residual stream and nothing else.
type chain struct {
	*flow
	links   []link
	fusions map[int]bool // links whose segments hold streams of blocks
	root    int          // the vertex that it begins behind: 0, the picture, but for the streams beside the chain
}

// newChain builds the chain to the target that shows most of the network.
func newChain(f *flow) *chain {
	c := &chain{flow: f}
	c.build(f.target())
	return c
}

// build makes the links between the root and a target.
func (c *chain) build(target int) {
	for i := target; i > c.root; i = c.vertices[i].dominator {
		c.links = append(c.links, link{vertex: i, count: map[product]int{}})
	}
	slices.Reverse(c.links)
	c.fill(target)
	for i := range c.links {
		c.links[i].shortcut = c.hasShortcut(i)
	}
}

// target is the vertex with most residual sums and joined branches on its chain; in a network without any,
// the one with most products on it. An output of the model is preferred, unless it has fewer than 60 % of
// them: then the outputs lie behind skip connections (U-Nets, edge detectors with side outputs), and the
// chain to the bottleneck is the encoder. Where no features are enlarged again, a way round many of the sums (MobileViT puts
// one round a whole transformer) is a unit's own, and an output will do with half of the products. Further outputs and
// auxiliary heads do no harm.
func (f *flow) target() int {
	score, steps := f.scores(), f.steps()
	better := func(a, b int) bool {
		if b < 0 {
			return true
		}
		va, vb := &f.vertices[a], &f.vertices[b]
		switch {
		case score[a] != score[b]:
			return score[a] > score[b]
		case va.output != vb.output:
			return va.output
		}
		return va.depth > vb.depth
	}
	best, output := -1, -1
	for i := len(f.vertices) - 1; i > 0; i-- {
		if !f.vertices[i].kept {
			continue
		}
		if better(i, best) {
			best = i
		}
		if f.vertices[i].output && better(i, output) {
			output = i
		}
	}
	if 10*score[output] >= 6*score[best] || !f.vertices[output].decoder && 2*steps[output] >= steps[best] {
		return output
	}
	return best
}

// steps counts, for each vertex, the links of its chain that multiply or join.
func (f *flow) steps() []int {
	steps := make([]int, len(f.vertices))
	for i := 1; i < len(f.vertices); i++ {
		v := &f.vertices[i]
		steps[i] = steps[v.dominator]
		if v.product.learned() || v.branches {
			steps[i]++
		}
	}
	return steps
}

// scores counts, for each vertex, the joins on its chain, or the links with products where nothing joins.
func (f *flow) scores() []int {
	score := make([]int, len(f.vertices))
	most := 0
	for i := range f.vertices {
		if f.vertices[i].kept {
			score[i] = f.vertices[i].joins
			most = max(most, score[i])
		}
	}
	if most > 0 {
		return score
	}
	for i := 1; i < len(f.vertices); i++ {
		v := &f.vertices[i]
		score[i] = score[v.dominator]
		if v.product.learned() && !v.decoder {
			score[i]++
		}
	}
	return score
}

// fill assigns every vertex that the target depends on to the segment that it lies in.
func (c *chain) fill(target int) {
	place := map[int]int{}
	for i := range c.links {
		place[c.links[i].vertex] = i
	}
	wanted := map[int]bool{target: true}
	for i := target; i > c.root; i-- {
		if !wanted[i] {
			continue
		}
		v := &c.vertices[i]
		for _, p := range v.inputs {
			wanted[p] = true
		}
		at, isLink := place[i]
		if !isLink {
			at = c.segmentOf(i, place)
		}
		c.links[at].take(i, v, isLink)
	}
	for i := range c.links {
		slices.Reverse(c.links[i].members)
		slices.Reverse(c.links[i].concats)
	}
}

// segmentOf finds the segment of a vertex between links: the one behind its nearest dominating link.
func (c *chain) segmentOf(i int, place map[int]int) int {
	for j := i; j > 0; j = c.vertices[j].dominator {
		if q, ok := place[j]; ok {
			return q + 1
		}
	}
	return 0
}

func (l *link) take(i int, v *vertex, isLink bool) {
	l.members = append(l.members, i)
	if v.product != none {
		l.count[v.product]++
	}
	l.active = l.active || activations[baseOp(v.node)]
	l.swaps = l.swaps || v.node.Op == "Transpose" && slices.Equal(v.node.Ints("perm"), []int64{0, 2, 1})
	if v.node.Op == "Concat" && !isLink && len(v.inputs) > 1 {
		l.concats = append(l.concats, i)
	}
}

// hasShortcut says whether the segment's end can be reached past fewer products one way than another, as in
// every residual sum.
func (c *chain) hasShortcut(at int) bool {
	from := c.root
	if at > 0 {
		from = c.links[at-1].vertex
	}
	fewest, most := map[int]int{from: 0}, map[int]int{from: 0}
	for _, i := range c.links[at].members {
		v := &c.vertices[i]
		lo, hi := 1<<30, 0
		for _, p := range v.inputs {
			lo, hi = min(lo, fewest[p]), max(hi, most[p])
		}
		if v.product.learned() {
			lo, hi = lo+1, hi+1
		}
		fewest[i], most[i] = lo, hi
	}
	return fewest[c.links[at].vertex] < most[c.links[at].vertex]
}

// weighted says whether the segment holds a learned product.
func (l *link) weighted() bool {
	for p, n := range l.count {
		if n > 0 && p.learned() {
			return true
		}
	}
	return false
}

// convolves says whether the segment holds a convolution.
func (l *link) convolves() bool { return l.count[spatial]+l.count[depthwise]+l.count[pointwise] > 0 }

// single says whether the link stands alone between its neighbours.
func (l *link) single() bool { return len(l.members) == 1 }

// signature lists the segment's products, for people and for the search for repeated patterns: C2c1 is two
// wide convolutions and a 1x1.
func (l *link) signature() string {
	var b strings.Builder
	for _, p := range []byte(products) {
		if n := l.count[product(p)]; n > 0 {
			b.WriteByte(p)
			b.WriteString(itoa(n))
		}
	}
	if l.swaps {
		b.WriteByte('T')
	}
	return b.String()
}

// op is the operator of the link itself.
func (c *chain) op(at int) string { return c.vertices[c.links[at].vertex].node.Op }

// plain says whether no learned product lies behind link a up to link b, but for gates of channels and convolutions of each
// channel for itself, neither strided nor activated (TinyViT has one between attention and MLP).
func (c *chain) plain(a, b int) bool {
	for i := a + 1; i <= b; i++ {
		if c.links[i].weighted() && !c.gates(i) && !c.smooths(i) {
			return false
		}
	}
	return true
}

// smooths says whether a link is a depthwise convolution without strides or activation, alone.
func (c *chain) smooths(i int) bool {
	l := &c.links[i]
	return l.single() && l.count[depthwise] == 1 && !reduces(c.vertices[l.vertex].node) && c.behind(i, activations) == i
}

// contains says whether the segment of a link holds an operator.
func (c *chain) contains(at int, op string) bool {
	return slices.ContainsFunc(c.links[at].members, func(i int) bool { return c.vertices[i].node.Op == op })
}
