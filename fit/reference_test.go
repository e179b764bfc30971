package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// The model as plain loops in float64, straight from the equations of the package comment. It is the
// definition that every fast path is compared with; nothing here is meant to be fast.

// reference is a model and one batch.
type reference struct {
	B, V, L, C, G int
	widths        []int
	alpha         float64
	smooth        float64     // δ of (8); 0: squared error
	reg           float64     // λ(1 - step/2000) of (9)
	code          []float64   // [V, 192]
	x             [][]float64 // [L] stored tokens [B, G²+1, D]
	target        []float64   // [B, V], NaN missing
	p             map[string][]float64
	left          [][]bool // [V][L] layers that the descent leaves out; nil: none
}

// reads says whether vertex v reads layer l.
func (r *reference) reads(v, l int) bool { return r.left == nil || !r.left[v][l] }

func (r *reference) gelu(a float64) float64 { return a * 0.5 * (1 + math.Erf(a/math.Sqrt2)) }

func (r *reference) geluSlope(a float64) float64 {
	return 0.5*(1+math.Erf(a/math.Sqrt2)) + a*math.Exp(-a*a/2)/math.Sqrt(2*math.Pi)
}

// linear is M x + m.
func linear(m, bias, x []float64, out int) []float64 {
	y := make([]float64, out)
	for i := range y {
		if bias != nil {
			y[i] = bias[i]
		}
		for j, v := range x {
			y[i] += m[i*len(x)+j] * v
		}
	}
	return y
}

// hiddenLayers keeps what the backward pass of one selector needs.
type hiddenLayers struct{ a1, h1, a2, h2, o []float64 }

func (r *reference) selector(name string, out, v int) hiddenLayers {
	var h hiddenLayers
	apply := func(x []float64) []float64 {
		y := make([]float64, len(x))
		for i, a := range x {
			y[i] = r.gelu(a)
		}
		return y
	}
	h.a1 = linear(r.p[name+".0.weight"], r.p[name+".0.bias"], r.code[v*192:(v+1)*192], 128)
	h.h1 = apply(h.a1)
	h.a2 = linear(r.p[name+".1.weight"], r.p[name+".1.bias"], h.h1, 128)
	h.h2 = apply(h.a2)
	h.o = linear(r.p[name+".2.weight"], nil, h.h2, out)
	return h
}

// picks of one vertex: (3), (4).
type refPicks struct {
	hidden [3]hiddenLayers
	x      [2]float64
	p      []float64
	s      float64
	f      [2]float64
	q      [4]float64
	token  [4]int // -1 outside the grid
}

func (r *reference) pick(v int) refPicks {
	var k refPicks
	k.hidden = [3]hiddenLayers{r.head("space", 2, v), r.head("layer", r.L, v), r.head("scale", 1, v)}
	return r.pickFrom(k)
}

// head is the output of a network, or, where picks stand in for it after (3), what would give them.
func (r *reference) head(name string, out, v int) hiddenLayers {
	picks := r.p[name+".free"]
	if picks == nil {
		return r.selector(name, out, v)
	}
	var o []float64
	for _, x := range picks[v*out : (v+1)*out] {
		switch name {
		case "space":
			x = math.Atanh(x)
		case "layer":
			x = math.Log(x)
		case "scale":
			x = math.Log(x / (1 - x))
		}
		o = append(o, x)
	}
	return hiddenLayers{o: o}
}

