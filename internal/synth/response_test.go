package synth

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/subject"
)

// TestAgainstLoops holds readouts, mixing and z-scores against the equations of the package comment
// written as plain float64 sums over cells and channels.
func TestAgainstLoops(t *testing.T) {
	net := tiny(40)
	p := plant(t, net, Options{Seed: 5})
	stats := net.stats()
	readouts := p.Readouts(stats)
	local, global := net.read(readouts)
	got, err := p.Signal(local, global, net.n)
	if err != nil {
		t.Fatal(err)
	}
	unscaled := p.Readouts(ones(net.layers)) // (14) alone
	step := p.Units() / 60
	for v := 0; v < p.Units(); v += step {
		want := slowSignal(p, net, stats, unscaled, v)
		for k := range net.n {
			// float32 sums of 20 channels whose means are a few deviations away from zero.
			if x := float64(got[k*p.Units()+v]); math.Abs(x-want[k]) > 2e-4 {
				t.Fatalf("picture %d, unit %d: signal %v, plain loops give %v", k, v, x, want[k])
			}
		}
	}
}

func ones(layers []Shape) []ChannelStats {
	var out []ChannelStats
	for _, s := range layers {
		out = append(out, ChannelStats{SD: slices.Repeat([]float64{1}, s.Width)})
	}
	return out
}

func slowSignal(p *Plan, net *tinyNet, stats []ChannelStats, weights []Readout, v int) []float64 {
	truth := p.Truth()
	out := make([]float64, net.n)
	for l, s := range net.layers {
		share := 1 - math.Abs(truth.Depth[v]-float64(l))
		if share <= 0 {
			continue
		}
		r := weights[slices.IndexFunc(weights, func(r Readout) bool { return r.Layer == l })]
		column := slices.Index(r.Units, v)
		local, global := make([]float64, net.n), make([]float64, net.n)
		for k := range net.n {
			for d := range s.Width {
				w := float64(r.Channels[d*len(r.Units)+column]) / stats[l].SD[d]
				var sum, total float64
				for row := range s.H {
					for col := range s.W {
						x, y := (float64(col)+0.5)/float64(s.W)*2-1, (float64(row)+0.5)/float64(s.H)*2-1
						f := math.Exp(-(math.Pow(x-truth.X[v], 2) + math.Pow(y-truth.Y[v], 2)) / (2 * truth.Sigma[v] * truth.Sigma[v]))
						sum += f * net.tokens[l][((k*s.Width+d)*s.H+row)*s.W+col]
						total += f
					}
				}
				local[k] += w * sum / total
				global[k] += w * net.global(l, k, d)
			}
		}
		zscore(local)
		zscore(global)
		for k := range out {
			out[k] += share * ((1-truth.Global[v])*local[k] + truth.Global[v]*global[k])
		}
	}
	zscore(out)
	return out
}

func zscore(x []float64) {
	var mean, square float64
	for _, value := range x {
		mean += value / float64(len(x))
	}
	for _, value := range x {
		square += (value - mean) * (value - mean) / float64(len(x))
	}
	for i := range x {
		x[i] = (x[i] - mean) / math.Sqrt(square)
	}
}

// noiseParts are a made-up signal that needs no network: random local and global parts of n pictures.
func noiseParts(p *Plan, n int) (local, global [][]float32) {
	r := rand.New(rand.NewPCG(7, 7))
	for l := range p.layers {
		units := len(p.readers(l))
		if units == 0 {
			continue
		}
		parts := [2][]float32{}
		for i := range parts {
			parts[i] = make([]float32, n*units)
			for j := range parts[i] {
				parts[i][j] = float32(r.NormFloat64())
			}
		}
		local, global = append(local, parts[0]), append(global, parts[1])
	}
	return local, global
}

