package synth

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
)

// Millimetres on the sphere that shape the planted maps: (1), (5), (6), (7) and (8) of the package comment.
const (
	radius      = 100.0 // of a hemisphere's sphere
	depthSmooth = 10.0
	spaceSmooth = 6.0
	fovea       = -62.0 // along V1's axis
	foveaRound  = 8.0
	axisLength  = 107.0 // from the fovea to V1's far end
	bandWidth   = 25.0  // of a reversal beyond V3
	seam        = 8.0   // over which upper and lower field change sides outside V1
)

// plantSpace sets the units' places in the hierarchy and the truth's image points, a hemisphere at a time.
func (p *Plan) plantSpace() error {
	p.truth.X, p.truth.Y = make([]float64, len(p.units)), make([]float64, len(p.units))
	levels := map[int]bool{}
	for side := range cortex.Sides {
		h := p.hemisphere(side)
		if len(h.index) == 0 {
			continue
		}
		if err := h.place(len(p.levels), cortex.Sides[side]); err != nil {
			return err
		}
		x, y, err := h.retinotopy(cortex.Sides[side])
		if err != nil {
			return err
		}
		for i, v := range h.index {
			p.units[v].place, p.truth.X[v], p.truth.Y[v] = h.units[i].place, x[i], y[i]
			levels[h.units[i].level] = true
		}
	}
	delete(levels, -1)
	if len(levels) < 2 {
		return fault.Inputf("the simulated subject's units lie in %d levels of its hierarchy, planting depth along it needs 2", len(levels))
	}
	return nil
}

// patch is the units of one hemisphere and the distances between them.
type patch struct {
	side  int
	index []int       // of each unit in the plan
	units []unit      // copies; place is filled in here
	mm    [][]float64 // great-circle distances, [n][n]
}

func (p *Plan) hemisphere(side int) *patch {
	h := &patch{side: side}
	for v, u := range p.units {
		if u.side == side {
			h.index, h.units = append(h.index, v), append(h.units, u)
		}
	}
	h.mm = make([][]float64, len(h.units))
	for i := range h.mm {
		h.mm[i] = make([]float64, len(h.units))
		for j := range i {
			d := distance(h.units[i].at, h.units[j].at)
			h.mm[i][j], h.mm[j][i] = d, d
		}
	}
	return h
}

// place is (1); units outside the hierarchy take what is around them.
func (h *patch) place(levels int, name string) error {
	level := make([]float64, len(h.units))
	known := 0
	for i, u := range h.units {
		level[i] = math.NaN()
		if u.level >= 0 && levels > 1 {
			level[i] = float64(u.level) / float64(levels-1)
			known++
		}
	}
	if known == 0 {
		return fault.Inputf("no unit of the simulated subject's %s lies in a hierarchy of two levels or more (it has %d)", name, levels)
	}
	for i, x := range h.smooth(level, depthSmooth) {
		h.units[i].place = x
	}
	return nil
}

// smooth is K(sigma) of f over the hemisphere's units; NaN in f counts as absent.
func (h *patch) smooth(f []float64, sigma float64) []float64 {
	out := make([]float64, len(f))
	for i := range out {
		var sum, weight float64
		for j, x := range f {
			if k := gauss(h.mm[i][j], sigma); !math.IsNaN(x) {
				sum += k * x
				weight += k
			}
		}
		out[i] = sum / weight
	}
	return out
}

// retinotopy is (5) to (8): image points of the hemisphere's units.
func (h *patch) retinotopy(name string) (x, y []float64, err error) {
	u, w, err := h.axes(name)
	if err != nil {
		return nil, nil, err
	}
	sign := 1.0
	if h.side == 1 {
		sign = -1
	}
	x, y = make([]float64, len(h.units)), make([]float64, len(h.units))
	for i, phi := range h.phase(w) {
		e := eccentricity(u[i], h.units[i].place)
		theta := polarAngle(phi, w[i], h.units[i].area == "V1")
		x[i], y[i] = sign*e*math.Cos(theta), e*math.Sin(theta)
	}
	return h.smooth(x, spaceSmooth), h.smooth(y, spaceSmooth), nil
}

// eccentricity is (6), in half-widths of the image.
func eccentricity(u, place float64) float64 {
	return (0.04 + 0.76*math.Hypot(u-fovea, foveaRound)/axisLength) * (1 - 0.4*place)
}

