package onnx

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestReinitialise has weights inside and outside the file, a mask, and a constant too small to be a weight.
func TestReinitialise(t *testing.T) {
	b := addOne()
	weights := make([]float32, 400)
	for i := range weights {
		weights[i] = float32(i) / 7
	}
	mask := slicesOf(float32(math.Inf(-1)), 20)
	names := []string{b.ConstF32(weights, 20, 20), b.ConstF32(mask, 20), b.ConstF32([]float32{1, 2, 3}, 3)}
	outside := tensorOutside("far", 100)
	model := protowire.AppendBytes(protowire.AppendTag(b.Model(), 7, protowire.BytesType), protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), outside))
	kept := bytes.Clone(model)
	read := func(location string, offset, length int64) ([]byte, error) {
		if location != "weights.bin" || offset != 8 || length != 400 {
			t.Errorf("reads %d bytes at %d of %s", length, offset, location)
		}
		return bytes.Repeat([]byte{0, 0, 128, 63, 0, 0, 0, 64}, 50), nil // 1, 2, 1, 2, …
	}
	drawn, n, err := Reinitialise(model, 1, read)
	if err != nil || n != 2 {
		t.Fatalf("%d tensors, %v", n, err)
	}
	if !bytes.Equal(model, kept) {
		t.Error("the model given was changed")
	}
	m, err := Parse(bytes.NewReader(drawn), int64(len(drawn)))
	if err != nil || len(m.External) != 0 {
		t.Fatalf("%v, outside %v", err, m.External)
	}
	again, _, _ := Reinitialise(model, 1, read)
	other, _, _ := Reinitialise(model, 2, read)
	if !bytes.Equal(drawn, again) || bytes.Equal(drawn, other) {
		t.Error("the seed doesn't decide")
	}
	// the numbers come from the tensor itself: their mean moves by its deviation over √400, five times that at most
	x := floatsOf(t, drawn, names[0])
	same, mean := 0, 0.0
	for i, v := range x {
		mean += float64(v) / 400
		if v == weights[i] {
			same++
		}
		if k := math.Round(float64(v) * 7); k < 0 || k > 399 || float32(k)/7 != v {
			t.Fatalf("%v is none of the tensor's numbers", v)
		}
	}
	if math.Abs(mean-28.5) > 5*16.5/20 || same > 40 {
		t.Errorf("mean %v, %d numbers at their old place", mean, same)
	}
	if y := floatsOf(t, drawn, names[1]); !math.IsInf(float64(y[7]), -1) {
		t.Error("the mask is lost")
	}
	ones := 0
	for _, v := range floatsOf(t, drawn, "far") {
		if v == 1 {
			ones++
		} else if v != 2 {
			t.Fatalf("%v was never outside", v)
		}
	}
	if ones < 20 || ones > 80 { // of 100 at one half: six deviations
		t.Errorf("%d ones of 100", ones)
	}
}

func slicesOf(v float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// tensorOutside is a TensorProto of n float32 in weights.bin from byte 8.
func tensorOutside(name string, n int) []byte {
	entry := func(key, value string) []byte {
		e := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key)
		return protowire.AppendString(protowire.AppendTag(e, 2, protowire.BytesType), value)
	}
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(n))
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(Float32))
	b = protowire.AppendString(protowire.AppendTag(b, 8, protowire.BytesType), name)
	b = protowire.AppendBytes(protowire.AppendTag(b, 13, protowire.BytesType), entry("location", "weights.bin"))
	b = protowire.AppendBytes(protowire.AppendTag(b, 13, protowire.BytesType), entry("offset", "8"))
	return protowire.AppendVarint(protowire.AppendTag(b, 14, protowire.VarintType), 1)
}

// floatsOf reads a float32 initializer's raw data.
func floatsOf(t *testing.T, model []byte, name string) (out []float32) {
	t.Helper()
	rewrite(model, rule{7: {in: rule{5: {change: func(c []byte) []byte {
		if n, ok := parseNumbers(c); ok && n.name == name {
			for i := 0; i+4 <= len(n.raw); i += 4 {
				out = append(out, math.Float32frombits(uint32(n.raw[i])|uint32(n.raw[i+1])<<8|uint32(n.raw[i+2])<<16|uint32(n.raw[i+3])<<24))
			}
		}
		return c
	}}}}}, 0)
	if out == nil {
		t.Fatalf("no numbers of %s", name)
	}
	return out
}
