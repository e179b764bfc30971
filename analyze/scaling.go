package analyze

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Fitted is a mapping with what its data set and its network's entry say.
type Fitted struct {
	Mapping   *store.Mapping
	Geometry  *cortex.Geometry
	Hierarchy Hierarchy
	Size      string // of the network, for people; "" where it is only counted
	Bounds    Bounds
}

// Network is one of a family, fitted one way. Two of them differ in parameters, depth (layers) or what a sweep set (the
// number of training pictures, say). Subjects that have seen different numbers of pictures are subjects of one Network.
type Network struct {
	Family, Model, Size, Method, Protocol, Settings string
	Parameters                                      int64
	Layers                                          int
}

// population are subjects that may be averaged: recorded in one way, or simulated; never both.
type population struct {
	simulated     bool
	kind, surface string
}

// Member is a Network on one population of subjects. A value is the mean over subjects of each one's mean over seeds.
type Member struct {
	Network
	Subjects []string
	Seeds    int // most fits of one subject
	Images   int // most training pictures of one fit
	Of       population
	Values   []Value // by scalingQuantities

	by []subjectFits
}

// Value is a number with its 95 % interval: of t over subjects where there are two or more, else spatial, one
// subject's; Bounds can say otherwise. SeedSD is the spread over seeds, mean over subjects of their standard deviations; NaN with one seed.
type Value struct {
	Interval
	Kind   string // subjects, spatial, "" without bounds
	SeedSD float64
	Reason string // why bounds are missing
}

// subjectFits are one subject's fits, and their average.
type subjectFits struct {
	name  string
	mean  Fitted
	each  []*store.Mapping
	field *Field // of the average; nil before measure
}

// Difference is the larger network minus the smaller, paired: over subjects where two or more had both, else vertex
// by vertex on the one subject's cortex.
type Difference struct {
	Family, Smaller, Larger, Quantity string
	Method                            string
	Simulated                         bool
	Subjects                          []string
	Value
	P, Q float64 // two-sided, of no difference; Q after Benjamini and Hochberg over the family's pairs of a quantity
}

// Scaling is what a family's networks have in common and differ in.
type Scaling struct {
	Members     []Member
	Differences []Difference
}

// scalingQuantities are the numbers compared, with how one subject's is computed from a mapping (or a difference of
// two) and a number a unit.
var scalingQuantities = []struct {
	name string
	unit func(*store.Mapping) []float64
	of   func(in Input, f *Field, y []float64) Interval
}{
	{"r2_mean", r2Of, wholeMean("r2")},
	{"r2_norm_mean", func(m *store.Mapping) []float64 { return values(m, normalised) }, wholeMean("r2_norm")},
	{"slope_share", func(m *store.Mapping) []float64 { return depths(m, "share") }, func(in Input, f *Field, y []float64) Interval {
		if len(in.Hierarchy.Levels) < 2 || in.Mapping.Selector == nil {
			return bare(nan)
		}
		return align(in, f, "share", "rois", y).Slope
	}},
}

func wholeMean(name string) func(Input, *Field, []float64) Interval {
	return func(in Input, f *Field, y []float64) Interval {
		at := make([]int, len(y))
		for i := range at {
			at[i] = i
		}
		return f.mean(name, y, at)
	}
}