// pickFrom is (3) and (4) of the networks' outputs.
func (r *reference) pickFrom(k refPicks) refPicks {
	var cell [2]int
	for i := range 2 {
		k.x[i] = math.Tanh(k.hidden[0].o[i])
		u := (k.x[i]+1)*float64(r.G)/2 - 0.5
		cell[i] = int(math.Floor(u))
		k.f[i] = u - math.Floor(u)
	}
	fx, fy := k.f[0], k.f[1]
	k.q = [4]float64{(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy}
	for c := range 4 {
		x, y := cell[0]+c%2, cell[1]+c/2
		k.token[c] = -1
		if x >= 0 && x < r.G && y >= 0 && y < r.G {
			k.token[c] = y*r.G + x
		}
	}
	k.p = make([]float64, r.L)
	var sum float64
	for l, o := range k.hidden[1].o {
		k.p[l] = math.Exp(o)
		sum += k.p[l]
	}
	for l := range k.p {
		k.p[l] /= sum
	}
	k.s = 1 / (1 + math.Exp(-k.hidden[2].o[0]))
	return k
}

// z is (5): [B, L, G²+1, C].
func (r *reference) z() []float64 {
	tokens := r.G*r.G + 1
	z := make([]float64, r.B*r.L*tokens*r.C)
	for l, d := range r.widths {
		for b := range r.B {
			for t := range tokens {
				path := "local"
				if t == tokens-1 {
					path = "global"
				}
				w, centre := r.p[fmt.Sprintf("%s.%d.weight", path, l)], r.p[fmt.Sprintf("%s.%d.centre", path, l)]
				x := r.x[l][(b*tokens+t)*d : (b*tokens+t+1)*d]
				for c := range r.C {
					var sum float64
					for i, xi := range x {
						sum += w[c*d+i] * (xi - centre[i])
					}
					z[((b*r.L+l)*tokens+t)*r.C+c] = sum
				}
			}
		}
	}
	return z
}

func (r *reference) token(z []float64, b, l, t int) []float64 {
	at := ((b*r.L+l)*(r.G*r.G+1) + t) * r.C
	return z[at : at+r.C]
}

func dot64(a, b []float64) float64 {
	var s float64
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// forward is (6): y [B, V].
func (r *reference) forward() []float64 {
	z, y := r.z(), make([]float64, r.B*r.V)
	for v := range r.V {
		k := r.pick(v)
		w := r.p["readout.weight"][v*r.C : (v+1)*r.C]
		for b := range r.B {
			for l := range r.L {
				if !r.reads(v, l) {
					continue
				}
				var local float64
				for c, t := range k.token {
					if t >= 0 {
						local += k.q[c] * dot64(w, r.token(z, b, l, t))
					}
				}
				global := dot64(w, r.token(z, b, l, r.G*r.G))
				y[b*r.V+v] += r.alpha * k.p[l] * ((1-k.s)*local + k.s*global)
			}
			y[b*r.V+v] += r.p["readout.bias"][v]
		}
	}
	return y
}

// loss is (8) and (9).
func (r *reference) loss() float64 {
	var sum, reg float64
	for i, y := range r.forward() {
		e := y - r.target[i]
		switch {
		case math.IsNaN(e):
		case r.smooth == 0:
			sum += e * e
		case math.Abs(e) < r.smooth:
			sum += e * e / (2 * r.smooth)
		default:
			sum += math.Abs(e) - r.smooth/2
		}
	}
	if r.reg != 0 {
		for v := range r.V {
			k := r.pick(v)
			for _, p := range k.p {
				reg += p * math.Log(p+1e-8) / math.Log(float64(r.L))
			}
			reg += (k.s - 0.5) * (k.s - 0.5)
		}
	}
	return sum/float64(r.B*r.V) + r.reg*reg/float64(r.V)
}

// gradients are (10) to (14) and back through (2), by the chain rule on (6) term by term.
func (r *reference) gradients() map[string][]float64 {
	g := map[string][]float64{}
	for name, p := range r.p {
		g[name] = make([]float64, len(p))
	}
	z, y := r.z(), r.forward()
	gz := make([]float64, len(z))
	for v := range r.V {
		r.vertexGradient(v, z, gz, y, g)
	}
	tokens := r.G*r.G + 1
	for l, d := range r.widths {
		for b := range r.B {
			for t := range tokens {
				path := "local"
				if t == tokens-1 {
					path = "global"
				}
				name, centre := fmt.Sprintf("%s.%d.weight", path, l), r.p[fmt.Sprintf("%s.%d.centre", path, l)]
				x, gt := r.x[l][(b*tokens+t)*d:], r.token(gz, b, l, t)
				for c := range r.C {
					for i := range d {
						g[name][c*d+i] += gt[c] * (x[i] - centre[i])
					}
				}
			}
		}
	}
	return g
}

func (r *reference) slope(e float64) float64 {
	bv := float64(r.B * r.V)
	switch {
	case math.IsNaN(e):
		return 0
	case r.smooth == 0:
		return 2 * e / bv
	}
	return math.Max(-1, math.Min(1, e/r.smooth)) / bv
}

func (r *reference) vertexGradient(v int, z, gz, y []float64, g map[string][]float64) {
	k := r.pick(v)
	w, gw := r.p["readout.weight"][v*r.C:(v+1)*r.C], g["readout.weight"][v*r.C:(v+1)*r.C]
	gp, gq := make([]float64, r.L), [4]float64{}
	var gs float64
	for b := range r.B {
		gy := r.slope(y[b*r.V+v] - r.target[b*r.V+v])
		g["readout.bias"][v] += gy
		for l := range r.L {
			if !r.reads(v, l) {
				continue
			}
			var local float64
			for c, t := range k.token {
				if t < 0 {
					continue
				}
				zt, gt := r.token(z, b, l, t), r.token(gz, b, l, t)
				d := dot64(w, zt)
				local += k.q[c] * d
				gq[c] += r.alpha * gy * k.p[l] * (1 - k.s) * d
				for i := range w {
					gw[i] += r.alpha * gy * k.p[l] * (1 - k.s) * k.q[c] * zt[i]
					gt[i] += r.alpha * gy * k.p[l] * (1 - k.s) * k.q[c] * w[i]
				}
			}
			zt, gt := r.token(z, b, l, r.G*r.G), r.token(gz, b, l, r.G*r.G)
			global := dot64(w, zt)
			for i := range w {
				gw[i] += r.alpha * gy * k.p[l] * k.s * zt[i]
				gt[i] += r.alpha * gy * k.p[l] * k.s * w[i]
			}
			gp[l] += r.alpha * gy * ((1-k.s)*local + k.s*global)
			gs += r.alpha * gy * k.p[l] * (global - local)
		}
	}
	if r.reg != 0 {
		for l, p := range k.p {
			gp[l] += r.reg / float64(r.V) / math.Log(float64(r.L)) * (math.Log(p+1e-8) + p/(p+1e-8))
		}
		gs += r.reg / float64(r.V) * 2 * (k.s - 0.5)
	}
	fx, fy := k.f[0], k.f[1]
	gf := [2]float64{(1-fy)*(gq[1]-gq[0]) + fy*(gq[3]-gq[2]), (1-fx)*(gq[2]-gq[0]) + fx*(gq[3]-gq[1])}
	space := make([]float64, 2)
	for i := range space {
		space[i] = gf[i] * float64(r.G) / 2 * (1 - k.x[i]*k.x[i])
	}
	layer := make([]float64, r.L)
	var mass float64 // what is left out wants what the others want on average
	for l, p := range k.p {
		if r.reads(v, l) {
			mass += p
		}
	}
	for l := range layer {
		if r.reads(v, l) {
			layer[l] = k.p[l] * (gp[l] - dot64(k.p, gp)/mass)
		}
	}
	r.selectorGradient("space", k.hidden[0], space, v, g)
	r.selectorGradient("layer", k.hidden[1], layer, v, g)
	r.selectorGradient("scale", k.hidden[2], []float64{gs * k.s * (1 - k.s)}, v, g)
}

func (r *reference) selectorGradient(name string, h hiddenLayers, gout []float64, v int, g map[string][]float64) {
	back := func(m []float64, gy, x, a []float64, gm, gb []float64) []float64 {
		gx := make([]float64, len(x))
		for i, gi := range gy {
			if gb != nil {
				gb[i] += gi
			}
			for j := range x {
				gm[i*len(x)+j] += gi * x[j]
				gx[j] += gi * m[i*len(x)+j]
			}
		}
		for j := range a {
			gx[j] *= r.geluSlope(a[j])
		}
		return gx
	}
	d := back(r.p[name+".2.weight"], gout, h.h2, h.a2, g[name+".2.weight"], nil)
	d = back(r.p[name+".1.weight"], d, h.h1, h.a1, g[name+".1.weight"], g[name+".1.bias"])
	back(r.p[name+".0.weight"], d, r.code[v*192:(v+1)*192], nil, g[name+".0.weight"], g[name+".0.bias"])
}

// refPositionCode is (1).
func refPositionCode(positions [][3]float64) []float64 {
	low, high := positions[0], positions[0]
	for _, p := range positions {
		for i := range p {
			low[i], high[i] = math.Min(low[i], p[i]), math.Max(high[i], p[i])
		}
	}
	extent := math.Max(high[0]-low[0], math.Max(high[1]-low[1], high[2]-low[2]))
	var code []float64
	for _, p := range positions {
		for i := range p {
			for k := range 32 {
				phase := math.Pow(1000, -float64(k)/32) * 100 * (p[i] - low[i]) / extent
				code = append(code, math.Sin(phase), math.Cos(phase))
			}
		}
	}
	return code
}

func normal(r *rand.Rand, n int, sd float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = r.NormFloat64() * sd
	}
	return out
}
