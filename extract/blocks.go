package extract

import (
	"fmt"
	"slices"
	"strings"
)

// block is a repeated unit of the network, between two links of the chain.
type block struct {
	start, end int // links: its input (−1 for the picture) and its output
	join       int // link of its last sum or concatenation
	signature  string
	concat     bool // it ends in a concatenation of branches
	activated  bool // an activation follows the join
	class      bool // its attention reaches the class token only
}

// blocks finds the network's units: segments with branches, each moved to where its output is complete,
// attention joined with the channel mixing behind it, repeated groups joined.
//
//	x ──┬── products ──┬─ + ── activation?      one segment: a residual block of a convolutional net
//	    └──────────────┘
//	x ──┬─ attention ──┬─ + ──┬─ products ─┬─ +  two segments, one block of a transformer
//	    └──────────────┘      └────────────┘
func (c *chain) blocks() []block {
	bs := slices.DeleteFunc(c.branching(), func(b block) bool { return c.reshapes(b) })
	if c.front(bs) {
		bs = bs[1:]
	}
	c.moveEnds(bs)
	c.takeMixing(bs)
	return c.joinRepeated(c.joinMixers(c.joinLinear(bs)))
}

// takeMixing moves the ends of units that mix tokens channel by channel over the 1x1 convolution behind each of them, which
// no way leads round (ConvMixer).
func (c *chain) takeMixing(bs []block) {
	if len(bs) < 3 {
		return
	}
	ends := make([]int, len(bs))
	for k, b := range bs {
		if strings.ContainsAny(b.signature, "CcmMSART") || !c.isPointwise(b.end+1) {
			return
		}
		ends[k] = c.behind(b.end+1, activations)
		if e := ends[k] + 1; e < len(c.links) && c.op(e) == "BatchNormalization" {
			ends[k] = e
		}
		if k+1 < len(bs) && (bs[k+1].start < ends[k] || !c.plain(ends[k], bs[k+1].start)) {
			return
		}
	}
	for k := range bs {
		bs[k].end = ends[k]
	}
}

// joinLinear takes units apart that only add convolutions up: without anything bent in between, such a sum is one
// convolution (RepVGG's, before its branches are folded; x + depthwise(x), which tells tokens where they are in Twins and
// SHViT). It belongs to the unit right behind it; with an activation in front of the first unit it is the stem's, and in front
// of a reduction the reduction's. Where fewer than a third of the units are more than that, such sums are the network's blocks.
func (c *chain) joinLinear(bs []block) []block {
	linear := func(b block) bool { return c.linear(c.links[b.join].vertex, c.links[b.join].members) }
	bent := 0
	for _, b := range bs {
		if !linear(b) {
			bent++
		}
	}
	if 3*bent < len(bs) {
		return bs
	}
	var joined []block
	var waiting *block
	for _, b := range bs {
		if waiting != nil && c.plain(waiting.end, b.start) {
			b.start, b.signature = waiting.start, waiting.signature+"|"+b.signature
		}
		waiting = nil
		switch {
		case !linear(b):
			joined = append(joined, b)
		case len(joined) > 0 || c.behind(b.join, activations) == b.join:
			waiting = &b
		}
	}
	return joined
}

// linear says whether a vertex is a sum of convolutions, some of them perhaps scaled by constants; members are the vertices
// between its dominator and it.
func (f *flow) linear(sum int, members []int) bool {
	if !isSum(f.vertices[sum].node) {
		return false
	}
	for _, i := range members {
		v := &f.vertices[i]
		switch op := baseOp(v.node); {
		case v.product == spatial, v.product == depthwise, v.product == pointwise:
		case op == "Add", op == "Sum", op == "Sub", op == "BatchNormalization", op == "Pad", op == "QuantizeLinear", op == "DequantizeLinear":
		case (op == "Mul" || op == "Div") && len(v.inputs) == 1:
		default:
			return false
		}
	}
	return true
}