// Scale compares the networks of each family that has two or more; nil where none has. Networks without a family
// have none.
func Scale(ctx context.Context, all []Fitted) (*Scaling, error) {
	s := &Scaling{Members: members(all)}
	s.Members = slices.DeleteFunc(s.Members, func(m Member) bool { return m.Family == "" || s.relatives(m) < 2 })
	if len(s.Members) == 0 {
		return nil, nil
	}
	for i := range s.Members {
		if err := s.Members[i].measure(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.differ(ctx); err != nil {
		return nil, err
	}
	s.discover()
	return s, nil
}

// relatives counts the networks of a member's family that were fitted to the same subjects by the same method.
func (s *Scaling) relatives(m Member) (n int) {
	for _, o := range s.Members {
		if o.comparable(m) {
			n++
		}
	}
	return n
}

func (m Member) comparable(o Member) bool {
	return m.Family == o.Family && m.Method == o.Method && m.Protocol == o.Protocol && m.Of == o.Of
}

// members groups mappings, the smaller networks first.
func members(all []Fitted) (out []Member) {
	type key struct {
		Network
		population
	}
	place := map[key]int{}
	for _, f := range all {
		i := &f.Mapping.Info
		k := key{Network{i.Family, i.Model, f.Size, MethodOf(i), i.Protocol, i.Swept, i.Network.Parameters, len(i.Layers)}, population{i.Simulated, i.SubjectKind, i.Surface}}
		at, ok := place[k]
		if !ok {
			at = len(out)
			place[k] = at
			out = append(out, Member{Network: k.Network, Of: k.population})
		}
		out[at].add(f)
	}
	for i := range out {
		for k := range out[i].by {
			b := &out[i].by[k]
			b.mean.Mapping = Average(b.each...)
		}
	}
	slices.SortStableFunc(out, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Parameters, b.Parameters), cmp.Compare(a.Images, b.Images))
	})
	return out
}

// Value is one of the quantities compared, by its name in scaling.csv; a name that is none is a bug.
func (m Member) Value(quantity string) Value {
	for k, q := range scalingQuantities {
		if q.name == quantity {
			return m.Values[k]
		}
	}
	panic("analyze: no quantity " + quantity)
}

// Simulated says whether its subjects' responses are.
func (m Member) Simulated() bool { return m.Of.simulated }

// Info is that of its first subject's first fit.
func (m Member) Info() store.FitInfo { return m.by[0].each[0].Info }

func (m *Member) add(f Fitted) {
	name := f.Mapping.Info.Subject
	k := slices.Index(m.Subjects, name)
	if k < 0 {
		k = len(m.Subjects)
		m.Subjects = append(m.Subjects, name)
		m.by = append(m.by, subjectFits{name: name, mean: f})
	}
	m.by[k].each = append(m.by[k].each, f.Mapping)
	m.Seeds = max(m.Seeds, len(m.by[k].each))
	m.Images = max(m.Images, f.Mapping.Info.Images)
}

// measure fills Values.
func (m *Member) measure(ctx context.Context) error {
	for k := range m.by {
		b := &m.by[k]
		var err error
		if b.field, err = NewField(ctx, b.mean.input()); err != nil {
			return err
		}
	}
	for _, q := range scalingQuantities {
		var each []Interval
		var spread []float64
		for _, b := range m.by {
			each = append(each, q.of(b.mean.input(), b.field, q.unit(b.mean.Mapping)))
			var seeds []float64
			for _, one := range b.each {
				in := b.mean.input()
				in.Mapping = one
				seeds = append(seeds, q.of(in, &Field{off: true}, q.unit(one)).Estimate)
			}
			spread = append(spread, stats.SD(seeds))
		}
		v := over(each, m.by[0].mean.Bounds)
		v.SeedSD = stats.Mean(spread)
		m.Values = append(m.Values, v)
	}
	return nil
}

func (f Fitted) input() Input {
	return Input{Mapping: f.Mapping, Geometry: f.Geometry, Hierarchy: f.Hierarchy, R2Top: nan, Bounds: f.Bounds}
}

// over is the mean over subjects of one number of each, with t's interval; of one subject its own. See Bounds.
func over(each []Interval, bounds Bounds) Value {
	var x, half []float64
	var one Interval
	for _, v := range each {
		if !math.IsNaN(v.Estimate) {
			x, half, one = append(x, v.Estimate), append(half, (v.Hi-v.Lo)/2), v
		}
	}
	switch {
	case len(x) == 0:
		return Value{Interval: bare(nan), Reason: "no subject has the number"}
	case len(x) > 1 && bounds == BoundsSpatial:
		return overSpace(x, half)
	case len(x) > 1:
		return Value{Interval: stats.TInterval(x, 0.95), Kind: "subjects"}
	case bounds == BoundsSubjects:
		return Value{Interval: bare(one.Estimate), Reason: "one subject: no interval over subjects"}
	case math.IsNaN(one.Lo):
		return Value{Interval: one, Reason: "one subject, whose units have no place on a surface (or are too few)"}
	}
	return Value{Interval: one, Kind: "spatial"}
}

