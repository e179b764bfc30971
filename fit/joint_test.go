package fit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// joint is (27) of one vertex, [G²+1, L], in float64: what is written without a network, or the network's.
func (r *reference) joint(v int) []float64 {
	j := (r.G*r.G + 1) * r.L
	if r.p["joint.2.weight"] == nil {
		return r.p["joint.free"][v*j : (v+1)*j]
	}
	p := r.selector("joint", j, v).o
	var sum float64
	for i, o := range p {
		p[i] = math.Exp(o)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// jointForward is y [B, V] under (27) by plain loops.
func (r *reference) jointForward() []float64 {
	z, y := r.z(), make([]float64, r.B*r.V)
	for v := range r.V {
		p, w := r.joint(v), r.p["readout.weight"][v*r.C:(v+1)*r.C]
		for b := range r.B {
			for t := range r.G*r.G + 1 {
				for l := range r.L {
					y[b*r.V+v] += r.alpha * p[t*r.L+l] * dot64(w, r.token(z, b, l, t))
				}
			}
			y[b*r.V+v] += r.p["readout.bias"][v]
		}
	}
	return y
}

// jointLoss is (8) with squared errors, and (9) as (27) has it.
func (r *reference) jointLoss() float64 {
	var sum, entropy float64
	for i, y := range r.jointForward() {
		if e := y - r.target[i]; !math.IsNaN(e) {
			sum += e * e
		}
	}
	for v := range r.V {
		p := r.joint(v)
		for _, a := range p {
			entropy += a * math.Log(a+1e-8) / math.Log(float64(len(p)))
		}
	}
	return sum/float64(r.B*r.V) + r.reg*entropy/float64(r.V)
}

// A step's gradients against finite differences of the loss in float64, with and without missing responses and the
// regulariser. 1e-4 of a tensor's largest is float32's sums; the differences are good to 1e-9.
func TestJointGradients(t *testing.T) {
	for _, c := range []struct {
		missing bool
		reg     float64
	}{{false, 0}, {true, 0.3}} {
		ref := smallCase(31, 2, 4, 4, []int{5, 7}, c.missing)
		ref.reg = c.reg
		r := rand.New(rand.NewPCG(32, 0))
		for _, name := range []string{"space", "layer", "scale"} {
			for _, part := range []string{".0.weight", ".0.bias", ".1.weight", ".1.bias", ".2.weight"} {
				if name == "layer" {
					ref.p["joint"+part] = ref.p[name+part]
				}
				delete(ref.p, name+part)
			}
		}
		ref.p["joint.2.weight"] = normal(r, 65*2*hidden, 0.4)
		ref.round()
		set := still(ref.B)
		set.Ablation, set.Regulariser, set.RegSteps = NoFactorisation, c.reg, 10
		grads, loss := ref.model(t, set, 2).gradient(t)
		if want := ref.jointLoss(); math.Abs(loss-want) > 1e-5*math.Abs(want) {
			t.Errorf("loss %.8g, want %.8g", loss, want)
		}
		if len(grads) != len(ref.p)-2*ref.L { // all but the centres
			t.Errorf("%d tensors have gradients, of %d", len(grads), len(ref.p))
		}
		for _, name := range slices.Sorted(maps.Keys(grads)) {
			var size, worst float64
			for _, g := range grads[name] {
				size = max(size, math.Abs(float64(g)))
			}
			for i := 0; i < len(grads[name]); i += max(1, len(grads[name])/6) {
				worst = max(worst, math.Abs(ref.difference(name, i, ref.jointLoss)-float64(grads[name][i])))
			}
			if size == 0 || worst > 1e-4*size {
				t.Errorf("gradient of %s is off by %.2g of %.2g", name, worst, size)
			}
		}
	}
}

// Layers that a step leaves out stay where they are, and the others' logits only exchange mass.
func TestJointLeavesLayersOut(t *testing.T) {
	s := newJointSelection(1, 3, 2)
	r := rand.New(rand.NewPCG(33, 0))
	o, ga, out := make([]float32, s.terms()), make([]float32, s.terms()), make([]float32, s.terms())
	for i := range o {
		o[i], ga[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	s.set(0, o)
	s.backward(out, ga, 0, 0, []int32{0, 2})
	var sum float64
	for i, g := range out {
		if left := i%3 == 1; left != (g == 0) {
			t.Errorf("coefficient %d of layer %d has gradient %v", i, i%3, g)
		}
		sum += float64(g)
	}
	if math.Abs(sum) > 1e-6 {
		t.Errorf("the gradients sum to %v", sum)
	}
}

// Marginals of distributions that say what they are.
func TestJointMarginals(t *testing.T) {
	s := newJointSelection(3, 2, 8)
	s.jointOf(0)[0*2+1] = 0.25  // top left, layer 1
	s.jointOf(0)[63*2+0] = 0.25 // bottom right, layer 0
	s.jointOf(0)[64*2+1] = 0.5  // global, layer 1
	s.jointOf(1)[7*2+0] = 1     // top right
	s.jointOf(2)[64*2+0] = 1    // global alone
	for v := range 3 {
		s.marginals(v)
	}
	if !slices.Equal(s.layer, []float32{0.25, 0.75, 1, 0, 1, 0}) || !slices.Equal(s.scale, []float32{0.5, 0, 1}) {
		t.Errorf("layers %v, scales %v", s.layer, s.scale)
	}
	if !slices.Equal(s.space[:4], []float32{0, 0, 0.875, -0.875}) || s.space[4] == s.space[4] {
		t.Errorf("places %v", s.space)
	}
}

// What was planted is found as marginals, with and without places, under both protocols' ways; the written weights give
// the scores. The published protocol learns slowly: it must only come out whole.
func TestJointFindsThePlantedTruth(t *testing.T) {
	p := plant(t, 34, 420, 60)
	bare := p.in
	subject := *p.in.Subject
	subject.Positions = nil
	bare.Subject = &subject
	for name, in := range map[string]Input{"sound": p.in, "sound, free": bare, "paper": p.in} {
		set := quick(strings.TrimSuffix(name, ", free"))
		set.Ablation = NoFactorisation
		if name == "paper" {
			set.Epochs = 1
		}
		m := fitPlanted(t, in, set, 2)
		checkShape(t, m, in)
		if m.Info.Ablation != NoFactorisation || m.Tensor("layer.2.weight") != nil || (m.Tensor("joint.2.weight") == nil) != (in.Subject.Positions == nil) {
			t.Errorf("%s: ablation %q, or tensors of another model", name, m.Info.Ablation)
		}
		ref := referenceOf(t, m, in, in.Test)
		weightsGiveTheScores(t, name, m, ref, ref.jointForward())
		if name == "paper" {
			continue
		}
		var layer, space, near float64
		for v, row := range m.Vertices {
			layer += math.Abs(float64(row.LayerExpected)-p.layer[v]) / float64(len(m.Vertices))
			if p.scale[v] < 0.5 {
				space += math.Abs(float64(row.SpaceX) - p.x[v])
				near++
			}
		}
		t.Logf("%s: R² %.3f of the ceiling, layer off by %.2f, x by %.2f", name, m.Info.Scores["r2_norm_mean"], layer, space/near)
		if m.Info.Scores["r2_norm_mean"] < 0.5 || layer > 0.4 || space/near > 0.25 {
			t.Errorf("%s: R² is %.3f of the ceiling; the layer is off by %.2f of 3, x by %.2f", name, m.Info.Scores["r2_norm_mean"], layer, space/near)
		}
	}
}

// plantTwoPlaces changes a plant to units that read the first layer on the left and the last on the right, which
// no product of a layer, a place and a scale can say.
func plantTwoPlaces(p *planted, t *testing.T) {
	t.Helper()
	s, r := p.in.Subject, rand.New(rand.NewPCG(35, 0))
	n, last := s.Images.Len(), len(p.in.Features.Layers)-1
	all := upTo[int](n)
	clean := make([]float64, n*s.Units)
	for _, at := range [][2]int{{0, 1}, {last, 6}} {
		l, col := at[0], at[1]
		d := p.in.Features.Layers[l].Width
		x := make([]uint16, n*65*d)
		if err := p.in.Features.Read(t.Context(), l, all, x); err != nil {
			t.Fatal(err)
		}
		for v := range s.Units {
			k := r.IntN(4) * 2 // a channel of one of the sizes
			for i := range n {
				clean[i*s.Units+v] += float64(store.Float(x[(i*65+3*8+col)*d+k]))/math.Pow(2, float64(k%4)) - 3
			}
		}
	}
	for i, y := range clean {
		s.Responses[i] = float32(y + 0.7*r.NormFloat64())
	}
	for v := range s.Units {
		s.Ceiling[v] = float32(math.NaN())
	}
}

// Where layer and place depend on each other, the joint selector predicts what three separate ones can't.
func TestJointReadsTwoPlaces(t *testing.T) {
	p := plant(t, 36, 420, 40)
	plantTwoPlaces(p, t)
	var r2 [2]float64
	for i, word := range []string{NoAblation, NoFactorisation} {
		set := quick("sound")
		set.Ablation = word
		r2[i] = fitPlanted(t, p.in, set, 2).Info.Scores["r2_mean"]
	}
	t.Logf("R² %.3f factorised, %.3f joint", r2[0], r2[1])
	if r2[1] < r2[0]+0.05 {
		t.Errorf("R² is %.3f with a joint selector, %.3f with three", r2[1], r2[0])
	}
}

// What doesn't fit is refused with its numbers.
func TestJointRefusesWhatDoesNotFit(t *testing.T) {
	p := &problem{L: 12, G: 8, C: 128, V: 37984, e: &engine{workers: 2}}
	err := p.fitsJoint(1 << 30)
	var f *fault.Error
	if err == nil || !strings.Contains(fmt.Sprint(err), "780 coefficients of each of 37984 units") || !errors.As(err, &f) || f.Class != fault.Machine {
		t.Errorf("refused as %v", err)
	}
	if err := p.fitsJoint(4 << 30); err != nil {
		t.Error(err)
	}
}