// front says whether the first block is a concatenation right behind the picture in a network whose others, three or
// more, are sums: two kinds of filters side by side (VOneNet's simple and complex cells), part of the stem.
func (c *chain) front(bs []block) bool {
	if len(bs) < 4 || !bs[0].concat || !c.plain(-1, bs[0].start) {
		return false
	}
	return !slices.ContainsFunc(bs[1:], func(b block) bool { return b.concat })
}

// reshapes says whether a block only brings the class token and the others to another width and grid, each by a product
// of its own, and joins them again (PiT's pooling).
func (c *chain) reshapes(b block) bool {
	l := &c.links[b.end]
	products := 0
	for p, n := range l.count {
		if p.learned() {
			products += n
		}
	}
	if !b.concat || products != 2 || l.count[dense] != 1 || l.count[pairwise]+l.count[attention] > 0 {
		return false
	}
	slices := 0
	for _, i := range l.members {
		if op := c.vertices[i].node.Op; op == "Slice" || op == "Split" || op == "Gather" {
			slices++
		}
	}
	return slices > 0
}

// branching lists the segments that hold products and end in a sum or concatenation of branches. LayerNorm,
// GELU, SiLU and squeeze-excitation spelt out in small operators end in Div, Mul or Sub and aren't taken.
func (c *chain) branching() []block {
	var bs []block
	for i := range c.links {
		l, v := &c.links[i], &c.vertices[c.links[i].vertex]
		if l.single() || !l.weighted() && l.count[pooling] == 0 || len(v.inputs) < 2 {
			continue
		}
		if c.mixed(i) || v.decoder {
			continue
		}
		sum := isSum(v.node) && (l.shortcut || l.convolves() || !l.weighted())
		concat := isConcat(v.node) && (l.weighted() || l.count[pooling] > 1) // pools of several sizes: SPP
		if sum || concat {
			bs = append(bs, block{start: i - 1, end: i, join: i, signature: l.signature(), concat: concat, class: c.attendsForClass(i)})
		}
	}
	return bs
}

// mixed says whether a concatenation is one convolution in parts: channels are split, each part is convolved once, with a
// kernel of its own, and they are put together again (MixNet).
func (c *chain) mixed(at int) bool {
	l := &c.links[at]
	if l.single() || !isConcat(c.vertices[l.vertex].node) || l.active {
		return false
	}
	parts := 0
	for _, i := range l.members {
		v := &c.vertices[i]
		switch op := v.node.Op; {
		case i == l.vertex, op == "Split", op == "Slice", op == "Pad", op == "BatchNormalization":
		case v.product == spatial, v.product == depthwise, v.product == pointwise:
			parts++
		default:
			return false
		}
	}
	return parts > 1 && parts == len(c.vertices[l.vertex].inputs)
}

// attendsForClass says whether a segment's attention is for the class token alone, as in the last blocks of
// XCiT and VOLO: what it finds is put in front of tokens that met no product, and no product follows.
func (c *chain) attendsForClass(at int) bool {
	if c.links[at].convolves() { // MobileViT, which fuses what it joins
		return false
	}
	type passed struct{ product, attention, class bool }
	state := map[int]passed{}
	for _, i := range c.links[at].members {
		v := &c.vertices[i]
		var s passed
		bare, attended := false, false
		for _, p := range v.inputs {
			q := state[p] // zero for the segment's own input
			s = passed{s.product || q.product, s.attention || q.attention, s.class || q.class}
			bare, attended = bare || !q.product, attended || q.attention
		}
		switch {
		case isConcat(v.node) && bare && attended:
			s.class = true
		case v.product.learned():
			s = passed{true, s.attention || v.product == pairwise || v.product == attention, false}
		}
		state[i] = s
	}
	return state[c.links[at].vertex].class
}