// overSpace is the mean of several subjects' numbers with the interval that their own spatial ones, of half widths h
// and independent of each other, give it: ± √(Σh²)/n.
func overSpace(x, half []float64) Value {
	var sum float64
	for _, h := range half {
		sum += h * h
	}
	mean, h := stats.Mean(x), math.Sqrt(sum)/float64(len(x))
	if math.IsNaN(h) {
		return Value{Interval: bare(mean), Reason: "a subject's units have no place on a surface (or are too few)"}
	}
	return Value{Interval: Interval{Estimate: mean, Lo: mean - h, Hi: mean + h}, Kind: "spatial"}
}

// differ compares every pair of a family's networks.
func (s *Scaling) differ(ctx context.Context) error {
	for j, large := range s.Members {
		for _, small := range s.Members[:j] {
			if !large.comparable(small) {
				continue
			}
			shared, err := sharedSubjects(ctx, small, large)
			if err != nil {
				return err
			}
			for _, q := range scalingQuantities {
				var each []Interval
				var subjects []string
				for _, c := range shared {
					each, subjects = append(each, q.of(c.in, c.field, c.difference(c.in.Mapping, q.unit))), append(subjects, c.in.Mapping.Info.Subject)
				}
				d := Difference{Family: large.Family, Smaller: small.label(), Larger: large.label(), Quantity: q.name, Method: large.Method, Simulated: large.Of.simulated, Subjects: subjects, Value: over(each, large.by[0].mean.Bounds), P: nan, Q: nan}
				d.P = pOfDifference(each, d.Value)
				s.Differences = append(s.Differences, d)
			}
		}
	}
	return nil
}

// sharedSubject is a subject that two networks were mapped onto, in the same units.
type sharedSubject struct {
	Pair
	in    Input
	field *Field
}

