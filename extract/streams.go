package extract

import (
	"cmp"
	"slices"
	"strings"
)

// Some networks have more than one residual stream: HRNet keeps maps of several resolutions side by side, a CSP stage
// sends half of its channels round a row of blocks, DLA joins blocks in trees, TNT and CrossViT carry tokens of two
// sizes, a residual group puts a way round several blocks. Only one of the streams can be the chain; on it, or between
// two of its links, the others lie unseen. Each is a chain of its own in the tree of dominators:
//
//	link ──┬─ □ ─ □ ─ □ ─┬─ join      a segment with rows of blocks (□) inside is opened: they are the blocks,
//	       └─ □ ─ □ ─ □ ─┘            and where the streams join is a fusion, mapped on request only
//
// A residual unit counts as a block where no two units follow each other inside it (Res2Net's inner sums lie side by
// side). A row has two blocks or more: a single one inside a concatenation is part of the unit around it.

// mostVisits bounds the search of hostile graphs; HRNet-W64 takes a hundredth.
const mostVisits = 1 << 25

// streams holds the residual units that aren't links of the chain.
type streams struct {
	*chain
	place    map[int]int // link at a vertex
	members  map[int]int // segment that a vertex lies in, by its link
	units    []int       // ends of units off the chain, ascending
	previous map[int]int // the nearest unit in front of a unit, −1 for none
	groups   map[group][]int
}

// group is what lies beside one segment: between two links, or behind a link on another way than the chain.
type group struct {
	anchor int // link; −1: the picture
	inside bool
}

// newStreams looks for rows of residual units off the chain.
func (c *chain) newStreams() *streams {
	s := &streams{chain: c, place: map[int]int{}, members: map[int]int{}, previous: map[int]int{}, groups: map[group][]int{}}
	for i, l := range c.links {
		s.place[l.vertex] = i
		for _, v := range l.members {
			s.members[v] = i
		}
	}
	isUnit := map[int]bool{}
	for _, v := range c.residualUnits() {
		isUnit[v] = true
		if _, link := s.place[v]; !link {
			s.units = append(s.units, v)
		}
	}
	for _, v := range s.units {
		s.previous[v] = c.above(v, isUnit)
		g := s.groupOf(v)
		s.groups[g] = append(s.groups[g], v)
	}
	return s
}

// above is the nearest dominator of a vertex that is in a set, −1 if none is.
func (f *flow) above(v int, set map[int]bool) int {
	for i := f.vertices[v].dominator; i > 0; i = f.vertices[i].dominator {
		if set[i] {
			return i
		}
	}
	return -1
}

func (s *streams) groupOf(v int) group {
	anchor := -1
	for i := s.vertices[v].dominator; i > 0; i = s.vertices[i].dominator {
		if at, ok := s.place[i]; ok {
			anchor = at
			break
		}
	}
	_, inside := s.members[v]
	return group{anchor, inside}
}

// residualUnits lists the ends of residual sums that are blocks: sums of branches of different length which hold no
// two such sums in a row, the outermost of them, ascending.
func (f *flow) residualUnits() []int {
	inner := map[int][]int{} // sums inside each sum's region
	visits := 0
	isSumOf := map[int]bool{}
	var sums []int
	for i := 1; i < len(f.vertices); i++ {
		v := &f.vertices[i]
		if !v.branches || !v.kept || v.decoder || !isSum(v.node) {
			continue
		}
		region := f.region(i)
		if visits += len(region); visits > mostVisits {
			return nil
		}
		if !f.bypassed(i, region) || f.linear(i, region) {
			continue
		}
		for _, k := range region {
			if isSumOf[k] {
				inner[i] = append(inner[i], k)
			}
		}
		isSumOf[i] = true
		sums = append(sums, i)
	}
	swallowed, simple := map[int]bool{}, map[int]bool{}
	for _, v := range slices.Backward(sums) {
		set := map[int]bool{}
		for _, k := range inner[v] {
			set[k] = true
		}
		simple[v] = !slices.ContainsFunc(inner[v], func(k int) bool { return f.above(k, set) >= 0 })
		if simple[v] && !swallowed[v] {
			for _, k := range inner[v] {
				swallowed[k] = true
			}
		}
	}
	return slices.DeleteFunc(sums, func(v int) bool { return !simple[v] || swallowed[v] })
}

// region lists what lies between a vertex and its dominator, itself left out, ascending.
func (f *flow) region(v int) []int {
	from := f.vertices[v].dominator
	seen := map[int]bool{v: true, from: true}
	stack := []int{v}
	var region []int
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, p := range f.vertices[i].inputs {
			if !seen[p] {
				seen[p] = true
				region, stack = append(region, p), append(stack, p)
			}
		}
	}
	slices.Sort(region)
	return region
}

