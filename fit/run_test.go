package fit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"

	"gonum.org/v1/gonum/mat"
)

// planted is a small subject with a known answer: smooth random images whose layers are nested features of
// each other, vertices along a line that look from left to right, read later layers as they go, and turn
// from local to global.
type planted struct {
	in           Input
	layer, scale []float64 // [V]
	x            []float64
}

const plantedCeiling = 0.6

func plant(t testing.TB, seed uint64, images, vertices int) *planted {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	widths := []int{10, 12, 14}
	p := &planted{}
	s := &subject.Subject{Name: "planted", Simulated: true, Images: &stimuli.Set{}, Units: vertices, StimulusDegrees: 8}
	digests := make([]store.Digest, images)
	for i := range digests {
		digests[i] = sha256.Sum256(fmt.Append(nil, seed, i))
		s.Images.Stimuli = append(s.Images.Stimuli, stimuli.Stimulus{Digest: digests[i], Name: fmt.Sprint(i)})
	}
	tokens := make([][]float32, len(widths))
	for l, d := range widths {
		tokens[l] = plantedTokens(r, images, d)
	}
	s.Responses = make([]float32, images*vertices)
	for v := range vertices {
		at := (float64(v) + 0.5) / float64(vertices)
		p.x = append(p.x, 1.6*at-0.8)
		p.layer, p.scale = append(p.layer, 2*at), append(p.scale, at*at)
		s.Positions = append(s.Positions, [3]float32{float32(100 * at), 0, 0})
		s.Ceiling = append(s.Ceiling, plantedCeiling)
		plantVertex(r, p, s.Responses, tokens, widths, v, vertices, images)
	}
	p.in = Input{Features: makeStore(t, t.TempDir(), digests, widths, tokens), Subject: s}
	for i := range images {
		switch i % 6 {
		case 0:
			p.in.Test = append(p.in.Test, i)
		case 1:
			p.in.Val = append(p.in.Val, i)
		default:
			p.in.Train = append(p.in.Train, i)
		}
	}
	return p
}

// plantedTokens are smooth fields of random waves, [N, 65, D], with channels of very different size.
func plantedTokens(r *rand.Rand, images, d int) []float32 {
	out := make([]float32, images*65*d)
	for i := range images {
		for k := range d {
			size := math.Pow(2, float64(k%4))
			ax, ay, phase, level := r.NormFloat64()*0.5, r.NormFloat64()*0.5, r.Float64()*2*math.Pi, r.NormFloat64()*0.5
			var sum float64
			for t := range 64 {
				x := size * (math.Sin(ax*float64(t%8)+ay*float64(t/8)+phase) + level + 3)
				out[(i*65+t)*d+k] = float32(x)
				sum += x / 64
			}
			out[(i*65+64)*d+k] = float32(sum)
		}
	}
	return out
}

func plantVertex(r *rand.Rand, p *planted, y []float32, tokens [][]float32, widths []int, v, vertices, images int) {
	clean := make([]float64, images)
	col := int((p.x[v] + 1) * 4)
	for l, d := range widths {
		mix := max(0, 1-math.Abs(p.layer[v]-float64(l)))
		w := normal(r, d, 1)
		for i := range images {
			for k := range d {
				size := math.Pow(2, float64(k%4))
				at := func(t int) float64 { return float64(tokens[l][(i*65+t)*d+k])/size - 3 }
				clean[i] += mix * w[k] * ((1-p.scale[v])*(at(3*8+col)+at(4*8+col))/2 + p.scale[v]*at(64))
			}
		}
	}
	var m, sq float64
	for _, x := range clean {
		m += x / float64(images)
	}
	for _, x := range clean {
		sq += (x - m) * (x - m) / float64(images)
	}
	for i, x := range clean {
		z := (x - m) / math.Sqrt(sq)
		y[i*vertices+v] = float32(5 + 3*(math.Sqrt(plantedCeiling)*z+math.Sqrt(1-plantedCeiling)*r.NormFloat64()))
	}
}

// quick are settings for a planted subject of this size.
func quick(protocol string) Settings {
	set, _ := Defaults(protocol)
	set.SelectorSteps = 150
	return set
}