// moveEnds moves each block's end over the activation right behind it, and over a norm where most blocks
// have one there (post-norm networks).
func (c *chain) moveEnds(bs []block) {
	normed := 0
	for _, b := range bs {
		if c.behindNorm(b.end) != b.end {
			normed++
		}
	}
	activated := c.activated(bs)
	fuse := c.fusing(bs)
	for k := range bs {
		bs[k].end = c.behindFusion(bs[k], fuse)
		if activated[c.links[bs[k].end].convolves()] {
			end := c.behind(bs[k].end, activations)
			bs[k].activated, bs[k].end = end > bs[k].end, end
		}
		bs[k].end = c.behindShuffle(bs[k])
		if normed > 2 && normed*10 >= len(bs)*6 {
			bs[k].end = c.behindNorm(bs[k].end)
		}
	}
}

// activated says whether blocks with convolutions, and those without, have an activation right behind them as a
// rule: three of four do. Fewer are networks that activate in front of products (NF-ResNet), where the shortcut of a
// stage's first block happens to start behind the activation.
func (c *chain) activated(bs []block) map[bool]bool {
	all, with := map[bool]int{}, map[bool]int{}
	for _, b := range bs {
		if c.fusions[b.join] {
			continue // where HRNet's streams meet
		}
		kind := c.links[b.end].convolves()
		all[kind]++
		if e := c.behind(b.end, activations); e != b.end || b.concat {
			with[kind]++
		}
	}
	return map[bool]bool{false: 4*with[false] >= 3*all[false], true: 4*with[true] >= 3*all[true]}
}

// fusing says which convolutions right behind concatenations belong to the units there.
type fusing struct {
	own  bool // also where all branches hold products (CSP, ELAN)
	pair bool // two 1x1 convolutions in a row (HGNet)
}

// fusing decides it for the whole network. A 1x1 convolution between two concatenations may be the end of one unit
// (ELAN) or the beginning of the next (SqueezeNet). Where something else follows it, it is the end of one; where
// something else comes before it, the beginning.
func (c *chain) fusing(bs []block) fusing {
	ends, begins, pairs, bare := 0, 0, 0, 0
	for k, b := range bs {
		if !b.concat || b.class {
			continue
		}
		behind := b.end + 1
		if c.isPointwise(behind) {
			end := c.behind(behind, activations)
			if k+1 == len(bs) || !bs[k+1].concat || end < bs[k+1].start {
				ends++
			}
			if c.bareBranch(b.end) {
				bare++
				if c.isPointwise(end + 1) {
					pairs++
				}
			}
		}
		before := b.start
		for before > 0 && !c.links[before].weighted() {
			before--
		}
		if before > 0 && c.isPointwise(before) && (k == 0 || bs[k-1].end+1 < before) {
			begins++
		}
	}
	return fusing{ends > begins, 2*pairs > bare}
}

// behindFusion is the link of the convolutions that bring a concatenation back to its width, where the unit's own
// input, or a part of it, is among the branches (VoVNet, HGNet, MobileViT), and of the gate behind them. Where
// all branches hold products, the whole network tells whose such a convolution is.
func (c *chain) behindFusion(b block, fuse fusing) int {
	end := b.end
	if !b.concat || b.class {
		return end
	}
	next := end + 1
	switch {
	case next == len(c.links) || !c.links[next].single() || !c.links[next].convolves():
	case c.bareBranch(end), fuse.own && c.isPointwise(next):
		end = c.behind(next, activations)
		for next = end + 1; fuse.pair && c.isPointwise(b.end+1) && c.isPointwise(next); next = end + 1 {
			end = c.behind(next, activations)
		}
	}
	if next := end + 1; end > b.end && next < len(c.links) && c.gates(next) {
		end = next
	}
	return end
}

// behindShuffle is the link behind an exchange of channels between the branches of a concatenation (ShuffleNet).
func (c *chain) behindShuffle(b block) int {
	end := b.end
	if !b.concat || end+3 >= len(c.links) || c.op(end+1) != "Reshape" || c.op(end+2) != "Transpose" || c.op(end+3) != "Reshape" {
		return end
	}
	if perm := c.vertices[c.links[end+2].vertex].node.Ints("perm"); slices.Equal(perm, []int64{0, 2, 1, 3, 4}) {
		return end + 3
	}
	return end
}

