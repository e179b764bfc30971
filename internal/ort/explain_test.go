package ort_test

import (
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

// one is a graph of one operator from x [n,3] to y [n,3].
func one(opset int64, op string, attrs ...onnx.Attr) []byte {
	b := onnx.NewBuilder(opset)
	b.Input("x", onnx.Float32, "n", 3)
	b.OpTo("y", op, []string{"x"}, attrs...)
	b.Output("y", onnx.Float32, "n", 3)
	return b.Model()
}

func two(second string, declared bool) []byte {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "n", 3)
	if declared {
		b.Input(second, onnx.Float32, "n", 3)
	}
	b.OpTo("y", "Add", []string{"x", second})
	b.Output("y", onnx.Float32, "n", 3)
	return b.Model()
}

// TestExplainAtOpen feeds models that the library refuses to load.
func TestExplainAtOpen(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, c := range []struct {
		name  string
		model []byte
		in    string
		says  []string
	}{
		{"opset too new", one(99, "Relu"), "x", []string{"opset 99 of ai.onnx", rt.Version(), "export the model with a lower opset"}},
		{"operator unknown", one(11, "GridSample"), "x", []string{"operator GridSample", "opset 11"}},
		{"text", []byte("hello, this is text"), "x", []string{"not an ONNX model"}},
		{"cut", one(17, "Relu")[:40], "x", []string{"only a part of one"}},
		{"reads nothing", two("nowhere", false), "x", []string{"reads nowhere", "damaged"}},
		{"wrong type inside", one(17, "Cast", onnx.Int("to", int64(onnx.Float16))), "x", []string{"tensor y is said to be float but is float16"}},
		{"empty", nil, "x", []string{"empty"}},
	} {
		s, err := rt.Open(c.model, []string{c.in}, []string{"y"}, ort.Options{Name: "models/m.onnx"})
		if err == nil {
			s.Close()
		}
		checkInput(t, c.name, err, append(c.says, "models/m.onnx")...)
	}
	_, err := rt.OpenFile(t.TempDir()+"/none.onnx", []string{"x"}, []string{"y"}, ort.Options{})
	checkInput(t, "no file", err, "none.onnx does not exist")
}

func checkInput(t *testing.T, name string, err error, says ...string) {
	t.Helper()
	checkClass(t, name, err, fault.Input, says...)
}

func checkClass(t *testing.T, name string, err error, class fault.Class, says ...string) {
	t.Helper()
	if err == nil || fault.ClassOf(err) != class {
		t.Errorf("%s: %v (class %d, want %d)", name, err, fault.ClassOf(err), class)
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %q is missing in: %v", name, text, err)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), ".cc:") || strings.Contains(err.Error(), ".h:") {
		t.Errorf("%s: C++ left in: %v", name, err)
	}
}