// TestCeiling: the squared correlation of response and signal is the planted ceiling.
func TestCeiling(t *testing.T) {
	const n = 800
	for _, o := range []Options{{}, {Ceiling: 0.4, Repeats: 1}, {Ceiling: 0.7, Repeats: 2}, {Ceiling: 0.05, Repeats: 3}} {
		p := plant(t, tiny(1), o)
		local, global := noiseParts(p, n)
		clean, err := p.Signal(local, global, n)
		if err != nil {
			t.Fatal(err)
		}
		noisy, ceiling, err := p.Finish(local, global, n)
		if err != nil {
			t.Fatal(err)
		}
		var got float64
		units := float64(p.Units())
		for v := range p.Units() {
			r := pearson(clean, noisy, n, p.Units(), v)
			got += r * r / units
			if want := p.options.Ceiling; math.Abs(float64(ceiling[v])-want) > 1e-7 { // float32
				t.Fatalf("unit %d is said to have the ceiling %v, want %v", v, ceiling[v], want)
			}
		}
		// r² of n pictures scatters by 2 r (1-r²)/sqrt(n) about c, biased by (1-c)²/n; five standard errors
		// of the mean over independent units.
		c := p.options.Ceiling
		tolerance := 5*2*math.Sqrt(c)*(1-c)/math.Sqrt(n*units) + (1-c)*(1-c)/n
		if math.Abs(got-c) > tolerance {
			t.Errorf("ceiling %v, %d repeats: r² of response and signal is %.5f, want %.2f within %.5f", c, p.options.Repeats, got, c, tolerance)
		}
	}
}

// A ceiling of one is no noise at all.
func TestNoNoise(t *testing.T) {
	p := plant(t, tiny(1), Options{Ceiling: 1})
	local, global := noiseParts(p, 50)
	clean, err := p.Signal(local, global, 50)
	if err != nil {
		t.Fatal(err)
	}
	noisy, _, err := p.Finish(local, global, 50)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(clean, noisy) {
		t.Error("responses with a ceiling of 1 differ from the signal")
	}
}

func pearson(a, b []float32, n, columns, v int) float64 {
	x, y := make([]float64, n), make([]float64, n)
	for k := range n {
		x[k], y[k] = float64(a[k*columns+v]), float64(b[k*columns+v])
	}
	zscore(x)
	zscore(y)
	var sum float64
	for k := range x {
		sum += x[k] * y[k] / float64(n)
	}
	return sum
}

func TestSeed(t *testing.T) {
	const n = 60
	answer := func(seed uint64) (weights, responses []float32) {
		p := plant(t, tiny(1), Options{Seed: seed})
		local, global := noiseParts(p, n)
		responses, _, err := p.Finish(local, global, n)
		if err != nil {
			t.Fatal(err)
		}
		return p.Readouts(ones(p.layers))[0].Channels, responses
	}
	w1, y1 := answer(1)
	again, y1again := answer(1)
	if !slices.Equal(w1, again) || !slices.Equal(y1, y1again) {
		t.Error("the same seed gave another subject")
	}
	w2, y2 := answer(2)
	if slices.Equal(w1, w2) || slices.Equal(y1, y2) {
		t.Error("another seed gave the same weights or the same noise")
	}
}

