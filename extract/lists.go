package extract

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Most networks keep their blocks in lists (ModuleList, Sequential), and exporters write the lists' entries into the
// nodes' scopes: stages.2.blocks.5. Structure finds blocks; where it finds most of what a family of entries ends in, the
// scopes are believed about the rest, which structure alone can't tell:
//
//   - what lies inside one entry is one block (the halves of EfficientViT's and FastViT's), and ends where it ends;
//   - an entry without branches (MobileNet's last 1x1 convolution) is a block like its neighbours;
//   - what lies in no entry leads from one stage to the next.
//
// Scopes that were shuffled or invented don't pass: an entry must be closed, read from outside at one place, and end at a
// layer that structure found.

// entry is one module of a list, as the scopes show it.
type entry struct {
	path     string
	members  map[int]bool // vertices
	outputs  []int        // members that are read from outside, ascending
	products int          // learned ones
	opening  bool         // it reads the picture itself
	leaf     bool         // its products lie in no module inside it: it is one operator
	found    []int        // mapped candidates inside, in order
}

// family is the entries of lists of one pattern (stages.#.blocks.#), by path.
type family struct {
	pattern string
	entries []*entry
}

// Bounds for families. Three entries are the fewest that show a pattern; six of ten layers are well above what a list inside the
// blocks, or a list of something else, holds by chance.
const (
	fewestEntries = 3
	mostLayers    = 0.6
)

// byLists corrects what structure found by the lists that the network's modules stand in. It does nothing where no family
// of entries holds most layers.
func (c *chain) byLists(found []Candidate) ([]Candidate, bool) {
	if slices.ContainsFunc(found, func(f Candidate) bool { return f.Kind == Conv || f.Kind == Product }) {
		return found, false // no blocks
	}
	families := c.families(found)
	main := mainFamily(families, found)
	if main == nil {
		return found, false
	}
	listed := []*family{main}
	for _, f := range families {
		if f != main && f.besides(main, found) {
			listed = append(listed, f)
		}
	}
	owner := map[int]*entry{} // of candidates
	for _, f := range listed {
		for _, e := range f.entries {
			for _, i := range e.found {
				owner[i] = e
			}
		}
	}
	var kept []Candidate
	last := lastOf(owner)
	for i, f := range found {
		e := owner[i]
		switch {
		case !mapped(f.Kind):
		case e == nil && i > last && !c.closes(f, found, owner):
			continue // the head
		case e == nil:
			f = c.unlisted(f, main, families)
		case i == e.found[len(e.found)-1]:
			f = c.ending(f, e)
		case !e.holdsList(families):
			continue // inside
		}
		kept = append(kept, f)
	}
	return c.inOrder(c.withEmpty(kept, main)), true
}

// lastOf is the last candidate that an entry holds.
func lastOf(owner map[int]*entry) int {
	last := -1
	for i := range owner {
		last = max(last, i)
	}
	return last
}

// closes says whether a candidate behind the last entry is no part of the head: it pools at several sizes (SPP), or has the
// products of a block that an entry holds (the last one of Inception-ResNet stands behind its list). Blocks without convolutions
// are kept too: where they pool tokens, they have no grid, and are left out when the network has run.
func (c *chain) closes(f Candidate, found []Candidate, owner map[int]*entry) bool {
	if f.Kind != Block {
		return false
	}
	if !strings.ContainsAny(f.Signature, "CDc") {
		return true
	}
	if join := c.joinAt(c.producer[f.Tensor]); join > 0 && isConcat(c.vertices[c.links[join].vertex].node) {
		return true
	}
	for i := range owner {
		if found[i].Signature == f.Signature {
			return true
		}
	}
	return false
}

// holdsList says whether an entry is a stage: a list in it holds its layers one by one (MobileViT's first stages).
func (e *entry) holdsList(families []*family) bool {
	for _, f := range families {
		var listed []int
		for _, inner := range f.entries {
			if strings.HasPrefix(inner.path, e.path+".") && len(inner.found) == 1 {
				listed = append(listed, inner.found[0])
			}
		}
		if slices.Equal(slices.Sorted(slices.Values(listed)), e.found) {
			return true
		}
	}
	return false
}