// polarAngle is (8), in radians below the horizontal meridian.
func polarAngle(phi, w float64, v1 bool) float64 {
	wave := math.Sin(math.Pi * phi / 2)
	if v1 {
		return 75 * math.Pi / 180 * math.Copysign(wave, w)
	}
	return 75 * math.Pi / 180 * math.Tanh(w/seam) * wave * wave * math.Exp(-math.Max(0, phi-3)/2)
}

// axes are u and w of (6) and (7): millimetres along V1's long axis (towards the front) and above it.
func (h *patch) axes(name string) (u, w []float64, err error) {
	var middle vec
	count := map[string]int{}
	for _, unit := range h.units {
		count[unit.area]++
		if unit.area == "V1" {
			middle = middle.add(unit.at)
		}
	}
	for _, area := range []string{"V1", "V2", "V3"} {
		if count[area] < 3 {
			return nil, nil, fault.Inputf("%s of the simulated subject has %d units in %s, laying out its retinotopy needs 3", name, count[area], area)
		}
	}
	middle = middle.unit()
	along := h.longAxis(middle)
	above := middle.cross(along).unit()
	if above[2] < 0 {
		above = above.times(-1)
	}
	u, w = make([]float64, len(h.units)), make([]float64, len(h.units))
	for i, unit := range h.units {
		u[i] = radius * math.Atan2(unit.at.dot(along), unit.at.dot(middle))
		w[i] = radius * math.Asin(clamp(unit.at.dot(above)))
	}
	return u, w, nil
}

// longAxis is the direction at V1's middle in which V1 is longest, pointing to the front (y up).
func (h *patch) longAxis(middle vec) vec {
	scatter := mat.NewSymDense(3, nil)
	for _, unit := range h.units {
		if unit.area != "V1" {
			continue
		}
		off := unit.at.add(middle.times(-unit.at.dot(middle)))
		scatter.SymRankOne(scatter, 1, mat.NewVecDense(3, off[:]))
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(scatter, true) {
		panic("synth: the eigenvalues of a 3 x 3 matrix do not converge")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	along := vec{vectors.At(0, 2), vectors.At(1, 2), vectors.At(2, 2)} // eigenvalues ascend
	if along[1] < 0 {
		along = along.times(-1)
	}
	return along
}

// phase is φ of (7).
func (h *patch) phase(w []float64) []float64 {
	early := map[string]int{"V1": 0, "V2": 1, "V3": 2}
	phi := make([]float64, len(h.units))
	for i, unit := range h.units {
		to := [4]float64{math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1)} // V1, V2, V3, beyond
		for j, other := range h.units {
			band, ok := early[other.area]
			if !ok {
				band = 3
			}
			to[band] = math.Min(to[band], h.mm[i][j])
		}
		switch unit.area {
		case "V1":
			phi[i] = between(math.Abs(w[i]), to[1])
		case "V2":
			phi[i] = 1 + between(to[0], to[2])
		case "V3":
			phi[i] = 2 + between(to[1], to[3])
		default:
			phi[i] = 3 + to[2]/bandWidth
		}
	}
	return phi
}

// between is where one is on the way from one border to the next, 0..1; 0 where the next is nowhere.
func between(from, to float64) float64 {
	if math.IsInf(to, 1) || from+to == 0 {
		return 0
	}
	return from / (from + to)
}

func gauss(d, sigma float64) float64 { return math.Exp(-d * d / (2 * sigma * sigma)) }

// vec is a point or direction in space.
type vec [3]float64

func direction(p [3]float32) vec {
	return vec{float64(p[0]), float64(p[1]), float64(p[2])}.unit()
}

func (a vec) dot(b vec) float64   { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }
func (a vec) add(b vec) vec       { return vec{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }
func (a vec) times(f float64) vec { return vec{f * a[0], f * a[1], f * a[2]} }
func (a vec) unit() vec           { return a.times(1 / math.Sqrt(a.dot(a))) }
func clamp(x float64) float64     { return math.Max(-1, math.Min(1, x)) }
func distance(a, b vec) float64   { return radius * math.Acos(clamp(a.dot(b))) }
func (a vec) cross(b vec) vec {
	return vec{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}
