package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/subject"
)

// A made-up cortex: on each sphere a strip V1 along a horizontal great circle, from 60 mm behind its
// middle to 45 mm before it, with V2, V3 and V4 on both sides of it, as the real areas lie, but with
// straight borders.
var (
	v1Half, v2Edge, v3Edge, v4Edge = 20.0, 34.0, 46.0, 60.0 // |w| mm
	middles                        = [2]vec{vec{0.5, -0.85, 0}.unit(), vec{-0.5, -0.85, 0}.unit()}
)

type madeUnit struct{ u, w float64 }

// made is the made-up cortex with its subject, and where each unit lies.
func made(t testing.TB) (*subject.Subject, *cortex.Geometry, []madeUnit) {
	t.Helper()
	s := &subject.Subject{Name: "made", Kind: "simulated", Simulated: true}
	for i := 1; i <= 4; i++ {
		s.Hierarchy = append(s.Hierarchy, subject.Level{Name: fmt.Sprintf("level %d", i), ROIs: []string{fmt.Sprintf("V%d", i)}})
	}
	g := &cortex.Geometry{Name: "made"}
	var at []madeUnit
	for side, middle := range middles {
		up := vec{0, 0, 1}
		along := middle.cross(up).unit()
		if along[1] < 0 {
			along = along.times(-1)
		}
		sphere := &cortex.Surface{}
		for i := range 4000 { // Fibonacci's sphere: about 31 mm² a point
			z := 1 - (2*float64(i)+1)/4000
			turn := float64(i) * math.Pi * (3 - math.Sqrt(5))
			point := vec{math.Sqrt(1-z*z) * math.Cos(turn), math.Sqrt(1-z*z) * math.Sin(turn), z}
			sphere.Points = append(sphere.Points, [3]float32{float32(100 * point[0]), float32(100 * point[1]), float32(100 * point[2])})
			u, w := 100*math.Atan2(point.dot(along), point.dot(middle)), 100*math.Asin(z)
			area := madeArea(u, w)
			if area == "" {
				continue
			}
			s.Hemi, s.Vertex = append(s.Hemi, cortex.Sides[side]), append(s.Vertex, int32(i))
			s.ROIs = append(s.ROIs, []string{"made/" + area})
			at = append(at, madeUnit{u, w})
		}
		g.Hemis[side] = &cortex.Hemisphere{Name: cortex.Sides[side], Sphere: sphere}
	}
	s.Units = len(s.Hemi)
	return s, g, at
}

func madeArea(u, w float64) string {
	switch w = math.Abs(w); {
	case u < -60 || u > 45 || w > v4Edge:
		return ""
	case w <= v1Half:
		return "V1"
	case w <= v2Edge:
		return "V2"
	case w <= v3Edge:
		return "V3"
	}
	return "V4"
}

// tinyNet is a generator small enough for plain loops: its shapes and random tokens.
type tinyNet struct {
	layers []Shape
	tokens [][]float64 // per layer [N, D, H*W]
	n      int
}

func tiny(n int) *tinyNet {
	net := &tinyNet{n: n, layers: []Shape{{"early", 30, 6, 5}, {"middle", 24, 4, 4}, {"late", 12, 3, 3}, {"last", 21, 1, 1}}}
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range net.layers {
		t := make([]float64, n*s.Width*s.H*s.W)
		for i := range t {
			channel := i / (s.H * s.W) % s.Width
			t[i] = float64(channel) - 5 + float64(1+channel%3)*r.NormFloat64()
		}
		net.tokens = append(net.tokens, t)
	}
	return net
}

func (net *tinyNet) stats() []ChannelStats {
	var out []ChannelStats
	for l, s := range net.layers {
		sd, cells := make([]float64, s.Width), s.H*s.W
		for d := range sd {
			var sum, square float64
			for k := range net.n {
				for c := range cells {
					x := net.tokens[l][(k*s.Width+d)*cells+c]
					sum, square = sum+x, square+x*x
				}
			}
			m := float64(net.n * cells)
			sd[d] = math.Sqrt(square/m - sum/m*sum/m)
		}
		out = append(out, ChannelStats{SD: sd})
	}
	return out
}

// global is the mean of a picture's local tokens.
func (net *tinyNet) global(l, k, d int) float64 {
	s := net.layers[l]
	cells := s.H * s.W
	var sum float64
	for c := range cells {
		sum += net.tokens[l][(k*s.Width+d)*cells+c]
	}
	return sum / float64(cells)
}

// read does what extract.ReadOut does with a network: (10) and (11) from the readouts' matrices.
func (net *tinyNet) read(readouts []Readout) (local, global [][]float32) {
	for _, r := range readouts {
		s := net.layers[r.Layer]
		cells, units := s.H*s.W, len(r.Units)
		here, there := make([]float32, net.n*units), make([]float32, net.n*units)
		for k := range net.n {
			for i := range units {
				var a, b float64
				for d := range s.Width {
					weight := float64(r.Channels[d*units+i])
					for c := range cells {
						a += weight * float64(r.Field[c*units+i]) * net.tokens[r.Layer][(k*s.Width+d)*cells+c]
					}
					b += weight * net.global(r.Layer, k, d)
				}
				here[k*units+i], there[k*units+i] = float32(a), float32(b)
			}
		}
		local, global = append(local, here), append(global, there)
	}
	return local, global
}

func plant(t testing.TB, net *tinyNet, o Options) *Plan {
	t.Helper()
	s, g, _ := made(t)
	p, err := Plant(s, g, net.layers, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
