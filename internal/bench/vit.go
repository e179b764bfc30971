package bench

import (
	"bytes"
	"math"
	"math/rand/v2"

	"cortexmap/internal/onnx"
)

// The shape of ViT-B/16 (Dosovitskiy et al., ICLR 2021) at 224 pixels.
const (
	vitWidth  = 768
	vitDepth  = 12
	vitHeads  = 12
	vitPatch  = 16
	vitSide   = 224
	vitTokens = (vitSide / vitPatch) * (vitSide / vitPatch)
)

// randomViT is a ViT-B/16 with a class token and random weights as an .onnx file of opset 17, the same bytes
// for the same seed: what a network of that shape costs doesn't depend on its weights. A linear map from n
// numbers has weights of variance 1/n, so that every block adds about as much as it is given and layers differ.
func randomViT(seed uint64) []byte {
	v := &vit{Builder: onnx.NewBuilder(17), r: rand.New(rand.NewPCG(seed, 0))}
	const c = vitWidth
	v.Input("image", onnx.Float32, "N", 3, vitSide, vitSide)
	patch := v.normal(1/math.Sqrt(3*vitPatch*vitPatch), c, 3, vitPatch, vitPatch)
	x := v.Op("Conv", []string{"image", patch}, onnx.Ints("strides", vitPatch, vitPatch))
	x = v.Op("Transpose", []string{v.Op("Reshape", []string{x, v.Shape(0, c, vitTokens)})}, onnx.Ints("perm", 0, 2, 1))
	// The class token, once an image: nothing times the first patch, plus what was drawn.
	first := v.Op("Slice", []string{x, v.Shape(0), v.Shape(1), v.Shape(1)})
	class := v.op("Add", v.op("Mul", first, v.Scalar(0)), v.normal(1, 1, 1, c))
	x = v.Op("Concat", []string{class, x}, onnx.Int("axis", 1))
	x = v.norm(v.op("Add", x, v.normal(0.3, 1, vitTokens+1, c)))
	for range vitDepth {
		x = v.op("Add", x, v.attention(v.norm(x)))
		y := v.linear(v.norm(x), c, 4*c)
		y = v.op("Mul", y, v.op("Sigmoid", v.op("Mul", y, v.Scalar(1.702))))
		x = v.op("Add", x, v.linear(y, 4*c, c))
	}
	v.OpTo("tokens", "Identity", []string{v.norm(x)})
	v.Output("tokens", onnx.Float32, "N", vitTokens+1, c)
	// Names that begin with the builder's own prefix are taken for what extraction adds to a graph.
	return bytes.ReplaceAll(v.Model(), []byte(onnx.Prefix), []byte("synthetic/")) // of equal length
}

type vit struct {
	*onnx.Builder
	r *rand.Rand
}

func (v *vit) op(kind string, in ...string) string { return v.Op(kind, in) }

func (v *vit) normal(sd float64, dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(sd * v.r.NormFloat64())
	}
	return v.ConstF32(w, dims...)
}

func (v *vit) linear(x string, in, out int64) string {
	y := v.op("MatMul", x, v.normal(1/math.Sqrt(float64(in)), in, out))
	return v.op("Add", y, v.normal(0.05, out))
}

func (v *vit) norm(x string) string {
	one, zero := make([]float32, vitWidth), make([]float32, vitWidth)
	for i := range one {
		one[i] = 1
	}
	return v.op("LayerNormalization", x, v.ConstF32(one, vitWidth), v.ConstF32(zero, vitWidth))
}

func (v *vit) attention(x string) string {
	const c, per = vitWidth, vitWidth / vitHeads
	head := func(perm ...int64) string {
		y := v.op("Reshape", v.linear(x, c, c), v.Shape(0, 0, vitHeads, per))
		return v.Op("Transpose", []string{y}, onnx.Ints("perm", perm...))
	}
	q, k, val := head(0, 2, 1, 3), head(0, 2, 3, 1), head(0, 2, 1, 3)
	scores := v.op("Mul", v.op("MatMul", q, k), v.Scalar(float32(1/math.Sqrt(per))))
	y := v.op("MatMul", v.Op("Softmax", []string{scores}, onnx.Int("axis", -1)), val)
	y = v.Op("Transpose", []string{y}, onnx.Ints("perm", 0, 2, 1, 3))
	return v.linear(v.op("Reshape", y, v.Shape(0, 0, c)), c, c)
}
