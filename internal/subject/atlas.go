package subject

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"cortexmap/internal/strictyaml"
)

// regionsYAML is what is known of regions beforehand: data, not code.
//
//go:embed regions.yaml
var regionsYAML []byte

// atlas is regions.yaml.
type atlas struct {
	Families    []family
	Sets        []regionSet
	Hierarchies []namedHierarchy
}

// family is a map of regions: its name, the regions of the labels 1, 2, …, and regions that are several of
// them together. A vertex may lie in a region of several families.
type family struct {
	Name, Source string
	Regions      []string
	Combined     map[string][]string
}

// regionSet is an order of regions, some of one family and some of another.
type regionSet struct {
	Name, Source string
	Regions      []string
}

type namedHierarchy struct {
	Name   string
	Levels []Level
}

// known reads regions.yaml; a test holds that it can be read.
func known() *atlas {
	a := &atlas{}
	if err := strictyaml.Decode("regions.yaml", regionsYAML, a); err != nil {
		panic(fmt.Sprintf("subject: %v", err))
	}
	return a
}

// family is the one of that name, nil if it isn't known.
func (a *atlas) family(name string) *family {
	for i := range a.Families {
		if a.Families[i].Name == name {
			return &a.Families[i]
		}
	}
	return nil
}

// numbers are the labels' names, 0 among them.
func (f *family) numbers() map[int64]string {
	out := map[int64]string{0: "Unknown"}
	for i, name := range f.Regions {
		out[int64(i+1)] = name
	}
	return out
}

// wholes are the regions that a part belongs to.
func (f *family) wholes(part string) (out []string) {
	if f == nil {
		return nil
	}
	for whole, parts := range f.Combined {
		if slices.Contains(parts, part) {
			out = append(out, whole)
		}
	}
	return out
}

// Hierarchy is the ordered list of levels of a name; nil if it isn't known.
func Hierarchy(name string) []Level {
	for _, h := range known().Hierarchies {
		if h.Name == name {
			return h.Levels
		}
	}
	return nil
}

// Region is a region of interest as this subject has it.
type Region struct {
	Name    string   // FAMILY/NAME, NAME alone without a family
	Source  string   // where it comes from; "" if nobody said
	Parts   []string // the regions of its family that it is put together from; nil: it is one
	Units   int      // of the subject that lie in it
	Outside int      // vertices of the surface that its file names and the subject has no units at
}

// regions collects which units belong to which region.
type regions struct {
	units  []map[string]bool  // [V]
	all    map[string]*Region // every one that a file names, also those without units
	order  []string           // of their first mention
	atlas  *atlas
	source string // of what is declared next; "": the family's
}

func newRegions(units int) *regions {
	return &regions{units: make([]map[string]bool, units), all: map[string]*Region{}, atlas: known()}
}

// full is FAMILY/NAME, or NAME without a family.
func full(family, name string) string {
	if family == "" {
		return name
	}
	return family + "/" + name
}

// base is the name without the family.
func base(roi string) string { return roi[strings.LastIndexByte(roi, '/')+1:] }

// declare makes a region known, and those that it is a part of.
func (r *regions) declare(in, name string) *Region {
	f := r.atlas.family(in)
	for _, whole := range f.wholes(name) {
		r.region(in, whole).Parts = f.Combined[whole]
	}
	return r.region(in, name)
}

func (r *regions) region(in, name string) *Region {
	n := full(in, name)
	if r.all[n] == nil {
		source := r.source
		if f := r.atlas.family(in); f != nil && source == "" {
			source = f.Source
		}
		r.all[n] = &Region{Name: n, Source: source}
		r.order = append(r.order, n)
	}
	return r.all[n]
}

// add puts a unit into a region, and into those that it is a part of.
func (r *regions) add(unit int, in, name string) {
	r.declare(in, name)
	for _, n := range append(r.atlas.family(in).wholes(name), name) {
		n = full(in, n)
		if r.units[unit] == nil {
			r.units[unit] = map[string]bool{}
		}
		if !r.units[unit][n] {
			r.units[unit][n] = true
			r.all[n].Units++
		}
	}
}

// outside counts a vertex of a region at which the subject has no unit.
func (r *regions) outside(in, name string) {
	r.declare(in, name).Outside++
	for _, whole := range r.atlas.family(in).wholes(name) {
		r.all[full(in, whole)].Outside++
	}
}

// finish writes what was collected into the subject.
func (b *builder) finish(r *regions) {
	s := b.s
	s.ROIs = make([][]string, s.Units)
	for u, set := range r.units {
		for name := range set {
			s.ROIs[u] = append(s.ROIs[u], name)
		}
		slices.Sort(s.ROIs[u])
	}
	for _, name := range r.order {
		s.Regions = append(s.Regions, *r.all[name])
	}
}

// tellEmpty warns of regions that have no unit, each with the number of vertices that its file names.
func (b *builder) tellEmpty() {
	var empty []string
	for _, r := range b.s.Regions {
		switch {
		case r.Units > 0:
		case r.Outside > 0:
			empty = append(empty, fmt.Sprintf("%s (%d vertices elsewhere)", r.Name, r.Outside))
		default:
			empty = append(empty, r.Name)
		}
	}
	if len(empty) == 0 {
		return
	}
	slices.Sort(empty)
	some := empty[:min(8, len(empty))]
	more := ""
	if len(some) < len(empty) {
		more = ", …"
	}
	b.s.warn("rois-outside", fmt.Sprintf("%s: %d of %d regions have no unit: %s%s", b.s.Name, len(empty), len(b.s.Regions), strings.Join(some, ", "), more))
}
