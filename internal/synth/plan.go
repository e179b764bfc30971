package synth

import (
	"math"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

// Options of a simulated subject. The zero value of a field takes its default.
type Options struct {
	Seed      uint64  // of weights and noise; places do not depend on it
	Generator string  // the network whose tokens make the responses; repeated by Truth and Description
	Ceiling   float64 // noise ceiling of the averaged responses, above 0 and at most 1; default 0.40
	Repeats   int     // presentations of each picture that are averaged; default 3
}

// The defaults: three presentations as in the Natural Scenes Dataset, and the ceiling at which the
// design's figures were measured. One presentation then has a ceiling of 0.18.
const (
	DefaultCeiling = 0.40
	DefaultRepeats = 3
)

// Shape is one layer of the generator as the network has it.
type Shape struct {
	Name  string
	Width int // D, numbers in a token
	H, W  int // native token grid
}

// Plan is a planted subject that has not answered yet.
type Plan struct {
	options Options
	layers  []Shape
	units   []unit
	levels  []string // names of the hierarchy's steps
	stimuli int
	photos  int
	truth   store.Truth
}

// unit is what is known of one unit's place.
type unit struct {
	side   int    // index into cortex.Sides
	vertex int32  // number on the hemisphere
	area   string // V1, …: the ROI that the hierarchy names, without its family; "" if none does
	level  int    // step of the hierarchy, from 0; -1 if none
	at     vec    // on the unit sphere
	place  float64
}

// Plant draws the truth of s from where its units lie on g's spheres, for a generator with the given
// layers.
//
// Every unit needs a hemisphere and a vertex of g. The hierarchy needs two levels or more that have
// units, and each hemisphere with units needs some in V1, V2 and V3, from whose borders the retinotopy
// is laid out. Anything less is a fault of class Input, as are options out of range. Plant panics
// without layers.
func Plant(s *subject.Subject, g *cortex.Geometry, layers []Shape, o Options) (*Plan, error) {
	if len(layers) == 0 {
		panic("synth: Plant without layers")
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	units, err := places(s, g)
	if err != nil {
		return nil, err
	}
	p := &Plan{options: o, layers: layers, units: units, photos: distinct(s.Photo)}
	for _, level := range s.Hierarchy {
		p.levels = append(p.levels, level.Name)
	}
	if s.Images != nil {
		p.stimuli = s.Images.Len()
	}
	p.truth = store.Truth{Generator: o.Generator, Layers: len(layers)}
	if err := p.plantSpace(); err != nil {
		return nil, err
	}
	p.plantDepth()
	return p, nil
}

// Truth is what was planted, a number a unit; the plan's own, not to be changed.
func (p *Plan) Truth() *store.Truth { return &p.truth }

// Units is the number of units, V.
func (p *Plan) Units() int { return len(p.units) }

func (o Options) complete() (Options, error) {
	if o.Ceiling == 0 {
		o.Ceiling = DefaultCeiling
	}
	if o.Repeats == 0 {
		o.Repeats = DefaultRepeats
	}
	if !(o.Ceiling > 0 && o.Ceiling <= 1) {
		return o, fault.Inputf("a simulated subject's noise ceiling is %v, it must lie above 0 and at most at 1", o.Ceiling)
	}
	if o.Repeats < 1 {
		return o, fault.Inputf("a simulated subject's repeats are %d, it needs 1 or more", o.Repeats)
	}
	return o, nil
}

// places finds each unit's point on its sphere and its step of the hierarchy.
func places(s *subject.Subject, g *cortex.Geometry) ([]unit, error) {
	if len(s.Hemi) != s.Units || len(s.Vertex) != s.Units || len(s.ROIs) != s.Units {
		panic("synth: a subject whose hemispheres, vertices or ROIs are not one a unit")
	}
	step := steps(s.Hierarchy)
	units := make([]unit, s.Units)
	for i := range units {
		u := unit{side: cortex.Side(s.Hemi[i]), vertex: s.Vertex[i], level: -1}
		if u.side < 0 {
			return nil, fault.Inputf("unit %d of the simulated subject has the hemisphere %q, not lh or rh", i, s.Hemi[i])
		}
		sphere := g.Hemis[u.side].Sphere
		if sphere == nil || int(u.vertex) >= len(sphere.Points) || u.vertex < 0 {
			return nil, fault.Inputf("unit %d of the simulated subject lies at vertex %d of %s, which has no such point on its sphere", i, u.vertex, s.Hemi[i])
		}
		u.at = direction(sphere.Points[u.vertex])
		for _, roi := range s.ROIs[i] {
			if level, ok := step[base(roi)]; ok {
				u.area, u.level = base(roi), level
			}
		}
		units[i] = u
	}
	return units, nil
}

// steps gives the place in the hierarchy of every ROI that it names.
func steps(hierarchy []subject.Level) map[string]int {
	step := map[string]int{}
	for i, level := range hierarchy {
		for _, roi := range level.ROIs {
			step[base(roi)] = i
		}
	}
	return step
}

// base is an ROI's name without its family: V1 of glasser/V1.
func base(roi string) string { return roi[strings.LastIndexByte(roi, '/')+1:] }

// plantDepth sets (2), (3), (4) and the ceilings from the units' places.
func (p *Plan) plantDepth() {
	for _, u := range p.units {
		p.truth.Depth = append(p.truth.Depth, depth(u.place, len(p.layers)))
		p.truth.Global = append(p.truth.Global, 1/(1+math.Exp(-9*(u.place-0.6))))
		p.truth.Sigma = append(p.truth.Sigma, 0.06+0.24*u.place)
		p.truth.Ceiling = append(p.truth.Ceiling, p.options.Ceiling)
	}
}

// depth is (2). Networks of one to three layers have no room for its margins and use the whole range.
func depth(place float64, layers int) float64 {
	if layers < 4 {
		return place * float64(layers-1)
	}
	return 0.3 + place*(float64(layers)-1.6)
}

func distinct(names []string) int {
	seen := map[string]bool{}
	for _, name := range names {
		seen[name] = true
	}
	return len(seen)
}