// families gathers the entries of lists, those that multiply; entries of one operator are left out.
func (c *chain) families(found []Candidate) []*family {
	entries := map[string]*entry{}
	for i := 1; i < len(c.vertices); i++ {
		v := &c.vertices[i]
		if !v.kept {
			continue
		}
		modules := moduleList(v.node)
		for k, m := range modules {
			if !isEntry(m) {
				continue
			}
			e := entries[m]
			if e == nil {
				e = &entry{path: m, members: map[int]bool{}, leaf: true}
				entries[m] = e
			}
			e.members[i] = true
			e.opening = e.opening || slices.Contains(v.inputs, 0)
			if v.product.learned() {
				e.products++
				e.leaf = e.leaf && k == len(modules)-1
			}
		}
	}
	c.close(entries)
	for i, f := range found {
		if v := c.producer[f.Tensor]; mapped(f.Kind) {
			for _, m := range moduleList(c.vertices[v].node) {
				if e := entries[m]; e != nil {
					e.found = append(e.found, i)
				}
			}
		}
	}
	byPattern := map[string]*family{}
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		e := entries[path]
		if e.products == 0 || e.products == 1 && e.leaf {
			continue
		}
		pattern := digits.ReplaceAllString(path, "#")
		if byPattern[pattern] == nil {
			byPattern[pattern] = &family{pattern: pattern}
		}
		byPattern[pattern].entries = append(byPattern[pattern].entries, e)
	}
	var all []*family
	for _, pattern := range slices.Sorted(maps.Keys(byPattern)) {
		all = append(all, byPattern[pattern])
	}
	return all
}

// isEntry says whether a module's own name is a number, as that of every entry of a list is.
func isEntry(path string) bool {
	own := path[strings.LastIndexAny(path, "./")+1:]
	return digits.FindString(own) == own
}

// close finds out where entries are read from outside.
func (c *chain) close(entries map[string]*entry) {
	for _, e := range entries {
		for i := range e.members {
			if c.vertices[i].output || slices.ContainsFunc(c.readers[i], func(r int) bool { return c.outside(r, e) }) {
				e.outputs = append(e.outputs, i)
			}
		}
		slices.Sort(e.outputs)
	}
}

// outside says whether a reader of an entry lies outside it. The dynamo exporter gives no module to nodes that it makes of
// others, a Split of several slices: those lie where all their readers do.
func (c *chain) outside(reader int, e *entry) bool {
	if e.members[reader] {
		return false
	}
	v := &c.vertices[reader]
	if v.output || len(moduleList(v.node)) > 0 || len(c.readers[reader]) == 0 {
		return true
	}
	return slices.ContainsFunc(c.readers[reader], func(r int) bool { return !e.members[r] })
}

// mainFamily is the innermost family that holds most layers and whose entries, most of them, end at one; nil where there is
// none.
func mainFamily(families []*family, found []Candidate) *family {
	layers := 0
	for _, f := range found {
		if mapped(f.Kind) {
			layers++
		}
	}
	var best *family
	for _, f := range families {
		held, holding, closed := 0, 0, 0
		for _, e := range f.entries {
			held += len(e.found)
			if len(e.found) > 0 {
				holding++
			}
			if len(e.outputs) <= 2 { // a state may go beside the tokens
				closed++
			}
		}
		if holding < fewestEntries || float64(held) < mostLayers*float64(layers) || 2*holding < len(f.entries) || float64(closed) < mostLayers*float64(len(f.entries)) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(strings.Count(f.pattern, "."), strings.Count(best.pattern, ".")), len(f.entries)-len(best.entries)) > 0 {
			best = f
		}
	}
	return best
}

// besides says whether a family holds blocks beside the main one: every entry holds one, and none opens the network, which
// makes it the stem (a ResNet in front of a transformer is such a family; the two residual units in ShuffleViT's downsampling
// are none, since the list holds the reduction too).
func (f *family) besides(main *family, found []Candidate) bool {
	if len(f.entries) < 2 || strings.HasPrefix(main.pattern, f.pattern+".") || strings.HasPrefix(f.pattern, main.pattern+".") {
		return false
	}
	for _, e := range f.entries {
		if e.opening || len(e.found) == 0 || slices.ContainsFunc(e.found, func(i int) bool { return found[i].Kind != Block }) {
			return false
		}
	}
	return true
}

// ending moves an entry's layer to where the entry ends: behind the norm that the last block of a stage has (Swin v2), the
// convolution that completes a unit.
func (c *chain) ending(f Candidate, e *entry) Candidate {
	at := c.producer[f.Tensor]
	if len(e.outputs) != 1 || f.Kind != Block {
		return f
	}
	if end := c.computed(e.outputs[0]); end != c.computed(at) && e.members[end] && at < end {
		f.Tensor, f.Why = c.tensor(end), f.Why+"; what ends the module "+e.path
	}
	return f
}

// computed walks back over what only turns, reshapes or rounds a tensor.
func (f *flow) computed(i int) int {
	for moves[f.vertices[i].node.Op] && len(f.vertices[i].inputs) == 1 && f.vertices[i].inputs[0] > 0 {
		i = f.vertices[i].inputs[0]
	}
	return i
}

