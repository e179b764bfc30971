package ort_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

// product is y [n,m] = x [n,k] · w [k,m], with all shapes open.
func product() []byte {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "n", "k")
	b.Input("w", onnx.Float32, "k", "m")
	b.OpTo("y", "MatMul", []string{"x", "w"})
	b.Output("y", onnx.Float32, "n", "m")
	return b.Model()
}

func open(t testing.TB, model []byte, in, out []string, o ort.Options) *ort.Session {
	t.Helper()
	s, err := orttest.Runtime(t).Open(model, in, out, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func f32(t testing.TB, data []float32, dims ...int64) *ort.Tensor {
	t.Helper()
	orttest.Runtime(t)
	x, err := ort.NewF32(data, dims...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

func tensors(x ...*ort.Tensor) []*ort.Tensor { return x }

func TestRunWritesTheCallersSlice(t *testing.T) {
	s := open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
	weights := []float32{9, 9, 1, 2, 3, 4, 9} // w is a slice of a bigger array
	y := make([]float32, 4)
	x, w, out := f32(t, []float32{1, 1, 0, 1}, 2, 2), f32(t, weights[2:6], 2, 2), f32(t, y, 2, 2)
	if err := s.Run(t.Context(), tensors(x, w), tensors(out)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(y) != "[4 6 3 4]" {
		t.Errorf("y = %v", y)
	}
	weights[2] = 5 // seen by the next Run: the tensor is a view
	if err := s.Run(t.Context(), tensors(x, w), tensors(out)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(y) != "[8 6 3 4]" {
		t.Errorf("after a change of w: y = %v", y)
	}
}

func TestRunAllocatesMissingOutputs(t *testing.T) {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "n")
	b.OpTo("double", "Add", []string{"x", "x"})
	b.OpTo("shape", "Shape", []string{"x"})
	b.OpTo("half", "Cast", []string{"x"}, onnx.Int("to", int64(onnx.Float16)))
	b.OpTo("bytes", "Cast", []string{"x"}, onnx.Int("to", int64(onnx.Uint8)))
	for name, dt := range map[string]onnx.DType{"double": onnx.Float32, "half": onnx.Float16, "bytes": onnx.Uint8} {
		b.Output(name, dt, "n")
	}
	b.Output("shape", onnx.Int64, 1)
	s := open(t, b.Model(), []string{"x"}, []string{"double", "shape", "bytes", "half"}, ort.Options{})
	half, err := ort.NewF16(make([]uint16, 3), 3)
	if err != nil {
		t.Fatal(err)
	}
	out := tensors(nil, nil, nil, half)
	if err := s.Run(t.Context(), tensors(f32(t, []float32{1, 2, 3}, 3)), out); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(out[0].F32(), out[0].Dims(), out[1].I64(), out[1].Dims(), out[2].U8(), half.F16())
	// 1, 2 and 3 in half precision are 0x3c00, 0x4000 and 0x4200.
	if want := "[2 4 6] [3] [3] [1] [1 2 3] [15360 16384 16896]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, o := range out {
		o.Close()
		o.Close()
	}
	// The binding can't allocate float16.
	if err := s.Run(t.Context(), tensors(f32(t, []float32{1}, 1)), make([]*ort.Tensor, 4)); err == nil {
		t.Error("a float16 output was allocated")
	}
}

func TestCallersMistakes(t *testing.T) {
	s := open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
	x, closed := f32(t, make([]float32, 4), 2, 2), f32(t, make([]float32, 4), 2, 2)
	closed.Close()
	cases := map[string]func() error{
		"too few inputs": func() error { return s.Run(t.Context(), tensors(x), tensors(nil)) },
		"nil input":      func() error { return s.Run(t.Context(), tensors(x, nil), tensors(nil)) },
		"closed input":   func() error { return s.Run(t.Context(), tensors(x, closed), tensors(nil)) },
		"closed output":  func() error { return s.Run(t.Context(), tensors(x, x), tensors(closed)) },
		"short slice":    func() error { _, err := ort.NewF32(make([]float32, 3), 2, 2); return err },
		"long slice":     func() error { _, err := ort.NewI64(make([]int64, 5), 2, 2); return err },
		"scalar":         func() error { _, err := ort.NewF32(make([]float32, 1)); return err },
		"negative":       func() error { _, err := ort.NewU8(make([]uint8, 1), -1, -1); return err },
		"overflow":       func() error { _, err := ort.NewF16(nil, 1<<40, 1<<40); return err },
		"no outputs": func() error {
			_, err := orttest.Runtime(t).Open(product(), []string{"x"}, nil, ort.Options{})
			return err
		},
		"auto device": func() error {
			_, err := orttest.Runtime(t).Open(product(), []string{"x"}, []string{"y"}, ort.Options{Device: ort.Auto})
			return err
		},
	}
	for name, f := range cases {
		if err := f(); err == nil || fault.ClassOf(err) != fault.Bug {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Run(t.Context(), tensors(x, x), tensors(x)); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestEmptyDimension(t *testing.T) {
	s := open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
	out := tensors(nil)
	if err := s.Run(t.Context(), tensors(f32(t, nil, 0, 2), f32(t, make([]float32, 4), 2, 2)), out); err != nil {
		t.Fatal(err)
	}
	defer out[0].Close()
	if fmt.Sprint(out[0].Dims()) != "[0 2]" {
		t.Errorf("dims = %v", out[0].Dims())
	}
}

// slow multiplies x [n,n] by itself many times over.
func slow(steps int) []byte {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "n", "n")
	y := "x"
	for range steps {
		y = b.Op("MatMul", []string{y, "x"})
	}
	b.OpTo("y", "Identity", []string{y})
	b.Output("y", onnx.Float32, "n", "n")
	return b.Model()
}

func TestCancelStopsARunUnderWay(t *testing.T) {
	const n, steps = 512, 2000
	s := open(t, slow(steps), []string{"x"}, []string{"y"}, ort.Options{Threads: 1})
	x, y := f32(t, make([]float32, n*n), n, n), f32(t, make([]float32, n*n), n, n)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	// The whole graph is 2000 products of 512^3, about 10 s: a Run that comes back with the context's error
	// was stopped on its way (or before it began, which is right too).
	if err := s.Run(ctx, tensors(x), tensors(y)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := s.Run(ctx, tensors(x), tensors(y)); !errors.Is(err, context.Canceled) {
		t.Fatalf("a second time: %v", err)
	}
	// The session is good for another context.
	small, out := f32(t, []float32{1}, 1, 1), f32(t, make([]float32, 1), 1, 1)
	if err := s.Run(t.Context(), tensors(small), tensors(out)); err != nil || out.F32()[0] != 1 {
		t.Errorf("afterwards: %v, %v", err, out.F32())
	}
}

// TestCancelRace ends contexts at every moment of a Run, so that the race detector sees the hand-over of
// the stop flag; whatever Run answers, the session works afterwards.
func TestCancelRace(t *testing.T) {
	s := open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
	x, y := f32(t, []float32{2}, 1, 1), f32(t, make([]float32, 1), 1, 1)
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := s.Run(ctx, tensors(x, x), tensors(y)); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := s.Run(t.Context(), tensors(x, x), tensors(y)); err != nil || y.F32()[0] != 4 {
			t.Fatalf("afterwards: %v, %v", err, y.F32())
		}
		cancel()
	}
}

// TestConcurrentSessions is what fit does: workers with a session each, reading shared weights and writing
// neighbouring parts of one array.
func TestConcurrentSessions(t *testing.T) {
	const workers, runs = 3, 200
	shared := f32(t, []float32{1, 2, 3, 4}, 2, 2)
	array := make([]float32, 4*workers)
	var wg sync.WaitGroup
	for k := range workers {
		s := open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
		wg.Go(func() {
			part := array[4*k : 4*k+4]
			for i := range runs {
				x, err1 := ort.NewF32([]float32{float32(i), 0, 0, float32(k)}, 2, 2)
				y, err2 := ort.NewF32(part, 2, 2)
				err := errors.Join(err1, err2)
				if err == nil {
					err = s.Run(t.Context(), tensors(x, shared), tensors(y))
				}
				want := []float32{float32(i), float32(2 * i), float32(3 * k), float32(4 * k)}
				if err != nil || fmt.Sprint(part) != fmt.Sprint(want) {
					t.Errorf("worker %d, run %d: %v, %v", k, i, part, err)
					return
				}
				x.Close() // y is left to the garbage collector
			}
		})
	}
	wg.Wait()
}

func BenchmarkRun(b *testing.B) {
	s := open(b, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
	x, y := f32(b, make([]float32, 16), 4, 4), f32(b, make([]float32, 16), 4, 4)
	in, out := tensors(x, x), tensors(y)
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"background": context.Background(), "cancellable": cancellable} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := s.Run(ctx, in, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTensor(b *testing.B) {
	orttest.Runtime(b)
	data := make([]float32, 1<<20)
	for b.Loop() {
		x, err := ort.NewF32(data[100:116], 4, 4)
		if err != nil {
			b.Fatal(err)
		}
		x.Close()
	}
}

// TestDroppedTensors leaves tensors to the garbage collector, which must unpin and release them: a pin that
// is collected unreleased stops the program.
func TestDroppedTensors(t *testing.T) {
	s := open(t, product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1})
	for i := range 50 {
		for range 20 {
			x, err := ort.NewF32([]float32{1, 2, 3, 4}, 2, 2)
			out := tensors(nil)
			if err == nil {
				err = s.Run(t.Context(), tensors(x, x), out)
			}
			if err != nil || out[0].F32()[3] != 22 {
				t.Fatal(i, err)
			}
		}
		runtime.GC()
	}
}

// outside is y [n,2] = x [n,2] · w [2,2] with w in the file weights.bin: an initializer (field 5 of the
// graph, field 7 of the model) that says so, appended to a model that lacks it.
func outside() []byte {
	field := func(n byte, parts ...[]byte) []byte {
		body := slices.Concat(parts...)
		return append([]byte{n<<3 | 2, byte(len(body))}, body...) // all of them shorter than 128 bytes
	}
	entry := func(key, value string) []byte { return field(13, field(1, []byte(key)), field(2, []byte(value))) }
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "n", 2)
	b.OpTo("y", "MatMul", []string{"x", "w"})
	b.Output("y", onnx.Float32, "n", 2)
	dims, float, external := []byte{1 << 3, 2, 1 << 3, 2}, []byte{2 << 3, 1}, []byte{14 << 3, 1}
	return slices.Concat(b.Model(), field(7, field(5, dims, float, field(8, []byte("w")), entry("location", "weights.bin"), external)))
}

func TestExternalWeights(t *testing.T) {
	rt, dir := orttest.Runtime(t), t.TempDir()
	weights := []byte{0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64} // 1, 2, 3, 4
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), weights, 0o666); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(file, outside(), 0o666); err != nil {
		t.Fatal(err)
	}
	x, y := f32(t, []float32{1, 1}, 1, 2), f32(t, make([]float32, 2), 1, 2)
	for name, open := range map[string]func() (*ort.Session, error){
		"bytes": func() (*ort.Session, error) {
			return rt.Open(outside(), []string{"x"}, []string{"y"}, ort.Options{ExternalFolder: dir})
		},
		"file": func() (*ort.Session, error) { return rt.OpenFile(file, []string{"x"}, []string{"y"}, ort.Options{}) },
	} {
		s, err := open()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Run(t.Context(), tensors(x), tensors(y)); err != nil || fmt.Sprint(y.F32()) != "[4 6]" {
			t.Errorf("%s: %v, %v", name, y.F32(), err)
		}
		s.Close()
	}
	os.Remove(filepath.Join(dir, "weights.bin"))
	_, err := rt.OpenFile(file, []string{"x"}, []string{"y"}, ort.Options{})
	checkInput(t, "weights missing", err, "weights.bin, which is missing", "beside the model", file)
}
