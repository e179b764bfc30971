package onnx

import (
	"bytes"
	"encoding/hex"
	"slices"
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

// A node of a function is written again with its attributes as they lie in the file, once; one that takes a setting from
// its call, or holds a body, can't be.
func TestCopyOfAFunctionsNode(t *testing.T) {
	node := func(op, in, out string, attrs ...[]byte) []byte {
		n := appendString(appendString(appendString(nil, 1, in), 2, out), 4, op)
		for _, a := range attrs {
			n = appendMessage(n, 5, a)
		}
		return n
	}
	refers := appendString(appendString(nil, 1, "alpha"), 21, "alpha")
	fn := appendString(appendString(appendString(appendString(nil, 1, "F"), 10, "mine"), 4, "a"), 5, "c")
	fn = appendMessage(fn, 7, node("Transpose", "a", "b", Ints("perm", 0, 2, 1).bytes))
	fn = appendMessage(fn, 7, node("LeakyRelu", "b", "c", refers))
	fn = appendMessage(fn, 9, appendInt(appendString(nil, 1, ""), 2, 17))
	b := NewBuilder(17)
	b.Input("x", Float32, 1, 2, 3)
	b.Ops("mine:F", []string{"x"}, []string{"y"})
	b.Output("y", Float32, 1, 3, 2)
	model := appendMessage(b.Model(), 25, fn)
	m, err := Parse(bytes.NewReader(model), int64(len(model)))
	if err != nil {
		t.Fatal(err)
	}
	f := m.Functions[0]
	if f.Opsets[""] != 17 || f.Nodes[0].Bound || !f.Nodes[1].Bound {
		t.Fatalf("%+v: bound %v, %v", f, f.Nodes[0].Bound, f.Nodes[1].Bound)
	}
	patch := NewBuilder(17)
	patch.Copy(f.Nodes[0])
	once := len(patch.Patch())
	patch.Copy(f.Nodes[0])
	if len(patch.Patch()) != once {
		t.Error("a second copy is written")
	}
	again := append(model, patch.Patch()...)
	m, err = Parse(bytes.NewReader(again), int64(len(again)))
	if err != nil {
		t.Fatal(err)
	}
	last := m.Graph.Nodes[len(m.Graph.Nodes)-1]
	if last.Op != "Transpose" || !slices.Equal(last.Ints("perm"), []int64{0, 2, 1}) || last.Outputs[0] != "b" {
		t.Errorf("the copy is %+v", last)
	}
}
