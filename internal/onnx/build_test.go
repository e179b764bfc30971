package onnx

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// addOne is y = x·w + 1 with a symbolic batch; it uses each part of a Builder once.
func addOne() *Builder {
	b := NewBuilder(17)
	b.Input("x", Float32, "N", 2)
	w := b.ConstF32([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	p := b.Op("MatMul", []string{"x", w})
	q := b.Op("Transpose", []string{p}, Ints("perm", 1, 0))
	r := b.Op("Transpose", []string{q}, Ints("perm", 1, 0))
	b.OpTo("y", "Add", []string{r, b.Scalar(1)})
	b.Output("y", Float32, "N", 3)
	return b
}

func TestFreshNamesAreDistinctAndPrefixed(t *testing.T) {
	b := NewBuilder(17)
	seen := map[string]bool{}
	for range 50 {
		for _, n := range []string{b.Op("Relu", []string{"x"}), b.Scalar(0), b.Op("com.microsoft:Gelu", []string{"x"})} {
			if seen[n] || n[:len(Prefix)] != Prefix {
				t.Fatalf("%q was seen before or lacks the prefix", n)
			}
			seen[n] = true
		}
	}
}

// The bytes of a patch were written out by hand from the field table in the package comment.
func TestPatchBytes(t *testing.T) {
	b := NewBuilder(17)
	b.OpTo("y", "Cast", []string{"x"}, Int("to", 10))
	b.Output("y", Undefined)
	got := hex.EncodeToString(b.Patch())
	want := "3a30" + // field 7, 48 bytes
		"0a29" + "0a0178" + "120179" + // node: input x, output y
		"1a10" + hex.EncodeToString([]byte("cortexmap/node_1")) +
		"2204" + hex.EncodeToString([]byte("Cast")) +
		"2a09" + "0a02746f" + "180a" + "a00102" + // attribute to, i = 10, type INT
		"6203" + "0a0179" // output y
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestModelIsTheSameEachTime(t *testing.T) {
	if !bytes.Equal(addOne().Model(), addOne().Model()) {
		t.Error("two builds of one graph differ")
	}
}
