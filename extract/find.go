package extract

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
)

// Kinds of layers.
const (
	Block      = "block"      // a repeated unit: the end of a residual sum or a concatenation of branches
	Transition = "transition" // between blocks: a linear bottleneck without skip, a run with activations
	Conv       = "conv"       // an activated convolution of a network without branches
	Stem       = "stem"       // what comes before the first block
	Downsample = "downsample" // a run without activations between blocks
	Fusion     = "fusion"     // where streams of blocks, or ways round several of them, join
	DenseLink  = "dense"      // a concatenation inside a DenseNet block
	ClassToken = "class"      // a block whose attention reaches the class token only
	Product    = "product"    // an activated matrix product of a network without branches: its tokens have no grid
)

// Candidate is a tensor worth tapping, as the graph alone shows it.
type Candidate struct {
	Name      string // from the exporter's scopes or the tensor's name; else kind and number
	Tensor    string
	Kind      string
	Signature string // the block's products; "" where there are no branches
	Why       string // in one line
}

// FindLayers finds the outputs of a network's units, in data order, from the graph's structure, which exporters' module
// paths correct where they fit it. The package comment tells how. Candidates of all kinds are returned; which are mapped by
// default is [SelectLayers]'s choice. A graph without a picture input, or in which nothing depends on it, is
// a fault.
func FindLayers(m *onnx.Model) ([]Candidate, error) {
	f, err := newFlow(m)
	if err != nil {
		return nil, err
	}
	c := newChain(f)
	beside, fusions := c.newStreams().candidates()
	c.fusions = fusions
	found := c.inOrder(append(c.candidates(), beside...))
	if len(found) == 0 {
		return nil, fault.Inputf("no layers were found: the picture input %q passes %d nodes without a convolution or matrix product", f.image.Name, len(f.vertices)-1)
	}
	if err := c.tappable(found); err != nil {
		return nil, err
	}
	if listed, ok := c.byLists(found); ok {
		found = listed
	} else {
		found = c.complete(found)
	}
	c.name(found)
	return found, nil
}

// blockedDomain has operators on maps whose channels lie in blocks of 8 or 16, which ONNX Runtime writes into
// models that it saves with all optimisations.
const blockedDomain = "com.microsoft.nchwc"

// tappable refuses graphs whose layers aren't what they seem.
func (c *chain) tappable(found []Candidate) error {
	for _, f := range found {
		if c.vertices[c.producer[f.Tensor]].blocked {
			return fault.Inputf("the model was saved for one kind of processor: its tensors have ONNX Runtime's blocked layout (%s)", blockedDomain).
				Remedy("export it again without hardware-specific optimisation")
		}
	}
	return nil
}

func (c *chain) candidates() []Candidate {
	blocks := c.blocks()
	if c.recurrent() {
		if states := c.states(); 4*len(blocks) < len(states) { // CORnet-S has a block for three of them
			return states
		}
	}
	if len(blocks) == 0 {
		return c.plainChain()
	}
	var found []Candidate
	from := -1
	for _, b := range blocks {
		switch shrunk := c.shrunk(from, b); {
		case shrunk > from:
			found = append(found, c.candidate(shrunk, Downsample, "", "a single strided convolution between blocks"))
		case !c.opens(from, b):
			found = c.run(found, from, b.start)
		}
		if b.concat {
			for _, i := range c.links[b.start+1].concats {
				found = append(found, Candidate{Tensor: c.tensor(i), Kind: DenseLink, Why: "concatenation inside a densely connected block"})
			}
		}
		kind, why := Block, c.whyBlock(b)
		switch {
		case b.class:
			kind, why = ClassToken, why+", for the class token alone"
		case c.fusions[b.join]:
			kind, why = Fusion, why+", which hold blocks of their own"
		}
		found = append(found, c.candidate(b.end, kind, b.signature, why))
		from = b.end
	}
	return c.tail(found, from)
}

// shrunk is the link behind a lone strided convolution between blocks whose 1x1 convolution behind it opens the next
// unit, as in YOLO's; −1 where that isn't so.
func (c *chain) shrunk(from int, b block) int {
	if from < 0 || !b.concat {
		return -1
	}
	last := b.start
	for last > from && !c.links[last].weighted() {
		last--
	}
	if c.pointwiseAlone(last) && c.onlyShrinks(from, last-1) {
		return last - 1
	}
	return -1
}

// inOrder sorts candidates as data flows, and leaves out those that were found twice.
func (c *chain) inOrder(found []Candidate) []Candidate {
	slices.SortStableFunc(found, func(a, b Candidate) int { return cmp.Compare(c.producer[a.Tensor], c.producer[b.Tensor]) })
	return slices.CompactFunc(found, func(a, b Candidate) bool { return a.Tensor == b.Tensor })
}

