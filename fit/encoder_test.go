package fit

import (
	"fmt"
	"math"
	"testing"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// runEncoder runs an encoder's nodes alone, on tokens of the store.
func runEncoder(t *testing.T, m *store.Mapping, tokens [][]uint16, n int) []float32 {
	t.Helper()
	b := onnx.NewBuilder(EncoderOpset)
	var inputs, names []string
	var in []*ort.Tensor
	for l, layer := range m.Info.Layers {
		name := fmt.Sprintf("tokens%d", l)
		b.Input(name, onnx.Float16, "n", 65, layer.Width)
		inputs = append(inputs, name)
		names = append(names, b.Op("Cast", []string{name}, onnx.Int("to", int64(onnx.Float32))))
		x, err := ort.NewF16(tokens[l], int64(n), 65, int64(layer.Width))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		in = append(in, x)
	}
	out, err := Encode(b, m, names)
	if err != nil {
		t.Fatal(err)
	}
	b.Output(out, onnx.Float32, "n", len(m.Vertices))
	s, err := orttest.Runtime(t).Open(b.Model(), inputs, []string{out}, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	y := make([]*ort.Tensor, 1)
	if err := s.Run(t.Context(), in, y); err != nil {
		t.Fatal(err)
	}
	defer y[0].Close()
	return append([]float32(nil), y[0].F32()...)
}

// The exported nodes, the slow form and the float64 reference of the equations predict alike, for both
// protocols, for units without positions and for every ablation; units that were not fitted stay empty. The tolerance is the
// issue's: 1e-4 of a response's SD.
func TestEncoder(t *testing.T) {
	p := plant(t, 2, 240, 30)
	for v := range p.in.Subject.Units {
		if v == 7 { // a dead unit in the middle
			for i := range p.in.Subject.Images.Len() {
				p.in.Subject.Responses[i*p.in.Subject.Units+v] = float32(math.NaN())
			}
		}
	}
	free := quick("sound")
	free.Ablation = NoTopology
	cases := map[string]Settings{"sound": quick("sound"), "paper": quick("paper"), "free": free}
	for _, word := range []string{"layer:1", Centre, Local, Global, NoFactorisation} {
		set := quick("sound")
		set.Ablation, set.Epochs = word, 0
		cases[word] = set
	}
	for name, set := range cases {
		set.Epochs = min(set.Epochs, 1)
		m := fitPlanted(t, p.in, set, 2)
		images := p.in.Test[:5]
		tokens := make([][]uint16, len(m.Info.Layers))
		for l, layer := range m.Info.Layers {
			tokens[l] = make([]uint16, len(images)*65*layer.Width)
			if err := p.in.Features.Read(t.Context(), l, images, tokens[l]); err != nil {
				t.Fatal(err)
			}
		}
		got := runEncoder(t, m, tokens, len(images))
		slow, err := Predict(m, tokens, len(images))
		if err != nil {
			t.Fatal(err)
		}
		var ref []float64
		if set.Ablation == "" { // the reference has networks and fitted units only
			ref = fittedReference(t, m, p.in, images)
		}
		for i, y := range slow {
			v := i % len(m.Vertices)
			if v == 7 {
				if !math.IsNaN(y) || got[i] == got[i] {
					t.Errorf("%s: the dead unit is predicted as %v, %v", name, y, got[i])
				}
				continue
			}
			sd := responseSD(p.in, v)
			if d := math.Abs(float64(got[i])-y) / sd; !(d < 1e-4) {
				t.Errorf("%s: unit %d: nodes give %v, loops %v (%.1e SD)", name, v, got[i], y, d)
			}
			if ref != nil {
				if d := math.Abs(ref[i]-y) / sd; !(d < 1e-4) {
					t.Errorf("%s: unit %d: loops give %v, the reference %v (%.1e SD)", name, v, y, ref[i], d)
				}
			}
		}
	}
}

// fittedReference is the float64 reference's prediction, in the mapping's rows.
func fittedReference(t *testing.T, m *store.Mapping, in Input, images []int) []float64 {
	t.Helper()
	sub := *in.Subject
	var kept []int
	for v := range m.Vertices {
		if m.Vertices[v].Fitted {
			kept = append(kept, v)
		}
	}
	sub.Units = len(kept)
	sub.Positions, sub.Responses = nil, make([]float32, sub.Images.Len()*len(kept))
	for _, v := range kept {
		sub.Positions = append(sub.Positions, in.Subject.Positions[v])
	}
	in.Subject = &sub
	y := referenceOf(t, m, in, images).forward()
	out := make([]float64, len(images)*len(m.Vertices))
	for i := range images {
		for k, v := range kept {
			out[i*len(m.Vertices)+v] = y[i*len(kept)+k]
		}
	}
	return out
}

func responseSD(in Input, v int) float64 {
	var s, ss, n float64
	for _, i := range in.Train {
		y := float64(in.Subject.Responses[i*in.Subject.Units+v])
		s, ss, n = s+y, ss+y*y, n+1
	}
	return math.Sqrt(ss/n - s*s/n/n)
}

// What can't be exported is said.
func TestEncoderRefuses(t *testing.T) {
	p := plant(t, 3, 120, 6)
	m := fitPlanted(t, p.in, quick("sound"), 1)
	for name, damage := range map[string]func(m *store.Mapping){
		"ridge":        func(m *store.Mapping) { m.Info.Method = "ridge_layers" },
		"no weights":   func(m *store.Mapping) { m.Weights = nil },
		"short":        func(m *store.Mapping) { m.Weights[0].Data = m.Weights[0].Data[1:] },
		"other layers": func(m *store.Mapping) { m.Info.Layers = m.Info.Layers[:1] },
	} {
		bad := *m
		bad.Weights = append([]store.Tensor(nil), m.Weights...)
		damage(&bad)
		if _, err := Encode(onnx.NewBuilder(13), &bad, make([]string, len(m.Info.Layers))); err == nil {
			t.Errorf("%s: exported without complaint", name)
		}
	}
}