// TestExplainAtRun gives good models what they don't take.
func TestExplainAtRun(t *testing.T) {
	relu := open(t, one(17, "Relu"), []string{"x"}, []string{"y"}, ort.Options{Threads: 1, Name: "relu.onnx"})
	add := open(t, two("mask", true), []string{"x"}, []string{"y"}, ort.Options{Threads: 1})
	self := open(t, slow(1), []string{"x"}, []string{"y"}, ort.Options{Threads: 1})
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Int64, 3)
	b.OpTo("y", "ConstantOfShape", []string{"x"})
	b.Output("y", onnx.Float32, "n", "m", "k")
	fill := open(t, b.Model(), []string{"x"}, []string{"y"}, ort.Options{Threads: 1})

	good, wide := f32(t, make([]float32, 3), 1, 3), f32(t, make([]float32, 8), 2, 4)
	flat, square := f32(t, make([]float32, 3), 3), f32(t, make([]float32, 9), 3, 3)
	ints, err := ort.NewI64([]int64{1 << 20, 1 << 20, 8}, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer ints.Close()
	for _, c := range []struct {
		name    string
		s       *ort.Session
		in, out *ort.Tensor
		class   fault.Class
		says    []string
	}{
		{"size", relu, wide, nil, fault.Input, []string{"input x has 3 in dimension 1, got 4", "card", "relu.onnx"}},
		{"rank", relu, flat, nil, fault.Input, []string{"input x has 2 dimensions, got 1"}},
		{"type", relu, ints, nil, fault.Input, []string{"input is float, got int64"}},
		{"output's type", relu, good, ints, fault.Input, []string{"output is float, got int64"}},
		{"output's shape", relu, good, square, fault.Bug, []string{"has shape {1,3}, its tensor {3,3}"}},
		{"a node fails", self, wide, nil, fault.Input, []string{"refuses the model: node ", "(MatMul): Compute MatMul dimension mismatch"}},
		{"second input", add, good, nil, fault.Input, []string{"input mask, which got no value", "constant"}},
		{"input's name", open(t, one(17, "Relu"), []string{"z"}, []string{"y"}, ort.Options{}), good, nil, fault.Input, []string{"no tensor z to be its input"}},
		{"output's name", open(t, one(17, "Relu"), []string{"x"}, []string{"z"}, ort.Options{}), good, nil, fault.Input, []string{"no tensor z to be its output"}},
		{"memory", fill, ints, nil, fault.Machine, []string{"not enough memory", "smaller batch"}},
	} {
		err := c.s.Run(t.Context(), tensors(c.in), tensors(c.out))
		checkClass(t, c.name, err, c.class, c.says...)
	}
}

func TestDevice(t *testing.T) {
	rt := orttest.Runtime(t)
	if d, note, err := rt.Device(ort.CPU); d != ort.CPU || note == "" || err != nil {
		t.Errorf("cpu: %q, %q, %v", d, note, err)
	}
	_, _, err := rt.Device("tpu")
	checkInput(t, "tpu", err, `--device: "tpu" is not`, "cpu, cuda or auto")
	d, note, err := rt.Device(ort.Auto)
	if err != nil || note == "" {
		t.Errorf("auto: %q, %q, %v", d, note, err)
	}
	if d == ort.CUDA {
		t.Skip("CUDA is here: what follows is about its absence")
	}
	if !strings.Contains(note, "CPU: ") {
		t.Errorf("auto gives no reason: %q", note)
	}
	_, _, err = rt.Device(ort.CUDA)
	checkClass(t, "cuda", err, fault.Machine, "CUDA was asked for", "--device cpu")
	_, err = rt.Open(one(17, "Relu"), []string{"x"}, []string{"y"}, ort.Options{Device: ort.CUDA})
	checkClass(t, "session on cuda", err, fault.Machine, "CUDA was asked for")
}

func TestDoctor(t *testing.T) {
	orttest.Runtime(t) // fetches the library, or skips
	checks := ort.Doctor(t.Context(), ort.FromEnvironment())
	if len(checks) != 3 {
		t.Fatalf("got %+v", checks)
	}
	for i, id := range []string{"onnxruntime-library", "onnxruntime-version", "onnxruntime-provider"} {
		if c := checks[i]; c.ID != id || c.Level == ort.Fault || c.Found == "" || (c.Level == ort.Warning) != (c.Remedy != "") {
			t.Errorf("got %+v", c)
		}
	}
	bad := ort.Doctor(t.Context(), ort.Search{Flag: "/no/such/lib.so"})
	if len(bad) != 1 || bad[0].Level != ort.Fault || !strings.Contains(bad[0].Found, "--ort-lib") || bad[0].Remedy == "" {
		t.Errorf("a missing library: %+v", bad)
	}
}

func TestStartTwice(t *testing.T) {
	first := orttest.Runtime(t)
	second, err := ort.Start(first.Library())
	if err != nil || second.Version() != first.Version() {
		t.Fatalf("the same library again: %v", err)
	}
	if _, err := ort.Start(ort.Library{Path: "/another/lib.so"}); fault.ClassOf(err) != fault.Bug {
		t.Errorf("another library: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := second.Open(product(), []string{"x", "w"}, []string{"y"}, ort.Options{}); fault.ClassOf(err) != fault.Bug {
		t.Errorf("after Close: %v", err)
	}
	open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{}) // the first still works
}
