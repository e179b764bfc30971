package extract

import (
	"slices"
	"strings"

	"cortexmap/internal/onnx"
)

// product is what a node multiplies, or how it mixes tokens. The letters are those of a block's signature.
type product byte

const (
	none      product = 0
	spatial   product = 'C' // convolution wider than one cell
	depthwise product = 'D' // the same, each channel for itself
	pointwise product = 'c' // 1x1 convolution
	dense     product = 'm' // matrix product with a weight
	pairwise  product = 'M' // product of two activations, as in attention
	softmax   product = 'S'
	attention product = 'A' // a whole attention in one node
	pooling   product = 'P'
	recurrent product = 'R' // a recurrent network over a row of tokens
)

const products = "CDcmMSAPR"

// learned says whether numbers are multiplied by weights, or activations by each other.
func (p product) learned() bool { return p != none && p != softmax && p != pooling }

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// Operators by what they do here; those of com.microsoft come from graphs that ONNX Runtime has optimised.
var (
	activations = words("Relu LeakyRelu PRelu Clip Elu Selu Celu Tanh Sigmoid HardSigmoid HardSwish Gelu FastGelu QuickGelu BiasGelu Mish Softplus Swish ThresholdedRelu Erf")
	norms       = words("LayerNormalization SimplifiedLayerNormalization RMSNormalization")
	attentions  = words("Attention MultiHeadAttention GroupQueryAttention PackedAttention QAttention QOrderedAttention DecoderMaskedMultiHeadAttention")
	convs       = words("Conv ConvInteger FusedConv NhwcFusedConv NhwcConv ConvTranspose DeformConv")
	matrices    = words("MatMul Gemm MatMulInteger FusedMatMul FusedGemm MatMulNBits DynamicQuantizeMatMul MatMulIntegerToFloat QGemm Einsum GemmFastGelu")
	recurrences = words("LSTM GRU RNN")
	pools       = words("MaxPool AveragePool LpPool")
	enlarging   = words("Resize Upsample ConvTranspose DepthToSpace MaxUnpool")
	flattening  = words("GlobalAveragePool Flatten Gather")
)

// baseOp is the operator without the prefix of its integer form.
func baseOp(n *onnx.Node) string { return strings.TrimPrefix(n.Op, "QLinear") }

// isSum: a residual sum, also inside a fused convolution that adds its fourth input.
func isSum(n *onnx.Node) bool {
	if strings.HasSuffix(n.Op, "Conv") && n.Domain != "" && len(n.Inputs) > 3 && n.Inputs[3] != "" {
		return true
	}
	op := baseOp(n)
	return op == "Add" || op == "Sum"
}

func isConcat(n *onnx.Node) bool { return baseOp(n) == "Concat" }

// productOf classifies a node whose inputs are known to the flow.
func (f *flow) productOf(n *onnx.Node) product {
	op := baseOp(n)
	switch {
	case attentions[n.Op]:
		return attention
	case convs[op]:
		switch {
		case f.kernel(n) <= 1:
			return pointwise
		case f.separate(n):
			return depthwise
		}
		return spatial
	case op == "DFT":
		return pairwise
	case matrices[op]:
		if f.multipliesActivations(n) {
			return pairwise
		}
		return dense
	case op == "Softmax":
		return softmax
	case pools[op]:
		return pooling
	case recurrences[op]:
		return recurrent
	}
	return none
}

// kernel is a convolution's largest side, from its attribute or its weight's shape.
func (f *flow) kernel(n *onnx.Node) int64 {
	if k := n.Ints("kernel_shape"); len(k) > 0 {
		return slices.Max(k)
	}
	if len(n.Inputs) > 1 {
		if w := f.weight(n.Inputs[1]); w != nil && len(w.Dims) > 2 {
			return slices.Max(w.Dims[2:])
		}
	}
	return 0
}

// separate says whether each channel of a convolution is a group of its own.
func (f *flow) separate(n *onnx.Node) bool {
	group, weight := n.Attrs["group"], 1
	if strings.HasPrefix(n.Op, "QLinear") {
		weight = 3
	}
	if group == nil || group.I < 2 || len(n.Inputs) <= weight {
		return false
	}
	w := f.weight(n.Inputs[weight])
	return w != nil && len(w.Dims) > 0 && w.Dims[0] == group.I
}

// multipliesActivations: do both factors depend on the picture? Integer forms have scales and zero points
// among their inputs, which may depend on it without being factors.
func (f *flow) multipliesActivations(n *onnx.Node) bool {
	depends := func(i int) bool {
		if i >= len(n.Inputs) {
			return false
		}
		_, ok := f.producer[n.Inputs[i]]
		return ok
	}
	switch {
	case strings.HasPrefix(n.Op, "QLinear"):
		return depends(0) && depends(3)
	case n.Op == "Einsum":
		count := 0
		for i := range n.Inputs {
			if depends(i) {
				count++
			}
		}
		return count > 1
	}
	return depends(0) && depends(1)
}