// opens says whether the run between two blocks is the second one's first half: attention without a way round
// it, in front of channel mixing (the downsampling blocks of LeViT), or an activated 1x1 convolution right in
// front of branches (SqueezeNet, VoVNet).
func (c *chain) opens(from int, b block) bool {
	if from < 0 {
		return false
	}
	attends, narrows, others := false, 0, 0
	for i := from + 1; i <= b.start; i++ {
		l := &c.links[i]
		attends = attends || l.count[pairwise]+l.count[attention] > 0
		if c.pointwiseAlone(i) {
			narrows++
		} else if l.weighted() {
			others++
		}
	}
	if b.concat {
		return narrows == 1 && others == 0 && (activations[strings.TrimPrefix(c.op(b.start), "QLinear")] || c.spelt(b.start))
	}
	return attends && !mixesTokens(b.signature)
}

func (c *chain) candidate(at int, kind, signature, why string) Candidate {
	return Candidate{Tensor: c.tensor(c.links[at].vertex), Kind: kind, Signature: signature, Why: why}
}

func (c *chain) whyBlock(b block) string {
	join := "residual sum"
	if b.concat {
		join = "concatenation"
	}
	return fmt.Sprintf("%s around %s", join, explain(b.signature))
}

// explain spells a signature out.
func explain(signature string) string {
	spelt := map[byte]string{'C': "convolution", 'D': "depthwise convolution", 'c': "1x1 convolution", 'm': "matrix product", 'M': "product of activations", 'S': "softmax", 'A': "attention", 'P': "pooling", 'R': "recurrent network"}
	total := map[byte]int{}
	for i := 0; i < len(signature); i++ {
		if spelt[signature[i]] == "" {
			continue
		}
		j := i + 1
		for j < len(signature) && '0' <= signature[j] && signature[j] <= '9' {
			j++
		}
		n, _ := strconv.Atoi(signature[i+1 : j])
		total[signature[i]] += n
	}
	text := ""
	for _, p := range []byte(products) {
		if n := total[p]; n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d × %s", n, spelt[p])
		}
	}
	if text == "" {
		return "branches"
	}
	return text
}

// run adds the layers of the links from+1 … to, a run without branches in front of a block that starts at
// to: ends of linear bottlenecks inside, and the run's own end.
func (c *chain) run(found []Candidate, from, to int) []Candidate {
	found, inside := c.bottlenecks(found, from, to)
	if to <= from || !c.anyWeighted(from, to) {
		return found
	}
	switch {
	case c.endsBottleneck(from, to):
		return append(found, c.candidate(to, Transition, "", "linear bottleneck without skip: unactivated 1x1 convolution behind a grouped one"))
	case from >= 0 && c.onlyShrinks(from, to):
		return append(found, c.candidate(to, Downsample, "", "a single strided convolution between blocks"))
	case from < 0 && inside > 0, from >= 0 && c.anyActive(from, to):
		return append(found, c.candidate(to, Transition, "", "end of a run with activations between blocks"))
	case from < 0:
		return append(found, c.candidate(to, Stem, "", "everything before the first block"))
	}
	return append(found, c.candidate(to, Downsample, "", "run without activations between blocks"))
}

// onlyShrinks says whether the run from+1 … to multiplies once, by a wide convolution with strides (Darknet's way from
// stage to stage).
func (c *chain) onlyShrinks(from, to int) bool {
	shrinking, products := 0, 0
	for i := from + 1; i <= to; i++ {
		for _, k := range c.links[i].members {
			v := &c.vertices[k]
			if !v.product.learned() {
				continue
			}
			products++
			if strides := v.node.Ints("strides"); (v.product == spatial || v.product == depthwise) && len(strides) > 0 && slices.Max(strides) > 1 {
				shrinking++
			}
		}
	}
	return products == 1 && shrinking == 1
}

// tail adds the linear bottlenecks behind the last block, and a classifier's last maps where wide convolutions without a
// way round them end in an activation (Xception); the rest is the head.
func (c *chain) tail(found []Candidate, from int) []Candidate {
	found, _ = c.bottlenecks(found, from, len(c.links)-1)
	wide := false
	for i := from + 1; i < len(c.links); i++ {
		if len(found) > 0 && c.tensor(c.links[i].vertex) == found[len(found)-1].Tensor {
			wide = false // it belonged to a bottleneck
			continue
		}
		if flattening[c.op(i)] {
			if wide && i-1 > from && activations[c.op(i-1)] {
				found = append(found, c.candidate(i-1, Transition, "", "end of a run of convolutions behind the last block"))
			}
			break
		}
		wide = wide || c.links[i].count[spatial]+c.links[i].count[depthwise] > 0
	}
	return found
}

