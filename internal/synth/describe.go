package synth

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
)

// Description is how hard a simulated subject is, for the report. Everything in it is simulated.
type Description struct {
	Simulated bool       `json:"simulated"`      // always
	Generator string     `json:"generator"`      // the network whose tokens made the responses
	Layers    int        `json:"layers"`         // of the generator
	Units     [2]int     `json:"units"`          // in lh and rh
	Areas     int        `json:"areas"`          // distinct ROIs of the hierarchy that hold units
	Stimuli   int        `json:"stimuli"`        // distinct pictures
	Photos    int        `json:"photos"`         // photographs they are cut from
	Repeats   int        `json:"repeats"`        // presentations averaged
	Ceiling   float64    `json:"ceiling"`        // noise ceiling of the averaged responses
	Single    float64    `json:"ceiling_single"` // noise ceiling of one presentation
	Levels    []Level    `json:"levels"`         // along the hierarchy, levels without units left out
	Eccentric [2]float64 `json:"eccentricity"`   // least and greatest distance of a field's centre from the image's, half-widths
	Sigma     [2]float64 `json:"sigma"`          // least and greatest width of a field, half-widths

	Smoothness Smoothness `json:"smoothness"`
}

// Level is a step of the hierarchy in a Description.
type Level struct {
	Name  string  `json:"name"`
	Units int     `json:"units"`
	Depth float64 `json:"depth"`       // mean planted layer, in layer indices
	Local float64 `json:"local_share"` // mean planted local share
	Sigma float64 `json:"sigma"`       // mean width of the fields, half-widths
}

// Smoothness says how well each unit's truth is foretold by its neighbours' on the sphere: the mean of
// the others in its hemisphere, weighted by a Gaussian of 5 mm. A rough guide to what a smooth selector can
// follow. (The position code's shortest wavelength is 6 % of the fitted
// units' extent, 26 mm for the visual areas of both hemispheres, and a Gaussian of 5 mm still passes half
// of such a wave.)
type Smoothness struct {
	Space float64 `json:"space_error_median"` // median distance between foretold and true centre where the local share is above 0.5, in -1..1 coordinates
	Depth float64 `json:"layer_error_mean"`   // mean error in layers
}

const neighbourhood = 5.0 // mm, of Smoothness

// Describe measures the plan.
func (p *Plan) Describe() Description {
	o := p.options
	d := Description{
		Simulated: true, Generator: o.Generator, Layers: len(p.layers), Areas: p.areas(),
		Stimuli: p.stimuli, Photos: p.photos, Repeats: o.Repeats, Ceiling: o.Ceiling,
		Single:    o.Ceiling / (o.Ceiling + float64(o.Repeats)*(1-o.Ceiling)),
		Levels:    p.describeLevels(),
		Eccentric: [2]float64{math.Inf(1), math.Inf(-1)},
		Sigma:     [2]float64{slices.Min(p.truth.Sigma), slices.Max(p.truth.Sigma)},
	}
	for v, u := range p.units {
		d.Units[u.side]++
		e := math.Hypot(p.truth.X[v], p.truth.Y[v])
		d.Eccentric[0], d.Eccentric[1] = math.Min(d.Eccentric[0], e), math.Max(d.Eccentric[1], e)
	}
	d.Smoothness = p.smoothness(neighbourhood)
	return d
}

func (p *Plan) areas() int {
	seen := map[string]bool{}
	for _, u := range p.units {
		seen[u.area] = true
	}
	delete(seen, "")
	return len(seen)
}

func (p *Plan) describeLevels() []Level {
	levels := make([]Level, len(p.levels))
	for v, u := range p.units {
		if u.level < 0 {
			continue
		}
		l := &levels[u.level]
		l.Units++
		l.Depth += p.truth.Depth[v]
		l.Local += 1 - p.truth.Global[v]
		l.Sigma += p.truth.Sigma[v]
	}
	for i := range levels {
		n := float64(levels[i].Units)
		levels[i] = Level{Name: p.levels[i], Units: levels[i].Units,
			Depth: levels[i].Depth / n, Local: levels[i].Local / n, Sigma: levels[i].Sigma / n}
	}
	return slices.DeleteFunc(levels, func(l Level) bool { return l.Units == 0 })
}

// smoothness foretells each unit from the others in its hemisphere.
func (p *Plan) smoothness(sigma float64) Smoothness {
	t := &p.truth
	var space []float64
	var depth float64
	for side := range cortex.Sides {
		h := p.hemisphere(side)
		for i, v := range h.index {
			var weight, x, y, d float64
			for j, other := range h.index {
				if i == j {
					continue
				}
				k := gauss(h.mm[i][j], sigma)
				weight, x, y, d = weight+k, x+k*t.X[other], y+k*t.Y[other], d+k*t.Depth[other]
			}
			depth += math.Abs(d/weight - t.Depth[v])
			if t.Global[v] < 0.5 {
				space = append(space, math.Hypot(x/weight-t.X[v], y/weight-t.Y[v]))
			}
		}
	}
	return Smoothness{Space: stats.Median(space), Depth: depth / float64(len(p.units))}
}

// String is the description as a paragraph for people.
func (d Description) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Simulated subject: %d simulated units (lh %d, rh %d) in %d real areas, answering to %d pictures",
		d.Units[0]+d.Units[1], d.Units[0], d.Units[1], d.Areas, d.Stimuli)
	if d.Photos > 0 && d.Photos != d.Stimuli {
		fmt.Fprintf(&b, " cut from %d photographs", d.Photos)
	}
	fmt.Fprintf(&b, ". Each simulated response is the mean of %d presentations with a noise ceiling of %.2f (%.2f for a single one). ",
		d.Repeats, d.Ceiling, d.Single)
	fmt.Fprintf(&b, "The responses come from the native tokens of %s (%d layers). ", d.Generator, d.Layers)
	b.WriteString("Planted along the hierarchy, as mean layer and local share: ")
	for i, l := range d.Levels {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %.1f and %.2f", l.Name, l.Depth, l.Local)
	}
	fmt.Fprintf(&b, ". Receptive fields are Gaussians of %.2f to %.2f half-widths of the image, centred %.2f to %.2f away from its centre in the opposite half. ",
		d.Sigma[0], d.Sigma[1], d.Eccentric[0], d.Eccentric[1])
	fmt.Fprintf(&b, "How gently the planted maps vary: foretold from neighbours (Gaussian of %.0f mm), a local unit's centre is off by %.3f (median) and a unit's layer by %.2f (mean).",
		neighbourhood, d.Smoothness.Space, d.Smoothness.Depth)
	return b.String()
}