// gates says whether a link scales channels by what their means say (squeeze and excitation).
func (c *chain) gates(i int) bool {
	return strings.HasSuffix(c.op(i), "Mul") && (c.contains(i, "GlobalAveragePool") || c.contains(i, "ReduceMean"))
}

// isPointwise says whether a link exists and is a 1x1 convolution and nothing else.
func (c *chain) isPointwise(i int) bool { return i < len(c.links) && c.pointwiseAlone(i) }

// pointwiseAlone says whether a link is a 1x1 convolution and nothing else.
func (c *chain) pointwiseAlone(i int) bool {
	l := &c.links[i]
	return l.single() && l.count[pointwise] == 1
}

// bareBranch says whether one input of the join at the end of a segment passed no product in it.
func (c *chain) bareBranch(at int) bool {
	passed := map[int]bool{}
	for _, i := range c.links[at].members {
		v := &c.vertices[i]
		for _, p := range v.inputs {
			if i == c.links[at].vertex && !passed[p] {
				return true
			}
			passed[i] = passed[i] || passed[p]
		}
		passed[i] = passed[i] || v.product.learned()
	}
	return false
}

// behind returns the last link right behind link i whose operator is wanted. Roundings of quantised graphs
// are passed over, and may stand for an activation that they replaced. Activations may be spelt out, and one number may be
// added or multiplied in front of them (MobileOne) and behind (HGNet's scaled activations).
func (c *chain) behind(i int, wanted map[string]bool) int {
	end, activated := i, false
	for j := i + 1; j < len(c.links); j++ {
		op := strings.TrimPrefix(c.op(j), "QLinear")
		if !c.links[j].single() {
			if !wanted["Sigmoid"] || !c.spelt(j) {
				return end
			}
			for end = j; end+1 < len(c.links) && c.scales(end+1); j++ {
				end++
			}
			activated = true
			continue
		}
		switch {
		case wanted[op]:
			end, activated = j, true
		case op == "DequantizeLinear", activated && c.byNumber(j):
			end = j
		case op != "QuantizeLinear" && op != "Cast" && !c.byNumber(j):
			return end
		}
	}
	return end
}

// byNumber says whether a link adds or multiplies a constant that is the same for all channels.
func (c *chain) byNumber(i int) bool {
	v := &c.vertices[c.links[i].vertex]
	if !c.links[i].single() || len(v.inputs) != 1 || len(v.node.Inputs) != 2 || v.node.Op != "Mul" && v.node.Op != "Add" {
		return false
	}
	for _, name := range v.node.Inputs {
		if w := c.weight(name); w != nil {
			return !slices.ContainsFunc(w.Dims, func(n int64) bool { return n != 1 })
		}
	}
	return false
}

// spelt says whether a link is an activation in small operators, x·σ(x) or the like: two ways from one tensor, one of
// them through an activation, without weights or pooling.
func (c *chain) spelt(i int) bool {
	l := &c.links[i]
	return l.active && !l.weighted() && l.count[pooling]+l.count[softmax] == 0 && strings.HasSuffix(c.op(i), "Mul") && len(l.members) <= 8 && !c.gates(i)
}

// scales says whether a link multiplies or divides by a constant, as GELU's last step does.
func (c *chain) scales(i int) bool {
	op := c.op(i)
	return c.links[i].single() && (op == "Mul" || op == "Div") && len(c.vertices[c.links[i].vertex].inputs) == 1
}

// behindNorm is the link behind a normalisation right behind link i, which may be spelt out as Sub, Div,
// Mul, Add; i where there is none.
func (c *chain) behindNorm(i int) int {
	if e := c.behind(i, norms); norms[c.op(e)] {
		return e
	}
	if i+2 >= len(c.links) || c.op(i+1) != "Sub" || !c.contains(i+1, "ReduceMean") || c.op(i+2) != "Div" || !c.contains(i+2, "Sqrt") {
		return i
	}
	e := i + 2
	for e+1 < len(c.links) && c.links[e+1].single() && (c.op(e+1) == "Mul" || c.op(e+1) == "Add") {
		e++
	}
	return e
}