// bottlenecks adds each unactivated convolution behind an activation that a product follows: the blocks of
// MobileNet's and EfficientNet's kind that change the grid or the width, and so have no skip.
func (c *chain) bottlenecks(found []Candidate, from, to int) ([]Candidate, int) {
	count, products, active := 0, 0, false
	for i := from + 1; i <= to; i++ {
		l := &c.links[i]
		if op := c.op(i); flattening[op] || op == "ReduceMean" && l.single() {
			break // no grid any more
		}
		active = active || l.active || !l.single() && !l.weighted()
		if !l.weighted() {
			continue
		}
		end := i - 1
		for end > from && c.op(end) == "Pad" {
			end--
		}
		if products > 0 && active && l.convolves() && c.unactivated(from, end) {
			found = append(found, c.candidate(end, Transition, "", "linear bottleneck without skip: unactivated convolution followed by a product"))
			count++
		}
		products++
	}
	return found, count
}

// unactivated says whether link i, or the convolution in front of a norm or rounding there, is a lone
// convolution. A depthwise one is the first half of a separable convolution.
func (c *chain) unactivated(from, i int) bool {
	for i > from && c.normalises(i) {
		i--
	}
	return i > from && (c.links[i].single() || c.mixed(i)) && c.links[i].convolves() && c.links[i].count[depthwise] == 0
}

// normalises says whether a link is a norm, a step of one that is spelt out, or a rounding.
func (c *chain) normalises(i int) bool {
	l := &c.links[i]
	return l.single() && (normSteps[c.op(i)] || len(c.vertices[l.vertex].inputs) == 1 && (c.op(i) == "Mul" || c.op(i) == "Add"))
}

var normSteps = words("BatchNormalization InstanceNormalization GroupNormalization LayerNormalization Reshape Transpose QuantizeLinear DequantizeLinear")

// endsBottleneck says whether the run from+1 … to ends as a linear bottleneck does: an unactivated 1x1 convolution, behind a
// grouped convolution or, in fused bottlenecks, one that had made the maps wider than it leaves them; a network's first
// convolution makes none.
func (c *chain) endsBottleneck(from, to int) bool {
	if !c.unactivated(from, to) {
		return false
	}
	last, products, grouped := -1, 0, false
	for i := from + 1; i <= to; i++ {
		for _, k := range c.links[i].members {
			v := &c.vertices[k]
			if v.product.learned() {
				last = k
				products++
			}
			if g := v.node.Attrs["group"]; g != nil && g.I > 1 {
				grouped = true
			}
		}
	}
	return c.vertices[last].product == pointwise && (grouped || products > 2 && c.narrows(last))
}

// narrows says whether a convolution leaves fewer channels than it takes.
func (c *chain) narrows(i int) bool {
	inputs := c.vertices[i].node.Inputs
	if len(inputs) < 2 {
		return false
	}
	w := c.weight(inputs[1])
	return w != nil && len(w.Dims) > 1 && w.Dims[0] < w.Dims[1]
}

func (c *chain) anyWeighted(from, to int) bool { return !c.plain(from, to) }

func (c *chain) anyActive(from, to int) bool {
	for i := from + 1; i <= to; i++ {
		if c.links[i].active {
			return true
		}
	}
	return false
}

// plainChain is for networks without branches: the activation behind every product. The last product, if no
// activation follows, is the network's answer and no layer; what a convolution makes of the pooled map has no grid.
func (c *chain) plainChain() []Candidate {
	var found []Candidate
	separable, convs, pooled := 0, 0, false
	for i := range c.links {
		l := &c.links[i]
		pooled = pooled || c.op(i) == "GlobalAveragePool"
		if !l.weighted() || c.gates(i) {
			continue
		}
		at, last := c.activationBehind(i)
		if c.separable(i) {
			separable++
			continue
		}
		if at < 0 && last {
			continue
		}
		kind, why := Conv, "activation behind a convolution"
		if !l.convolves() || pooled {
			kind, why = Product, "activation behind a matrix product"
		} else {
			convs++
		}
		if at < 0 {
			at, why = i, "convolution or product without activation"
		}
		found = append(found, c.candidate(at, kind, l.signature(), why))
	}
	if separable > 0 && separable == convs-1 && found[0].Signature == "C1" {
		found[0].Kind, found[0].Why = Stem, "the only convolution that isn't separable, in front of the others"
	}
	return found
}

// separable says whether product i is a depthwise convolution with the next product a 1x1 one: together they are one
// convolution (MobileNet).
func (c *chain) separable(i int) bool {
	if c.links[i].count[depthwise] == 0 {
		return false
	}
	for k := i + 1; k < len(c.links); k++ {
		if c.links[k].count[spatial]+c.links[k].count[depthwise]+c.links[k].count[dense] > 0 {
			return false
		}
		if c.links[k].single() && c.links[k].count[pointwise] > 0 {
			return true
		}
	}
	return false
}

// activationBehind is the link with the first activation at or behind product i and before the next one; −1
// if there is none. last says that no product follows.
func (c *chain) activationBehind(i int) (at int, last bool) {
	for k := i + 1; k < len(c.links); k++ {
		if c.links[k].weighted() {
			return -1, false
		}
		if c.links[k].active {
			return k, false
		}
	}
	return -1, true
}

func itoa(n int) string { return strconv.Itoa(n) }
