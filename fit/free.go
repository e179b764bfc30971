package fit

import "math"

const (
	freeEdge = 0.05 // keeps the start of a free pick where (3) still has a slope
	// The profile over layers of (17) is broader than that which networks are fitted to: the map of one unit is
	// noisy, and no neighbour says which of two layers it is. Median r on macaque V4, four splits, sessions
	// 201025 and 210325: 0.634 and 0.582 with the networks' 0.04, 0.635 and 0.587 with 0.1, 0.639 and 0.589 with
	// this, 0.638 and 0.592 with 0.4. Ridge from the block that validation chooses has 0.604 and 0.582 there.
	freeSharpness = 0.2
)

// asked are the vertices that an initialisation looks at: some of them, from which the networks learn what
// all others pick; all of them where each picks for itself.
func (m *model) asked(n int, purpose uint64) []int32 {
	if m.net == nil {
		n = m.V
	}
	return sampleUnits(m.V, n, m.seed, purpose)
}

// freeTargets starts each unit's picks at its own targets.
func (m *model) freeTargets(s *scoreMap, targets []target) {
	h := m.sel.heads()
	for i, v := range s.vertices {
		t, o := &targets[i], m.out[int(v)*h:int(v+1)*h]
		o[0], o[1] = atanh(t.x), atanh(t.y)
		for l, p := range t.layer {
			o[2+l] = freeLogit(p, m.L)
		}
		o[2+m.L] = logit(t.scale)
	}
}

// freeScale sets each unit's scale to (24).
func (m *model) freeScale(vertices []int32, ev []float64) {
	h := m.sel.heads()
	for i, v := range vertices {
		var sum, at float64
		for k, e := range ev[i*scaleGrid : (i+1)*scaleGrid] {
			p := math.Exp(e) // the best one's is 0
			sum, at = sum+p, at+p*float64(k)/(scaleGrid-1)
		}
		m.out[int(v)*h+2+m.L] = logit(at / sum)
	}
}

// freeLogit is the output of a softmax over n things from which one of probability p starts.
func freeLogit(p float64, n int) float32 {
	return float32(math.Log((1-freeEdge)*p + freeEdge/float64(n)))
}

func atanh(x float64) float32 {
	return float32(math.Atanh(min(max(x, freeEdge-1), 1-freeEdge)))
}

func logit(p float64) float32 {
	p = min(max(p, freeEdge), 1-freeEdge)
	return float32(math.Log(p / (1 - p)))
}

// method is the mapping's method.
func (m *model) method() string {
	if m.net == nil {
		return "factortopy_free"
	}
	return "factortopy"
}
