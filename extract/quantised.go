package extract

import (
	"strings"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
)

// rounding is how an integer tensor stands for numbers: scale · (x − zero).
type rounding struct{ scale, zero string } // names of tensors; zero may be ""

// Operators that hand integers on as they are.
var passing = words("Reshape Transpose MaxPool Flatten Squeeze Unsqueeze Slice Split Gather Concat Identity Pad Expand DepthToSpace SpaceToDepth Resize")

// Where an operator with integer outputs keeps its output's scale among its inputs; the zero point follows.
var scaleAt = map[string]int{
	"QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6, "QLinearAdd": 6, "QLinearMul": 6, "QLinearConcat": 0, "QGemm": 7, "QLinearWhere": 7,
	"QLinearAveragePool": 3, "QLinearGlobalAveragePool": 3, "QLinearSigmoid": 3, "QLinearLeakyRelu": 3, "QLinearSoftmax": 3, "QLinearReduceMean": 3,
}

// roundings finds, for every integer tensor of a network whose operators work on integers, what its numbers
// stand for. Tensors that aren't listed are numbers themselves.
func roundings(nodes []*onnx.Node) map[string]rounding {
	known := map[string]rounding{}
	for _, n := range sortNodes(nodes) {
		if at, ok := scaleAt[n.Op]; ok && len(n.Inputs) > at && len(n.Outputs) > 0 {
			r := rounding{scale: n.Inputs[at]}
			if len(n.Inputs) > at+1 {
				r.zero = n.Inputs[at+1]
			}
			known[n.Outputs[0]] = r
			continue
		}
		if !passing[n.Op] && !strings.HasSuffix(n.Op, "MaxPool") || len(n.Inputs) == 0 {
			continue
		}
		if r, ok := known[n.Inputs[0]]; ok {
			for _, o := range n.Outputs {
				known[o] = r
			}
		}
	}
	return known
}

// numbers adds the nodes that read a tensor of the network as float32.
func (n *Network) numbers(b *onnx.Builder, tensor string) string {
	x := tensor
	if strings.HasPrefix(tensor, inner) {
		nodes, _ := n.leadingTo(tensor)
		for _, node := range nodes {
			b.Copy(node)
		}
	}
	if r, ok := n.rounded[tensor]; ok {
		inputs := []string{tensor, r.scale}
		if r.zero != "" {
			inputs = append(inputs, r.zero)
		}
		x = b.Op("DequantizeLinear", inputs)
	}
	return b.Op("Cast", []string{x}, onnx.Int("to", int64(onnx.Float32))) // removed by ONNX Runtime where it changes nothing
}

// Operators whose products are of integers. QuantizeLinear stands among them because the library makes integer products of
// what lies between it and DequantizeLinear.
var integerOps = words("QuantizeLinear DynamicQuantizeLinear DynamicQuantizeMatMul ConvInteger MatMulInteger MatMulNBits QLinearConv QLinearMatMul QGemm")

// precision is the narrowest type that the network's products are made of, as far as the file decides: its operators, else
// its weights. CPUs compute binary16 in float32.
func (n *Network) precision() string {
	narrow := "float32"
	for _, t := range n.Model.Graph.Initializers {
		if t.Type == onnx.Float16 || t.Type == onnx.BFloat16 {
			narrow = t.Type.String()
		}
	}
	for _, node := range n.Model.Graph.Nodes {
		if integerOps[node.Op] {
			narrow = "int8"
		}
	}
	if n.device == ort.CUDA && narrow == "float32" {
		return "float32, without TF32"
	}
	return narrow
}

// provider is the library's name of what the network runs on.
func (n *Network) provider() string {
	if n.device == ort.CUDA {
		return "CUDAExecutionProvider"
	}
	return "CPUExecutionProvider"
}