// joinMixers joins a block that mixes tokens with the channel-only blocks right behind it, and attention with
// the first block behind it that only convolves, which is its channel mixing (PVT, SegFormer) or its local half
// (EfficientViT, NextViT), unless blocks like that stand on their own beside it (MobileNetV4, iFormer).
func (c *chain) joinMixers(bs []block) []block {
	var joined []block
	siblings := c.siblings(bs)
	alone := c.alone(bs)
	for k, b := range bs {
		if n := len(joined); n > 0 && c.plain(joined[n-1].end, b.start) && c.belongsTo(joined[n-1], b, alone[k]) && !c.apart(joined[n-1], b, siblings) {
			last := &joined[n-1]
			last.end, last.join, last.signature = b.end, b.join, last.signature+"|"+b.signature
			continue
		}
		joined = append(joined, b)
	}
	return joined
}

// manySiblings is how many modules a list of blocks has at least; attention and MLP in a list of their own are two.
const manySiblings = 5

// module is the innermost entry of a list of modules that a block ends in, and the list; "" without names.
func (c *chain) module(b block) (own, around string) {
	modules := numberedModules(c.vertices[c.links[b.join].vertex].node)
	if len(modules) == 0 {
		return "", ""
	}
	own = modules[len(modules)-1]
	if !isEntry(own) {
		return "", "" // a layer with a number in its name, as Keras gives them
	}
	return own, own[:max(0, strings.LastIndexAny(own, "./"))]
}

// siblings counts the modules that blocks end in, by what is around them.
func (c *chain) siblings(bs []block) map[string]int {
	seen, count := map[string]bool{}, map[string]int{}
	for _, b := range bs {
		if own, around := c.module(b); own != "" && !seen[own] {
			seen[own] = true
			count[around]++
		}
	}
	return count
}

// apart says whether exporters' scopes show two units to be blocks of one list: attention and the convolutions behind it
// may be halves of a block (EfficientViT) or blocks in turn (MobileNetV4, iFormer), which no structure tells.
func (c *chain) apart(a, b block, siblings map[string]int) bool {
	first, around := c.module(a)
	second, aroundSecond := c.module(b)
	return first != "" && first != second && around == aroundSecond && siblings[around] >= manySiblings
}

func (c *chain) belongsTo(last, b block, alone bool) bool {
	if !mixesTokens(b.signature) {
		return !alone && mixesTokens(last.signature) && !last.activated // a 1x1 block behind a residual block is one too (BagNet)
	}
	convolves := strings.ContainsAny(b.signature, "CDc") && !strings.ContainsAny(b.signature, "MSAPR")
	return convolves && !alone && attendsOnly(last) && (!strings.Contains(b.signature, "C") || b.concat)
}

// attendsOnly says whether a unit is attention without channel mixing.
func attendsOnly(b block) bool {
	last := b.signature[strings.LastIndexByte(b.signature, '|')+1:]
	return strings.ContainsAny(last, "MA") && !b.activated
}

// kind is a unit's signature without numbers, with its join.
func (b block) kind() string {
	return fmt.Sprint(digits.ReplaceAllString(b.signature, ""), b.concat)
}

// row is the end of the row of units that begins with the first of some: no product lies between two of them, and only the
// first may make the maps smaller.
func (c *chain) row(bs []block) int {
	n := 1
	for n < len(bs) && c.plain(bs[n-1].end, bs[n].start) && !c.shrinks(bs[n]) {
		n++
	}
	return n
}

// shrinks says whether a unit makes the maps smaller: every way through one of its segments meets a stride. Attention to
// fewer keys doesn't.
func (c *chain) shrinks(b block) bool {
	for i := b.start + 1; i <= b.end; i++ {
		fewest := map[int]int{} // strides; 0 for what comes from outside
		for _, k := range c.links[i].members {
			v := &c.vertices[k]
			n := fewest[v.inputs[0]]
			for _, p := range v.inputs[1:] {
				n = min(n, fewest[p])
			}
			if reduces(v.node) {
				n++
			}
			fewest[k] = n
		}
		if fewest[c.links[i].vertex] > 0 {
			return true
		}
	}
	return false
}