func sharedSubjects(ctx context.Context, small, large Member) (out []sharedSubject, err error) {
	for _, a := range small.by {
		for _, b := range large.by {
			c := sharedSubject{Pair: Pair{Before: a.mean.Mapping, After: b.mean.Mapping, Geometry: a.mean.Geometry, Hierarchy: a.mean.Hierarchy}}
			if a.name != b.name || c.check() != nil {
				continue
			}
			c.in = Input{Mapping: c.both(), Geometry: c.Geometry, Hierarchy: c.Hierarchy, R2Top: nan, Bounds: a.mean.Bounds}
			if c.field, err = NewField(ctx, c.in); err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// pOfDifference is the two-sided p of no difference: of Student's t over subjects, or of one subject's interval.
func pOfDifference(each []Interval, v Value) float64 {
	if v.Kind != "subjects" {
		return twoSided(v.Interval)
	}
	var x []float64
	for _, e := range each {
		x = append(x, e.Estimate)
	}
	x = stats.Present(x)
	sd := stats.SD(x)
	if !(sd > 0) {
		return pOf(v.Estimate, sd)
	}
	return max(leastP, 2*(1-stats.TCDF(math.Abs(v.Estimate)/sd*math.Sqrt(float64(len(x))), float64(len(x)-1))))
}

// label tells networks of one name apart by what a sweep set.
func (n Network) label() string { return strings.TrimSpace(n.Model + " " + n.Settings) }

// discover fills Q, over the pairs of a family and quantity.
func (s *Scaling) discover() {
	var p []float64
	for _, d := range s.Differences {
		p = append(p, d.P)
	}
	for i, q := range fdrWithin(p, func(i int) string {
		d := &s.Differences[i]
		return fmt.Sprint(d.Family, "\n", d.Quantity, "\n", d.Method, "\n", d.Simulated)
	}) {
		s.Differences[i].Q = q
	}
}

// Limits says in words what such a comparison can't.
func (s *Scaling) Limits() (out []string) {
	for _, m := range s.Members {
		for _, v := range m.Values {
			switch {
			case v.Kind != "spatial":
			case len(m.Subjects) > 1:
				out = append(out, "Spatial intervals and tests speak of the cortices of these subjects, not of other people.")
			default:
				out = append(out, "One subject: intervals and tests say whether the networks differ on this cortex by more than its smoothness alone would make them. Nothing is said of other people; that needs two subjects at the very least, and eight would be better.")
			}
		}
	}
	for _, m := range s.Members {
		if m.Of.simulated {
			out = append(out, "Simulated responses favour the network that generated them, whatever its size.")
		}
		if m.Seeds < 2 {
			out = append(out, "One seed: how far the numbers move from fit to fit is not known.")
		}
	}
	out = append(out, "Networks of a family differ in more than their size: input resolution, width and depth grow together.")
	slices.Sort(out)
	return slices.Compact(out)
}

var quantityColumn = Column{"quantity", "r2_mean (over units, fraction of variance), r2_norm_mean (over noise ceiling), slope_share (of the hierarchy, over levels)"}

const intervalDoc = "subjects: t over them; spatial: over the cortex of the subjects averaged"

// ScalingTable is scaling.csv: a row a network, population and quantity.
func ScalingTable(s *Scaling) *Table {
	t := &Table{Name: "scaling", Title: "Networks by size", Note: strings.Join(s.Limits(), " "), Columns: []Column{
		{"family", ""}, {"model", "network"}, {"size", "as the pipeline file says"}, {"params", "of the network"}, {"layers", "its depth: layers read"}, {"images", "training pictures, most of one fit"},
		{"method", ""}, {"protocol", ""}, {"settings", "what a sweep set"}, {"subjects", ""}, {"n_subjects", ""}, {"n_seeds", "most of one subject"},
		quantityColumn,
		{"mean", "over subjects, of each one's mean over seeds"}, {"lo", "95 %"}, {"hi", "95 %"}, {"interval", intervalDoc},
		{"seed_sd", "spread over seeds"}, {"warnings", "why something is empty"}, simulatedColumn,
	}}
	for _, m := range s.Members {
		for k, v := range m.Values {
			warn := v.Reason
			if math.IsNaN(v.SeedSD) && m.Seeds < 2 {
				warn = also(warn, "one seed: no spread")
			}
			t.Add(m.Family, m.Model, m.Size, m.Parameters, m.Layers, m.Images, m.Method, m.Protocol, m.Settings, strings.Join(m.Subjects, " "), len(m.Subjects), m.Seeds,
				scalingQuantities[k].name, v.Estimate, v.Lo, v.Hi, v.Kind, v.SeedSD, warn, m.Of.simulated)
		}
	}
	return t
}

// ScalingTests is scaling_tests.csv: a row a pair of networks and quantity.
func ScalingTests(s *Scaling) *Table {
	t := &Table{Name: "scaling_tests", Title: "Larger minus smaller, paired", Note: strings.Join(s.Limits(), " "), Columns: []Column{
		{"family", ""}, {"smaller", "network"}, {"larger", "network"}, {"method", ""}, {"quantity", ""}, {"subjects", "that both were mapped onto"}, {"n_subjects", ""},
		{"difference", "larger − smaller"}, {"lo", "95 %"}, {"hi", "95 %"}, {"interval", intervalDoc},
		{"p", "two-sided, of no difference"}, {"q", "after Benjamini and Hochberg over the pairs"}, {"warnings", "why something is empty"}, simulatedColumn,
	}}
	for _, d := range s.Differences {
		t.Add(d.Family, d.Smaller, d.Larger, d.Method, d.Quantity, strings.Join(d.Subjects, " "), len(d.Subjects), d.Estimate, d.Lo, d.Hi, d.Kind, d.P, d.Q, d.Reason, d.Simulated)
	}
	return t
}
