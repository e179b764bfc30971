package extract

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
)

// The demo's extraction: lite0 over windows of photographs, decoding and writing included.
func BenchmarkLite0Windows(b *testing.B) {
	rt := orttest.Runtime(b)
	net := openNetwork(b, filepath.Join(testdata, "demo", "lite0.onnx"), NetworkOptions{})
	photos, err := stimuli.Folder(context.Background(), os.DirFS(filepath.Join(testdata, "demo", "photos")), ".", stimuli.Options{})
	if err != nil {
		b.Fatal(err)
	}
	set, err := stimuli.Windows(photos, 0, 9)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m, err := Run(context.Background(), rt, net, set, b.TempDir(), RunOptions{Key: "k"})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(m.Images)/m.Seconds["total"], "images/s")
		for _, part := range []string{"decode", "run", "write", "close", "check"} {
			b.ReportMetric(m.Seconds[part], part+"-s")
		}
	}
}

// Extraction, with decoding, preprocessing, taps, checks and writing, beside the bare library: one session with all
// threads and the layers' tensors as outputs, fed with a batch that is ready. They take turns, so that other work
// on the machine meets both; ratio counts everything against the library alone,
// wall/work is against all work that has to be done, which is what can be had where decoding takes as long as a small network.
func BenchmarkExtract(b *testing.B) {
	photos, err := stimuli.Folder(context.Background(), os.DirFS(filepath.Join(testdata, "demo", "photos")), ".", stimuli.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("EfficientNet-Lite0", func(b *testing.B) {
		beside(b, openNetwork(b, filepath.Join(testdata, "demo", "lite0.onnx"), NetworkOptions{}), photos, 0)
	})
	width, name := 384, "ViT-S-16"
	if os.Getenv("CORTEXMAP_LONG") != "" {
		width, name = 768, "ViT-B-16"
	}
	b.Run(name, func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "vit.onnx")
		if err := os.WriteFile(path, transformer(width, 12), 0o666); err != nil {
			b.Fatal(err)
		}
		few := *photos
		few.Stimuli = few.Stimuli[:96]
		beside(b, openNetwork(b, path, NetworkOptions{}), &few, 8)
	})
}

func beside(b *testing.B, net *Network, set *stimuli.Set, batch int) {
	rt := orttest.Runtime(b)
	threads := ort.Threads(0)
	patch := onnx.NewBuilder(net.Model.Opset())
	var outputs []string
	for _, l := range net.Layers {
		patch.Output(l.Tensor, onnx.Undefined)
		outputs = append(outputs, l.Tensor)
	}
	s, err := net.session(rt, patch, outputs, threads)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := net.batch(batch)
	room := net.feed.room(n)
	for i := range n {
		img, err := set.Pixels(i)
		if err != nil {
			b.Fatal(err)
		}
		room.put(i, img)
	}
	bare := func(images int) {
		for range images / n {
			in, err := room.tensors(n)
			if err != nil {
				b.Fatal(err)
			}
			out := make([]*ort.Tensor, len(outputs))
			if err := s.Run(context.Background(), in, out); err != nil {
				b.Fatal(err)
			}
			closeAll(out)
			closeAll(in)
		}
	}
	bare(n) // arenas grow
	var alone, whole time.Duration
	own := 0.0 // seconds of decoding and writing, over all threads
	images := set.Len() / n * n
	for b.Loop() {
		t := time.Now()
		bare(images)
		alone += time.Since(t)
		t = time.Now()
		m, err := Run(context.Background(), rt, net, set, b.TempDir(), RunOptions{Key: "k", Batch: batch})
		if err != nil {
			b.Fatal(err)
		}
		whole += time.Since(t)
		own += m.Seconds["decode"] + m.Seconds["write"] + m.Seconds["close"]
	}
	bareRate := float64(images*b.N) / alone.Seconds()
	rate := float64(set.Len()*b.N) / whole.Seconds()
	b.ReportMetric(bareRate, "bare-images/s")
	b.ReportMetric(rate, "images/s")
	b.ReportMetric(rate/bareRate, "ratio")
	work := (alone.Seconds()*float64(set.Len())/float64(images)*float64(threads) + own) / float64(threads)
	b.ReportMetric(whole.Seconds()/work, "wall/work") // work: the library's, decoding's and writing's, spread over all cores
}

// transformer is a network of CLIP ViT's shape (patch 16, 224 pixels, class token), random weights.
func transformer(width, depth int) []byte {
	r := rand.New(rand.NewPCG(6, 6))
	b := onnx.NewBuilder(17)
	random := func(scale float32, dims ...int64) string {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			w[i] = scale * (2*r.Float32() - 1)
		}
		return b.ConstF32(w, dims...)
	}
	c, heads := int64(width), int64(width/64)
	spread := float32(1 / float64(width) * 8)
	dense := func(x string, in, out int64) string {
		return b.Op("Add", []string{b.Op("MatMul", []string{x, random(spread, in, out)}), random(0.1, out)})
	}
	norm := func(x string) string {
		return b.Op("LayerNormalization", []string{x, b.ConstF32(constant(width, 1), c), b.ConstF32(constant(width, 0), c)})
	}
	split := func(x string, perm ...int64) string {
		return b.Op("Transpose", []string{b.Op("Reshape", []string{x, b.Shape(0, 0, heads, 64)})}, onnx.Ints("perm", perm...))
	}
	b.Input("x", onnx.Float32, "N", 3, 224, 224)
	x := b.Op("Conv", []string{"x", random(0.05, c, 3, 16, 16)}, onnx.Ints("strides", 16, 16))
	x = b.Op("Transpose", []string{b.Op("Reshape", []string{x, b.Shape(0, c, 196)})}, onnx.Ints("perm", 0, 2, 1))
	mean := b.Op("MatMul", []string{b.ConstF32(constant(196, 1./196), 1, 196), x})
	x = b.Op("Add", []string{b.Op("Concat", []string{mean, x}, onnx.Int("axis", 1)), random(0.5, 1, 197, c)})
	for range depth {
		y := norm(x)
		q, k, v := split(dense(y, c, c), 0, 2, 1, 3), split(dense(y, c, c), 0, 2, 3, 1), split(dense(y, c, c), 0, 2, 1, 3)
		a := b.Op("Softmax", []string{b.Op("Mul", []string{b.Op("MatMul", []string{q, k}), b.Scalar(0.125)})}, onnx.Int("axis", -1))
		y = b.Op("Transpose", []string{b.Op("MatMul", []string{a, v})}, onnx.Ints("perm", 0, 2, 1, 3))
		x = b.Op("Add", []string{x, dense(b.Op("Reshape", []string{y, b.Shape(0, 0, c)}), c, c)})
		y = dense(norm(x), c, 4*c)
		y = b.Op("Mul", []string{y, b.Op("Sigmoid", []string{b.Op("Mul", []string{y, b.Scalar(1.702)})})})
		x = b.Op("Add", []string{x, dense(y, 4*c, c)})
	}
	b.OpTo("y", "Identity", []string{norm(x)})
	b.Output("y", onnx.Float32, "N", 197, c)
	return bytes.ReplaceAll(b.Model(), []byte(onnx.Prefix), []byte("different/"))
}