// fitPlanted runs a fit and returns the mapping.
func fitPlanted(t testing.TB, in Input, set Settings, threads int) *store.Mapping {
	t.Helper()
	m, err := Run(context.Background(), orttest.Runtime(t), in, Options{Settings: &set, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The default protocol finds what was planted.
func TestSoundFindsThePlantedTruth(t *testing.T) {
	p := plant(t, 1, 420, 150)
	m := fitPlanted(t, p.in, quick("sound"), 2)
	s := m.Info.Scores
	if s["r2_norm_mean"] < 0.6 {
		t.Errorf("R² is %.3f of the ceiling", s["r2_norm_mean"])
	}
	var layer, depth, space, near float64
	for v, row := range m.Vertices {
		layer += math.Abs(float64(row.LayerExpected)-p.layer[v]) / float64(len(m.Vertices))
		depth += math.Abs(float64(row.Depth)-p.layer[v]/2) / float64(len(m.Vertices))
		if p.scale[v] < 0.5 {
			space += math.Abs(float64(row.SpaceX) - p.x[v])
			near++
		}
		if row.R2Norm != row.R2/row.Ceiling || row.Ceiling != plantedCeiling {
			t.Fatalf("vertex %d: R² %v over ceiling %v is given as %v", v, row.R2, row.Ceiling, row.R2Norm)
		}
		if want := math.Hypot(float64(row.SpaceX), float64(row.SpaceY)) * 4; math.Abs(float64(row.EccDeg)-want) > 1e-5 {
			t.Fatalf("eccentricity %v, want %v", row.EccDeg, want)
		}
	}
	space /= near
	if layer > 0.4 || depth > 0.2 || space > 0.25 {
		t.Errorf("expected layer is off by %.2f of 3, depth by %.2f, x by %.2f", layer, depth, space)
	}
	checkShape(t, m, p.in)
}

// checkShape checks what must hold for every mapping.
func checkShape(t *testing.T, m *store.Mapping, in Input) {
	t.Helper()
	L := len(m.Info.Layers)
	for v, row := range m.Vertices {
		var p, share float64
		for l := range L {
			p += float64(m.Selector[v*L+l])
			share += float64(m.Share[v*L+l])
		}
		if !row.Fitted {
			if !math.IsNaN(p) || !math.IsNaN(share) || row.R2 == row.R2 {
				t.Fatalf("vertex %d is not fitted, and yet has numbers", v)
			}
			continue
		}
		if math.Abs(p-1) > 1e-5 || math.Abs(share-1) > 1e-4 {
			t.Fatalf("vertex %d: selectors sum to %v, shares to %v", v, p, share)
		}
	}
	if len(m.Info.Split.Train) != len(in.Train) || m.Info.Parameters == 0 || len(m.Info.Curve) < 2 {
		t.Errorf("fit info is incomplete: %+v", m.Info)
	}
}

// The mapping's weights, applied by plain loops, give the predictions that were scored.
func TestWeightsGiveTheScores(t *testing.T) {
	p := plant(t, 2, 240, 30)
	for _, protocol := range []string{"sound", "paper"} {
		set := quick(protocol)
		set.Epochs = 1
		m := fitPlanted(t, p.in, set, 2)
		predictionsGiveTheScores(t, p.in, m)
		ref := referenceOf(t, m, p.in, p.in.Test)
		weightsGiveTheScores(t, protocol, m, ref, ref.forward())
	}
}

// weightsGiveTheScores holds a mapping's scores against those of what its weights predict in float64, y [B, V].
func weightsGiveTheScores(t *testing.T, what string, m *store.Mapping, ref *reference, y []float64) {
	t.Helper()
	for v, row := range m.Vertices {
		var s tally
		for b := range ref.B {
			s.add(ref.target[b*ref.V+v], y[b*ref.V+v])
		}
		r2, r := s.scores()
		// Float32 against float64.
		if !(math.Abs(r2-float64(row.R2)) <= 1e-3 && math.Abs(r-float64(row.R)) <= 1e-3) {
			t.Errorf("%s: unit %d has R² %.4f and r %.4f, its weights give %.4f and %.4f", what, v, row.R2, row.R, r2, r)
		}
	}
}

// referenceOf is a mapping as a reference that predicts some images.
func referenceOf(t *testing.T, m *store.Mapping, in Input, images []int) *reference {
	t.Helper()
	r := &reference{B: len(images), V: in.Subject.Units, L: len(m.Info.Layers), G: 8, alpha: 1, p: map[string][]float64{}}
	for _, w := range m.Weights {
		r.p[w.Name] = widen(w.Data)
	}
	r.C = int(m.Tensor("readout.weight").Shape[1])
	if m.Info.Readout == "mean" {
		r.alpha = 1 / float64(r.C)
	}
	for l, layer := range m.Info.Layers {
		r.widths = append(r.widths, layer.Width)
		half := make([]uint16, len(images)*65*layer.Width)
		if err := in.Features.Read(context.Background(), l, images, half); err != nil {
			t.Fatal(err)
		}
		x := make([]float32, len(half))
		store.FloatSlice(x, half)
		r.x = append(r.x, widen(x))
	}
	if low := m.Tensor("position.low"); low != nil {
		f := frame{low: [3]float32(low.Data), extent: m.Tensor("position.range").Data[0]}
		r.code = widen(positionCode(in.Subject.Positions, f))
	}
	for _, i := range images {
		r.target = append(r.target, widen(in.Subject.Responses[i*r.V:(i+1)*r.V])...)
	}
	return r
}

// Equal inputs, seed and threads: equal bytes.
func TestRunsAreIdentical(t *testing.T) {
	p := plant(t, 3, 200, 40)
	for _, protocol := range []string{"sound", "paper"} {
		set := quick(protocol)
		set.Epochs = 1
		a, b := fitPlanted(t, p.in, set, 2), fitPlanted(t, p.in, set, 2)
		for i := range a.Weights {
			if !slices.Equal(a.Weights[i].Data, b.Weights[i].Data) {
				t.Errorf("%s: %s differs between two runs", protocol, a.Weights[i].Name)
			}
		}
	}
}

// more is a subject with the planted one's units and others: the responses of the u-th other unit to image i are
// others(u, i), at places.
func more(in Input, places [][3]float32, others func(u, i int) float32) Input {
	s, from := *in.Subject, in.Subject
	units := from.Units
	s.Units, s.Responses = units+len(places), nil
	s.Positions = append(slices.Clone(from.Positions), places...)
	s.Ceiling = append(slices.Clone(from.Ceiling), make([]float32, len(places))...)
	s.Hemi, s.Vertex = make([]string, s.Units), make([]int32, s.Units)
	for u := range s.Units {
		s.Hemi[u], s.Vertex[u] = "lh", int32(100+u)
	}
	for i := range s.Images.Stimuli {
		s.Responses = append(s.Responses, from.Responses[i*units:(i+1)*units]...)
		for u := range places {
			s.Responses = append(s.Responses, others(u, i))
		}
	}
	in.Subject = &s
	return in
}

// sameUnits fails unless the first units of both mappings have the same picks, shares and scores to the last bit.
func sameUnits(t *testing.T, what string, got, want *store.Mapping, units int) {
	t.Helper()
	for u := range units {
		a, b := got.Vertices[u], want.Vertices[u]
		a.Hemi, a.Vertex = b.Hemi, b.Vertex
		// NaN differs from itself: as text it doesn't.
		if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
			t.Fatalf("%s: unit %d is %+v, was %+v", what, u, a, b)
		}
	}
	if n := units * len(want.Info.Layers); want.Share != nil && !slices.Equal(got.Share[:n], want.Share[:n]) {
		t.Errorf("%s: shares changed", what)
	}
}

// Units without data, without variance over the training images or without a place are named, are not fitted, and
// change not one bit of the others, whatever the method.
func TestDeadUnitsChangeNothing(t *testing.T) {
	p := plant(t, 4, 200, 40)
	set := quick("sound")
	set.Epochs = 1
	nan, inside := nan32(), p.in.Subject.Positions[20]
	in := more(p.in, [][3]float32{inside, inside, {nan, nan, nan}}, func(u, i int) float32 { return []float32{nan, 7, float32(i % 3)}[u] })
	rt := orttest.Runtime(t)
	for _, method := range []string{"sound", RidgeLayers, Banded} {
		whole, more := fitBy(t, rt, method, p.in, set), fitBy(t, rt, method, in, set)
		if method == "sound" {
			checkShape(t, more, in)
		}
		sameUnits(t, method, more, whole, 40)
		if !slices.ContainsFunc(more.Info.Warnings, func(w store.Warning) bool {
			return w.ID == "dead-units" && strings.Contains(w.Text, "3 of 43") && strings.HasSuffix(w.Text, "lh 140, lh 141, lh 142")
		}) {
			t.Errorf("%s: no word of the dead units: %v", method, more.Info.Warnings)
		}
		if f := more.Info.Flat; f == nil || !slices.Equal(f.Train, []string{"lh 140", "lh 141", "lh 142"}) || f.Val != nil || f.Test != nil {
			t.Errorf("%s: flat units are %+v", method, f)
		}
	}
}

// A unit that varies over the training images, and not over the validation or the test images, is named and has no
// score there; the others' bits are those that they have when it varies everywhere.
func TestFlatUnitsChangeNothing(t *testing.T) {
	p := plant(t, 4, 200, 40)
	set := quick("sound")
	set.Epochs = 1
	place := p.in.Subject.Positions[20]
	flat := func(sides ...[]int) Input {
		return more(p.in, [][3]float32{place}, func(_, i int) float32 {
			for _, side := range sides {
				if slices.Contains(side, i) {
					return 1.5
				}
			}
			return float32(i*i%17) / 5
		})
	}
	rt := orttest.Runtime(t)
	for _, method := range []string{"sound", RidgeLayers, Banded} {
		whole := fitBy(t, rt, method, flat(), set)
		some := fitBy(t, rt, method, flat(p.in.Val, p.in.Test), set)
		sameUnits(t, method, some, whole, 40)
		last := some.Vertices[40]
		if !last.Fitted || last.R2 == last.R2 || last.R == last.R || last.R2Val == last.R2Val {
			t.Errorf("%s: a flat unit has scores: %+v", method, last)
		}
		var r []float64
		for _, row := range some.Vertices[:40] {
			r = append(r, float64(row.R))
		}
		if got := some.Info.Scores["r_median"]; got != median(r) {
			t.Errorf("%s: the median r is %v, of those that have one %v", method, got, median(r))
		}
		if f := some.Info.Flat; f == nil || f.Train != nil || !slices.Equal(f.Val, []string{"lh 140"}) || !slices.Equal(f.Test, f.Val) {
			t.Errorf("%s: flat units are %+v", method, f)
		}
		for _, id := range []string{"flat-val-responses", "flat-test-responses"} {
			if !slices.ContainsFunc(some.Info.Warnings, func(w store.Warning) bool { return w.ID == id && strings.HasSuffix(w.Text, ": lh 140") }) {
				t.Errorf("%s: no %s: %v", method, id, some.Info.Warnings)
			}
		}
		if whole.Info.Flat != nil {
			t.Errorf("%s: nothing is flat, and named are %+v", method, whole.Info.Flat)
		}
	}
}

// fitBy fits with a protocol's settings, or a baseline.
func fitBy(t *testing.T, rt *ort.Runtime, method string, in Input, set Settings) *store.Mapping {
	t.Helper()
	if method == "sound" {
		return fitPlanted(t, in, set, 2)
	}
	m, err := Baseline(t.Context(), rt, method, in, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Missing responses are left out: the fit still finds the signal.
func TestMissingResponses(t *testing.T) {
	p := plant(t, 5, 420, 60)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range p.in.Subject.Responses {
		if r.IntN(5) == 0 {
			p.in.Subject.Responses[i] = nan32()
		}
	}
	for _, protocol := range []string{"sound", "paper"} {
		m := fitPlanted(t, p.in, quick(protocol), 2)
		least := map[string]float64{"sound": 0.4, "paper": -0.5}[protocol] // the published one learns slowly
		if !(m.Info.Scores["r2_norm_mean"] > least) {
			t.Errorf("%s: R² is %.3f of the ceiling", protocol, m.Info.Scores["r2_norm_mean"])
		}
	}
}

func TestRunRefuses(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, c := range []struct {
		name, want string
		change     func(in *Input, o *Options)
	}{
		{"unknown protocol", `unknown protocol "fast"`, func(_ *Input, o *Options) { o.Protocol = "fast" }},
		{"no such image", "lacks 1 of the subject's images, the first is 5", func(in *Input, _ *Options) { in.Subject.Images.Stimuli[5].Digest[0]++ }},
		{"no test images", "0 test images", func(in *Input, _ *Options) { in.Test = nil }},
		{"nothing to fit", "none of the 10 units", func(in *Input, _ *Options) { clear(in.Subject.Responses) }},
		{"batch of none", "batch can't be 0", func(_ *Input, o *Options) { set := quick("sound"); set.Batch = 0; o.Settings = &set }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, o := plant(t, 6, 30, 10), Options{Threads: 1}
			c.change(&p.in, &o)
			_, err := Run(context.Background(), rt, p.in, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if fault.ClassOf(err) != fault.Input {
				t.Errorf("class %v", fault.ClassOf(err))
			}
		})
	}
}

// A cancelled context ends a fit in whatever phase it is.
func TestCancel(t *testing.T) {
	rt := orttest.Runtime(t)
	p := plant(t, 7, 200, 40)
	for _, phase := range []string{"statistics", "score map", "selectors", "scale evidence", "scale", "readout", "descent", "last readout"} {
		ctx, cancel := context.WithCancel(context.Background())
		set := quick("sound")
		_, err := Run(ctx, rt, p.in, Options{Settings: &set, Threads: 2, Progress: func(name string, _, _ int) {
			if name == phase {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", phase, err)
		}
	}
}

// Ridge against the primal solution of one layer, and against shuffled pictures.
func TestRidge(t *testing.T) {
	p := plant(t, 8, 240, 20)
	p.in.Subject.Positions = nil
	m, err := Baseline(context.Background(), orttest.Runtime(t), RidgeLayers, p.in, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if m.Info.Method != RidgeLayers || m.Selector != nil || len(m.Info.LayerScores) != 3 {
		t.Fatalf("unexpected mapping: %+v", m.Info)
	}
	best := m.Info.LayerScores[int(m.Info.Scores["best_layer"])].Scores
	if best["r_median"] < 0.3 || math.Abs(best["r_shuffled_median"]) > 0.15 {
		t.Errorf("r is %.2f, with shuffled pictures %.2f", best["r_median"], best["r_shuffled_median"])
	}
	l := 1
	r2 := primalRidge(t, p.in, l, m.Info.LayerScores[l].Scores["penalty"])
	if got := m.Info.LayerScores[l].Scores["r2_mean"]; math.Abs(got-r2) > 1e-4 {
		t.Errorf("mean R² of layer %d is %.6f, the primal form gives %.6f", l, got, r2)
	}
	for v, row := range m.Vertices {
		if !row.Fitted || row.LayerArgmax < 0 || row.SpaceX == row.SpaceX {
			t.Errorf("unit %d: %+v", v, row)
		}
	}
	predictionsGiveTheScores(t, p.in, m)
	for _, kind := range []string{RidgeAll, Banded} {
		m, err := Baseline(context.Background(), orttest.Runtime(t), kind, p.in, Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		predictionsGiveTheScores(t, p.in, m)
	}
}

// primalRidge solves min |y - Xw - b|² + penalty·unit·|w|² by its normal equations and scores the test images.
func primalRidge(t *testing.T, in Input, l int, penalty float64) float64 {
	t.Helper()
	train := slices.Concat(in.Train, in.Val)
	d := 65 * in.Features.Layers[l].Width
	load := func(images []int) *mat.Dense {
		half, x := make([]uint16, len(images)*d), make([]float32, len(images)*d)
		if err := in.Features.Read(context.Background(), l, images, half); err != nil {
			t.Fatal(err)
		}
		store.FloatSlice(x, half)
		return mat.NewDense(len(images), d, widen(x))
	}
	x, xt := load(train), load(in.Test)
	n := len(train)
	var unit float64
	for j := range d {
		var m float64
		for i := range n {
			m += x.At(i, j) / float64(n)
		}
		for i := range n {
			x.Set(i, j, x.At(i, j)-m)
			unit += x.At(i, j) * x.At(i, j) / float64(n)
		}
		for i := range in.Test {
			xt.Set(i, j, xt.At(i, j)-m)
		}
	}
	var g mat.SymDense
	g.SymOuterK(1, x.T())
	for j := range d {
		g.SetSym(j, j, g.At(j, j)+penalty*unit)
	}
	var chol mat.Cholesky
	if !chol.Factorize(&g) {
		t.Fatal("not positive")
	}
	var sum float64
	for v := range in.Subject.Units {
		y := mat.NewVecDense(n, nil)
		var m float64
		for i, image := range train {
			y.SetVec(i, float64(in.Subject.Responses[image*in.Subject.Units+v]))
			m += y.AtVec(i) / float64(n)
		}
		for i := range n {
			y.SetVec(i, y.AtVec(i)-m)
		}
		var r, w, predicted mat.VecDense
		r.MulVec(x.T(), y)
		chol.SolveVecTo(&w, &r)
		predicted.MulVec(xt, &w)
		var s tally
		for i, image := range in.Test {
			s.add(float64(in.Subject.Responses[image*in.Subject.Units+v]), predicted.AtVec(i)+m)
		}
		r2, _ := s.scores()
		sum += r2 / float64(in.Subject.Units)
	}
	return sum
}

// A layer that says nothing, one that is not finite, and a network of one layer.
func TestOddLayers(t *testing.T) {
	p := plant(t, 9, 120, 12)
	blank := func(widths []int, value float32) Input {
		in := p.in
		var tokens [][]float32
		for l, d := range widths {
			x := make([]float32, len(in.Subject.Images.Stimuli)*65*d)
			for i := range x {
				x[i] = value
				if l == 0 {
					x[i] = float32(math.Sin(float64(i * i % 1009)))
				}
			}
			tokens = append(tokens, x)
		}
		in.Features = makeStore(t, t.TempDir(), p.in.Features.Images, widths, tokens)
		return in
	}
	set := quick("sound")
	set.Epochs = 1
	checkShape(t, fitPlanted(t, blank([]int{6, 5}, 3), set, 2), p.in)
	one := fitPlanted(t, blank([]int{6}, 0), set, 2)
	if row := one.Vertices[0]; row.LayerEntropy != 0 || row.Depth == row.Depth {
		t.Errorf("one layer: entropy %v, depth %v", row.LayerEntropy, row.Depth)
	}
	_, err := Run(context.Background(), orttest.Runtime(t), blank([]int{6, 5}, nan32()), Options{Settings: &set, Threads: 2})
	if err == nil || !strings.Contains(err.Error(), "block2") {
		t.Errorf("NaN tokens: %v", err)
	}
	for _, kind := range []string{RidgeLayers, RidgeAll} {
		_, err := Baseline(t.Context(), orttest.Runtime(t), kind, blank([]int{6, 5}, nan32()), Options{Threads: 2})
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "layer block2 can't be fitted: its tokens") {
			t.Errorf("%s, NaN tokens: %v", kind, err)
		}
	}
}

// What ends a regression for other reasons than its tokens is not put to the tokens' account.
func TestRidgeKeepsTheClassOfAFault(t *testing.T) {
	p, err := newProblem(orttest.Runtime(t), plant(t, 9, 120, 12).in, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.e.close()
	r := newRidge(p)
	gram, err := r.gram(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	err = r.learnLayer(late, 0, gram)
	if !errors.Is(err, context.DeadlineExceeded) || fault.ClassOf(err) == fault.Input || !strings.Contains(err.Error(), r.Features.Layers[0].Name) {
		t.Errorf("%v of class %v", err, fault.ClassOf(err))
	}
}
