package bench

import (
	"bytes"
	"math"
	"math/rand/v2"

	"cortexmap/internal/onnx"
)

// CLIP is the ONNX bytes of a network that is built as CLIP's ViT-B/16 image tower, with random weights: the same
// operators, shapes and so the same work, at 224 pixels, whatever the weights are. width 768 and depth 12 are
// ViT-B's; smaller ones are for tests.
//
//	x      [N, 3, 224, 224] → patches of 16 → [N, 196, width], a class token before them, places added, LN
//	block  x += attention(LN(x)), heads of 64 channels;  x += W·quickGELU(V·LN(x)), 4·width hidden
//	y      [N, 512]: the class token, LN, a projection
//
// Radford et al. 2021, "Learning transferable visual models from natural language supervision"; quickGELU(z) is
// z·σ(1.702 z). The weights are drawn so that activations keep their size from block to block.
func CLIP(width, depth int) []byte {
	c := clip{onnx.NewBuilder(17), rand.New(rand.NewPCG(6, 6)), int64(width)}
	c.Input("x", onnx.Float32, "N", 3, 224, 224)
	x := c.norm(c.embedded("x"))
	for range depth {
		x = c.Op("Add", []string{x, c.attention(c.norm(x))})
		x = c.Op("Add", []string{x, c.dense(c.quickGELU(c.dense(c.norm(x), c.width, 4*c.width)), 4*c.width, c.width)})
	}
	class := c.Op("Gather", []string{x, c.ConstI64([]int64{0})}, onnx.Int("axis", 1))
	c.OpTo("y", "MatMul", []string{c.norm(class), c.random(1/math.Sqrt(float64(width)), c.width, 512)})
	c.Output("y", onnx.Float32, "N", 512)
	// Our own prefix marks names that we add to a network; this one stands for somebody else's.
	return bytes.ReplaceAll(c.Model(), []byte(onnx.Prefix), []byte("visual.ix/"))
}

type clip struct {
	*onnx.Builder
	rng   *rand.Rand
	width int64
}

// random is a constant of normal numbers with that standard deviation.
func (c clip) random(sd float64, dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(sd * c.rng.NormFloat64())
	}
	return c.ConstF32(w, dims...)
}

// embedded is [N, 197, width]: the class token and the patches, with their places.
func (c clip) embedded(x string) string {
	x = c.Op("Conv", []string{x, c.random(1/math.Sqrt(3*16*16), c.width, 3, 16, 16)}, onnx.Ints("strides", 16, 16))
	x = c.Op("Transpose", []string{c.Op("Reshape", []string{x, c.Shape(0, c.width, 196)})}, onnx.Ints("perm", 0, 2, 1))
	n := c.Op("Gather", []string{c.Op("Shape", []string{x}), c.Shape(0)})
	shape := c.Op("Concat", []string{n, c.Shape(1, c.width)}, onnx.Int("axis", 0))
	class := c.Op("Expand", []string{c.random(0.5, 1, 1, c.width), shape})
	x = c.Op("Concat", []string{class, x}, onnx.Int("axis", 1))
	return c.Op("Add", []string{x, c.random(0.5, 1, 197, c.width)})
}

func (c clip) norm(x string) string {
	ones, zeros := make([]float32, c.width), make([]float32, c.width)
	for i := range ones {
		ones[i] = 1
	}
	return c.Op("LayerNormalization", []string{x, c.ConstF32(ones, c.width), c.ConstF32(zeros, c.width)}, onnx.Float("epsilon", 1e-5))
}

func (c clip) dense(x string, in, out int64) string {
	return c.Op("Add", []string{c.Op("MatMul", []string{x, c.random(1/math.Sqrt(float64(in)), in, out)}), c.random(0.1, out)})
}

func (c clip) quickGELU(x string) string {
	return c.Op("Mul", []string{x, c.Op("Sigmoid", []string{c.Op("Mul", []string{x, c.Scalar(1.702)})})})
}

// attention is softmax(QKᵀ/8)V for every head of 64 channels, and the product behind it.
func (c clip) attention(x string) string {
	heads := func(perm ...int64) string {
		y := c.Op("Reshape", []string{c.dense(x, c.width, c.width), c.Shape(0, 0, c.width/64, 64)})
		return c.Op("Transpose", []string{y}, onnx.Ints("perm", perm...))
	}
	q, k, v := heads(0, 2, 1, 3), heads(0, 2, 3, 1), heads(0, 2, 1, 3)
	scores := c.Op("Mul", []string{c.Op("MatMul", []string{q, k}), c.Scalar(0.125)})
	y := c.Op("MatMul", []string{c.Op("Softmax", []string{scores}, onnx.Int("axis", -1)), v})
	y = c.Op("Reshape", []string{c.Op("Transpose", []string{y}, onnx.Ints("perm", 0, 2, 1, 3)), c.Shape(0, 0, c.width)})
	return c.dense(y, c.width, c.width)
}
