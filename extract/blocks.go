package extract

import (
	"strings"
)

// block is a repeated unit of the network, between two links of the chain.
type block struct {
	start, end int // links: its input (−1 for the picture) and its output
	signature  string
	concat     bool // it ends in a concatenation of branches
}

// blocks finds the network's units: segments with branches, each moved to where its output is complete,
// attention joined with the channel mixing behind it, repeated groups joined.
//
//	x ──┬── products ──┬─ + ── activation?      one segment: a residual block of a convolutional net
//	    └──────────────┘
//	x ──┬─ attention ──┬─ + ──┬─ products ─┬─ +  two segments, one block of a transformer
//	    └──────────────┘      └────────────┘
func (c *chain) blocks() []block {
	bs := c.branching()
	c.moveEnds(bs)
	return c.joinRepeated(c.joinMixers(bs))
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
		sum := isSum(v.node) && (l.shortcut || l.convolves() || !l.weighted())
		concat := isConcat(v.node) && l.weighted()
		if sum || concat {
			bs = append(bs, block{i - 1, i, l.signature(), concat})
		}
	}
	return bs
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
	for k := range bs {
		bs[k].end = c.behind(bs[k].end, activations)
		if normed > 2 && normed*10 >= len(bs)*6 {
			bs[k].end = c.behindNorm(bs[k].end)
		}
	}
}

// behind returns the last link right behind link i whose operator is wanted. Roundings of quantised graphs
// are passed over, and may stand for an activation that they replaced.
func (c *chain) behind(i int, wanted map[string]bool) int {
	end := i
	for j := i + 1; j < len(c.links) && c.links[j].single(); j++ {
		op := strings.TrimPrefix(c.op(j), "QLinear")
		switch {
		case wanted[op] || op == "DequantizeLinear":
			end = j
		case op != "QuantizeLinear" && op != "Cast":
			return end
		}
	}
	return end
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

// joinMixers joins a block that mixes tokens with the channel-only blocks right behind it.
func (c *chain) joinMixers(bs []block) []block {
	var joined []block
	for _, b := range bs {
		if n := len(joined); n > 0 && !c.links[b.start+1].mixes() && c.plain(joined[n-1].end, b.start) && mixesTokens(joined[n-1].signature) {
			last := &joined[n-1]
			last.end, last.signature = b.end, last.signature+"|"+b.signature
			continue
		}
		joined = append(joined, b)
	}
	return joined
}

func mixesTokens(signature string) bool { return strings.ContainsAny(signature, "CMSAPT") }

// joinRepeated joins a pattern of two to four different parts that comes at least three times in a row, with
// no product between the parts of a group: MaxViT's convolution, window and grid attention are one block.
func (c *chain) joinRepeated(bs []block) []block {
	for parts := 2; parts <= 4; parts++ {
		var out []block
		for i := 0; i < len(bs); {
			end := c.repetition(bs, i, parts)
			if end == 0 {
				out = append(out, bs[i])
				i++
				continue
			}
			for ; i+parts <= end; i += parts {
				first, last := bs[i], bs[i+parts-1]
				out = append(out, block{first.start, last.end, first.signature + "|" + last.signature, first.concat})
			}
		}
		bs = out
	}
	return bs
}

// repetition says where a pattern of so many parts that begins at block i ends; 0 if there is none.
func (c *chain) repetition(bs []block, i, parts int) int {
	if i+3*parts > len(bs) {
		return 0
	}
	end := i + parts
	for end < len(bs) && coarse(bs[end].signature) == coarse(bs[end-parts].signature) {
		end++
	}
	if end-i < 3*parts {
		return 0
	}
	differ := false
	for k := i + 1; k < i+parts; k++ {
		differ = differ || coarse(bs[k].signature) != coarse(bs[i].signature)
	}
	if !differ {
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

// coarse keeps only which kinds of product a block holds.
func coarse(signature string) string {
	var b strings.Builder
	for _, k := range "CmMSAT" {
		if strings.ContainsRune(signature, k) {
			b.WriteRune(k)
		}
	}
	return b.String()
}