// bypassed says whether a vertex can be reached from its dominator past fewer products one way than another.
func (f *flow) bypassed(v int, region []int) bool {
	from := f.vertices[v].dominator
	fewest, most := map[int]int{from: 0}, map[int]int{from: 0}
	for _, i := range append(slices.Clone(region), v) {
		lo, hi := 1<<30, 0
		for _, p := range f.vertices[i].inputs {
			lo, hi = min(lo, fewest[p]), max(hi, most[p])
		}
		if f.vertices[i].product.learned() {
			lo, hi = lo+1, hi+1
		}
		fewest[i], most[i] = lo, hi
	}
	return fewest[v] < most[v]
}

// inRows says whether two units of a group follow each other.
func (s *streams) inRows(g group) bool {
	return slices.ContainsFunc(s.groups[g], func(v int) bool { return slices.Contains(s.groups[g], s.previous[v]) })
}

// opened lists the groups that are opened. Concatenations (CSP, YOLO) are opened together, where most of those with
// units inside have rows of them, so that a network's stages are all read alike.
func (s *streams) opened() []group {
	var open, joined []group
	rows := 0
	for g := range s.groups {
		at := g.anchor + 1
		switch {
		case g.inside && isConcat(s.vertices[s.links[at].vertex].node):
			if s.attends(at) && s.bareBranch(at) { // MobileViT: attention among patches, within a unit of convolutions
				continue
			}
			joined = append(joined, g)
			if s.inRows(g) {
				rows++
			}
		case s.inRows(g):
			open = append(open, g)
		}
	}
	if 10*rows >= 6*len(joined) {
		open = append(open, joined...)
	}
	slices.SortFunc(open, func(a, b group) int { return cmp.Compare(a.anchor, b.anchor) })
	return open
}

func (s *streams) attends(at int) bool {
	return s.links[at].count[pairwise]+s.links[at].count[attention] > 0
}

// candidates lists the blocks of the opened groups, and tells the links whose segments they lie in.
func (s *streams) candidates() (found []Candidate, fusions map[int]bool) {
	fusions = map[int]bool{}
	for _, g := range s.opened() {
		if g.inside {
			fusions[g.anchor+1] = true
		}
		root := 0
		if g.anchor >= 0 {
			root = s.links[g.anchor].vertex
		}
		wanted, followed := map[int]bool{}, map[int]bool{}
		for _, v := range s.groups[g] {
			wanted[v], followed[s.previous[v]] = true, true
		}
		var rows [][]Candidate
		for _, v := range s.groups[g] {
			if !followed[v] {
				rows = append(rows, s.row(root, v, wanted))
			}
		}
		found = append(found, leading(rows)...)
	}
	return found, fusions
}

// leading leaves out rows without attention where others attend: they only make something to attend to (GCViT's global
// queries); and, where there is no attention, single units beside longer rows: they lead out of the streams (HRNet's classifier).
func leading(rows [][]Candidate) []Candidate {
	attends := func(row []Candidate) bool {
		return slices.ContainsFunc(row, func(c Candidate) bool { return strings.ContainsAny(c.Signature, "MA") })
	}
	long := func(row []Candidate) bool { return len(row) > 1 }
	if slices.ContainsFunc(rows, attends) {
		rows = slices.DeleteFunc(rows, func(row []Candidate) bool { return !attends(row) })
	} else if slices.ContainsFunc(rows, long) {
		rows = slices.DeleteFunc(rows, func(row []Candidate) bool { return !long(row) })
	}
	return slices.Concat(rows...)
}

// row finds the blocks on the way from a root to the last unit of a row.
func (s *streams) row(root, last int, wanted map[int]bool) []Candidate {
	c := &chain{flow: s.flow, root: root}
	c.build(c.behindUnit(last))
	bs := slices.DeleteFunc(c.branching(), func(b block) bool { return !wanted[c.links[b.end].vertex] })
	c.moveEnds(bs)
	var found []Candidate
	for _, b := range c.joinRepeated(c.joinMixers(bs)) {
		found = append(found, c.candidate(b.end, Block, b.signature, c.whyBlock(b)+", in a stream beside others"))
	}
	return found
}

// behindUnit follows a vertex over what nothing bypasses and nothing multiplies: an activation, a norm.
func (f *flow) behindUnit(v int) int {
	for {
		next := f.readers[v]
		switch {
		case len(next) == 2 && slices.Equal(f.vertices[next[1]].inputs, []int{v, next[0]}):
			next = next[1:] // x·σ(x)
		case len(next) != 1 || f.vertices[next[0]].dominator != v:
			return v
		}
		if f.vertices[next[0]].product != none || f.vertices[next[0]].node.Op == "Resize" {
			return v
		}
		v = next[0]
	}
}