// moves are operators that compute nothing.
var moves = words("Reshape Transpose Identity Cast Flatten Squeeze Unsqueeze QuantizeLinear DequantizeLinear DynamicQuantizeLinear")

// unlisted is a candidate in no entry: a run between two blocks, or a unit in the module that makes the maps smaller
// between two stages (GCViT, EfficientViT), leads from stage to stage and is no block of its own; a list that opens
// with the picture is the stem (FastViT).
func (c *chain) unlisted(f Candidate, main *family, families []*family) Candidate {
	at := c.producer[f.Tensor]
	opens := func(e *entry) bool { return e.opening }
	for _, other := range families {
		if other != main && slices.ContainsFunc(other.entries, opens) && slices.ContainsFunc(other.entries, func(e *entry) bool { return e.members[at] }) {
			f.Kind, f.Why = Stem, f.Why+"; in the list of modules that opens with the picture"
			return f
		}
	}
	if f.Kind == Block && c.filters(at) {
		f.Kind, f.Why = Stem, f.Why+"; in the module that opens with the picture"
		return f
	}
	if f.Kind != Block || c.inReduction(at, main) && !c.reducesItself(at) {
		f.Kind, f.Why = Downsample, f.Why+"; in none of the modules "+main.pattern
	}
	return f
}

// filters says whether a vertex ends the first branches of all, put together, in a module that opens with the picture (HGNet's
// stem: a convolution and a pooling side by side).
func (c *chain) filters(at int) bool {
	join := c.joinAt(at)
	if join < 1 || !isConcat(c.vertices[c.links[join].vertex].node) || c.joinAt(c.links[join-1].vertex) >= 0 {
		return false
	}
	for i := 1; i < at; i++ {
		if slices.Contains(c.vertices[i].inputs, 0) {
			own, opening := moduleList(c.vertices[at].node), moduleList(c.vertices[i].node)
			return len(own) > 0 && len(opening) > 0 && own[0] == opening[0]
		}
	}
	return false
}

// reducesItself says whether a vertex ends a concatenation of branches that all make the maps smaller (Inception's reductions).
func (c *chain) reducesItself(at int) bool {
	i := c.joinAt(at)
	return i > 0 && isConcat(c.vertices[c.links[i].vertex].node) && c.shrinks(block{start: i - 1, end: i})
}

// joinAt is the link where branches meet at or in front of a vertex on the chain; −1 if there is none.
func (c *chain) joinAt(at int) int {
	i := slices.IndexFunc(c.links, func(l link) bool { return l.vertex == at })
	for i >= 0 && !c.vertices[c.links[i].vertex].branches {
		i--
	}
	return i
}

// inReduction says whether the outermost module around a vertex that holds no entry of the main family has a strided
// convolution too; in the module that opens with the picture, behind the vertex.
func (c *chain) inReduction(at int, main *family) bool {
	holds := map[string]bool{}
	for _, e := range main.entries {
		for path := e.path; path != ""; path = path[:max(0, strings.LastIndexAny(path, "./"))] {
			holds[path] = true
		}
	}
	for _, m := range moduleList(c.vertices[at].node) {
		if holds[m] {
			continue
		}
		before, behind, opening := false, false, false
		for i := 1; i < len(c.vertices); i++ {
			v := &c.vertices[i]
			if v.kept && slices.Contains(moduleList(v.node), m) {
				reduction := v.product.learned() && reduces(v.node)
				before, behind = before || reduction && i < at, behind || reduction && i > at
				opening = opening || slices.Contains(v.inputs, 0)
			}
		}
		return behind || before && !opening
	}
	return false
}

// withEmpty adds the outputs of entries in which structure found no layer, where they hold several products or everything
// passes them. A list that opens with the picture is the whole network: there only entries with several products are blocks.
func (c *chain) withEmpty(found []Candidate, main *family) []Candidate {
	link, known := map[int]bool{}, map[int]int{}
	for _, l := range c.links {
		link[l.vertex] = true
	}
	for i, f := range found {
		known[c.producer[f.Tensor]] = i
	}
	whole := slices.ContainsFunc(main.entries, func(e *entry) bool { return e.opening })
	for _, e := range main.entries {
		if len(e.found) > 0 || len(e.outputs) != 1 || whole && e.products < 2 {
			continue
		}
		end := c.computed(e.outputs[0])
		if !link[e.outputs[0]] && e.products < 2 || !e.members[end] || c.vertices[end].decoder {
			continue
		}
		if i, ok := known[end]; ok {
			if k := found[i].Kind; k == Stem || k == Downsample {
				found[i].Kind = Transition
			}
			continue
		}
		found = append(found, Candidate{Tensor: c.tensor(end), Kind: Block, Why: "the end of " + e.path + ", one of a list of modules"})
	}
	return found
}