// alone says of each unit whether it is a block of its own for what its row shows. Convolutions right behind attention are
// where they differ from one attention to the next (MobileNetV4); channel mixing behind other units, where some of these do
// without it.
func (c *chain) alone(bs []block) []bool {
	alone := make([]bool, len(bs))
	for from := 0; from < len(bs); {
		to := from + c.row(bs[from:])
		behind, without := map[string]bool{}, map[string]bool{}
		for k := from; k < to; k++ {
			follows, mixing := k > from, mixesTokens(bs[k].signature)
			if follows && mixing && attendsOnly(bs[k-1]) {
				behind[bs[k].signature] = true
			}
			if mixing && (k+1 == to || mixesTokens(bs[k+1].signature)) {
				without[bs[k].kind()] = true
			}
		}
		for k := from + 1; k < to; k++ {
			switch attends := attendsOnly(bs[k-1]); {
			case mixesTokens(bs[k].signature):
				alone[k] = len(behind) > 1
			case !attends:
				alone[k] = without[bs[k-1].kind()]
			}
		}
		from = to
	}
	return alone
}

// mixesTokens says whether tokens reach each other in a unit.
func mixesTokens(signature string) bool { return strings.ContainsAny(signature, "CDMSAPTR") }

// joinRepeated joins a pattern of two to four different parts that comes at least three times in a row, with
// no product between the parts of a group: MaxViT's convolution, window and grid attention are one block.
func (c *chain) joinRepeated(bs []block) []block {
	siblings := c.siblings(bs)
	for parts := 2; parts <= 4; parts++ {
		var out []block
		for i := 0; i < len(bs); {
			end := c.repetition(bs, i, parts, siblings)
			if end == 0 {
				out = append(out, bs[i])
				i++
				continue
			}
			for ; i+parts <= end; i += parts {
				first, last := bs[i], bs[i+parts-1]
				first.end, first.join, first.signature = last.end, last.join, first.signature+"|"+last.signature
				out = append(out, first)
			}
		}
		bs = out
	}
	return bs
}

// repetition says where a pattern of so many parts that begins at block i ends; 0 if there is none.
func (c *chain) repetition(bs []block, i, parts int, siblings map[string]int) int {
	if i+3*parts > len(bs) {
		return 0
	}
	end := i + parts
	for end < len(bs) && coarse(bs[end].signature) == coarse(bs[end-parts].signature) {
		end++
	}
	if end-i < 3*parts || c.amid(bs, i) || c.amid(bs, end) {
		return 0 // other units stand beside it (MobileNetV4's convolutions beside attention)
	}
	differ, whole := false, strings.Contains(bs[i].signature, "|")
	for k := i + 1; k < i+parts; k++ {
		whole = whole && strings.Contains(bs[k].signature, "|")
		if bs[k-1].activated || c.apart(bs[k-1], bs[k], siblings) {
			return 0 // residual blocks of two kinds in turn (BagNet)
		}
		differ = differ || coarse(bs[k].signature) != coarse(bs[i].signature)
	}
	if !differ || whole { // blocks of local and global attention in turn (Twins)
		return 0
	}
	for k := i; k < end; k++ {
		group := k - (k-i)%parts
		if k > group && group+parts <= end && !c.plain(bs[k-1].end, bs[k].start) {
			return 0
		}
	}
	return end
}

// amid says whether a row of units goes on across the border in front of unit i.
func (c *chain) amid(bs []block, i int) bool {
	return i > 0 && i < len(bs) && c.plain(bs[i-1].end, bs[i].start) && !c.shrinks(bs[i])
}

// coarse keeps only which kinds of product a block holds.
func coarse(signature string) string {
	var b strings.Builder
	for _, k := range []string{"CD", "m", "M", "S", "A", "T"} {
		if strings.ContainsAny(signature, k) {
			b.WriteString(k)
		}
	}
	return b.String()
}