// A unit keeps its own noise when others are left out.
func TestNoiseIsTheUnitsOwn(t *testing.T) {
	s, g, _ := made(t)
	part := &subject.Subject{Hierarchy: s.Hierarchy}
	for v := 0; v < s.Units; v += 2 {
		part.Hemi, part.Vertex, part.ROIs = append(part.Hemi, s.Hemi[v]), append(part.Vertex, s.Vertex[v]), append(part.ROIs, s.ROIs[v])
		part.Units++
	}
	const n = 8
	noise := func(s *subject.Subject) (*Plan, []float32) {
		p, err := Plant(s, g, tiny(1).layers, Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		y := make([]float32, n*p.Units())
		p.addNoise(y, n)
		return p, y
	}
	whole, all := noise(s)
	fewer, some := noise(part)
	for v := range fewer.Units() {
		for k := range n {
			if a, b := all[k*whole.Units()+2*v], some[k*fewer.Units()+v]; a != b {
				t.Fatalf("unit %d, picture %d: noise %v among all, %v among half of the units", v, k, a, b)
			}
		}
	}
}

// TestWeights: half of the weights' variance is shared with neighbours, none with units far away.
func TestWeights(t *testing.T) {
	s, g, _ := made(t)
	p, err := Plant(s, g, []Shape{{"wide", 500, 2, 2}}, Options{Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	r := p.Readouts(ones(p.layers))[0]
	w := func(v, d int) float64 { return float64(r.Channels[d*len(r.Units)+v]) }
	m := p.prototypes()
	var length, near, expected, far, pairs, apart float64
	for v := range p.Units() {
		for d := range 500 {
			length += w(v, d) * w(v, d) / float64(p.Units())
		}
		for other := range v {
			mm := distance(p.units[v].at, p.units[other].at)
			same := p.units[v].side == p.units[other].side
			if (!same || mm < 90) && (mm > 6 || !same) {
				continue
			}
			var dot, alike float64
			for d := range 500 {
				dot += w(v, d) * w(other, d)
			}
			for k := range m.centres {
				alike += m.weight[v][k] * m.weight[other][k]
			}
			if mm <= 6 {
				near, expected, pairs = near+dot, expected+10*alike, pairs+1
			} else {
				far, apart = far+dot, apart+1
			}
		}
	}
	// 20 normal numbers have a squared length of 20 on average; 80 prototypes' lengths scatter by
	// sqrt(2/(20*80)) = 3.5 % together, and neighbours share them.
	if math.Abs(length-20) > 3 {
		t.Errorf("squared length of a unit's weights %.2f, want 20", length)
	}
	if near, expected := near/pairs, expected/pairs; math.Abs(near-expected) > 0.2*expected || expected < 7 {
		t.Errorf("neighbours' weights have the product %.2f, (14) expects %.2f, of at most 10", near, expected)
	}
	if far := far / apart; math.Abs(far) > 0.5 { // 5 % of the neighbours'
		t.Errorf("weights of units 90 mm apart have the product %.2f on average, want 0", far)
	}
}

func TestReadoutShapes(t *testing.T) {
	net := tiny(3)
	p := plant(t, net, Options{})
	stats := net.stats()
	stats[0].SD[4] = 0 // a dead channel
	for _, r := range p.Readouts(stats) {
		s := net.layers[r.Layer]
		if len(r.Field) != s.H*s.W*len(r.Units) || len(r.Channels) != s.Width*len(r.Units) || !slices.IsSorted(r.Units) {
			t.Fatalf("layer %d: %d units, field of %d, channels of %d", r.Layer, len(r.Units), len(r.Field), len(r.Channels))
		}
		for i := range r.Units {
			var sum float64
			for c := range s.H * s.W {
				sum += float64(r.Field[c*len(r.Units)+i])
			}
			if math.Abs(sum-1) > 1e-5 { // 30 float32 numbers
				t.Fatalf("layer %d, unit %d: field sums to %v", r.Layer, r.Units[i], sum)
			}
		}
		for _, w := range r.Channels {
			if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) {
				t.Fatalf("layer %d has the weight %v", r.Layer, w)
			}
		}
		if r.Layer == 0 && slices.ContainsFunc(r.Channels[4*len(r.Units):5*len(r.Units)], func(w float32) bool { return w != 0 }) {
			t.Error("a channel that never varies is read")
		}
	}
}

func TestProfile(t *testing.T) {
	cases := []struct {
		name          string
		n             int
		centre, sigma float64
		want          []float64
	}{
		{"one cell", 1, 0.9, 0.06, []float64{1}},
		{"between two cells", 2, 0, 0.3, []float64{0.5, 0.5}},
		{"far narrower than a cell", 4, 0.2, 1e-4, []float64{0, 0, 1, 0}},
		{"symmetric", 3, 0, 0.5, []float64{0.22561, 0.54878, 0.22561}}, // exp(-(2/3)²/0.5) = 0.41111
	}
	for _, c := range cases {
		got := profile(c.n, c.centre, c.sigma)
		for i := range c.want {
			if math.Abs(got[i]-c.want[i]) > 2e-5 { // as many digits as are written
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	}
}

func TestFinishFaults(t *testing.T) {
	const n = 5
	p := plant(t, tiny(1), Options{})
	local, global := noiseParts(p, n)
	local[0][3] = float32(math.NaN())
	if _, _, err := p.Finish(local, global, n); err == nil || !strings.Contains(err.Error(), "early") || fault.ClassOf(err) != fault.Input {
		t.Errorf("a NaN of layer early: got %v", err)
	}
	for _, parts := range [][][]float32{local, global} {
		for _, part := range parts {
			for i := range part {
				part[i] = 1
			}
		}
	}
	if _, _, err := p.Finish(local, global, n); err == nil || fault.ClassOf(err) != fault.Input {
		t.Errorf("a signal that never changes: got %v", err)
	}
}

// A seed's numbers are written down in published runs: they must not change from version to version.
func TestSeedKeepsItsMeaning(t *testing.T) {
	p := &Plan{options: Options{Seed: 1}, units: []unit{{side: 1, vertex: 42}}}
	for _, c := range []struct {
		purpose, layer int
		want           float64
	}{{streamNoise, 0, -1.2339704913379468}, {streamOwn, 3, -0.09848857689453477}, {streamPrototype, 15, -1.7117704313201436}} {
		if got := p.stream(c.purpose, c.layer, 0).NormFloat64(); got != c.want {
			t.Errorf("purpose %d, layer %d: first number %v, want %v", c.purpose, c.layer, got, c.want)
		}
	}
}
