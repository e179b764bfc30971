package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Prefix starts every name that a [Builder] invents.
const Prefix = "cortexmap/"

// DType is an element type by its number in TensorProto.DataType.
type DType int32

// The element types that occur in vision networks.
const (
	Undefined DType = 0
	Float32   DType = 1
	Uint8     DType = 2
	Int8      DType = 3
	Uint16    DType = 4
	Int16     DType = 5
	Int32     DType = 6
	Int64     DType = 7
	Text      DType = 8
	Bool      DType = 9
	Float16   DType = 10
	Float64   DType = 11
	Uint32    DType = 12
	Uint64    DType = 13
	BFloat16  DType = 16
)

var dtypeNames = map[DType]string{
	Float32: "float32", Uint8: "uint8", Int8: "int8", Uint16: "uint16", Int16: "int16", Int32: "int32", Int64: "int64",
	Text: "string", Bool: "bool", Float16: "float16", Float64: "float64", Uint32: "uint32", Uint64: "uint64", BFloat16: "bfloat16",
}

// String is numpy's name of the type.
func (t DType) String() string {
	if s, ok := dtypeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type %d", int32(t))
}

// Attr is one attribute of a node to be built; see [Int], [Ints], [Float], [Floats] and [String].
type Attr struct{ bytes []byte }

// Numbers of AttributeProto.AttributeType.
const (
	attrFloat  = 1
	attrInt    = 2
	attrString = 3
	attrFloats = 6
	attrInts   = 7
)

// Int is an integer attribute.
func Int(name string, v int64) Attr {
	return attribute(name, attrInt, appendInt(nil, 3, v))
}

// Ints is a list of integers, such as a perm or kernel_shape.
func Ints(name string, v ...int64) Attr {
	var b []byte
	for _, x := range v {
		b = appendInt(b, 8, x)
	}
	return attribute(name, attrInts, b)
}

// Float is a float attribute.
func Float(name string, v float32) Attr {
	return attribute(name, attrFloat, appendFloat(nil, 2, v))
}

// String is a text attribute, such as the equation of an Einsum.
func String(name, v string) Attr {
	return attribute(name, attrString, appendString(nil, 4, v))
}

func attribute(name string, kind int64, value []byte) Attr {
	return Attr{appendInt(append(appendString(nil, 1, name), value...), 20, kind)}
}

// Builder collects nodes, constants, inputs and outputs in the order in which they are added, which must be
// one in which they can be computed. It doesn't check operators or shapes: ONNX Runtime does when it loads
// the result. A name it was never told of is taken to be one of the model that the patch is made for. The
// zero value is not usable; a Builder is not safe for concurrent use.
type Builder struct {
	opset   int64
	domains []string        // besides ai.onnx, in the order of their first use
	graph   []byte          // fields of GraphProto so far
	names   int             // invented so far
	copied  map[string]bool // outputs of nodes added by Copy
}

// NewBuilder starts an empty graph for an operator set of ai.onnx: 17 for graphs of our own, the model's
// own for a patch. The number is written by [Builder.Model] only.
func NewBuilder(opset int64) *Builder { return &Builder{opset: opset} }

// Fresh invents a name: Prefix, the stem, and a number that makes it unique in this Builder.
func (b *Builder) Fresh(stem string) string {
	b.names++
	return fmt.Sprintf("%s%s_%d", Prefix, stem, b.names)
}

// Input declares an input of the graph. A dimension is an int or int64, or a string for a symbolic one.
func (b *Builder) Input(name string, t DType, dims ...any) {
	b.graph = appendMessage(b.graph, 11, valueInfo(name, t, dims))
}

// Output makes a tensor an output of the graph. In a patch the type and dimensions may be left out
// (Undefined, none): ONNX Runtime infers them.
func (b *Builder) Output(name string, t DType, dims ...any) {
	b.graph = appendMessage(b.graph, 12, valueInfo(name, t, dims))
}

func valueInfo(name string, t DType, dims []any) []byte {
	v := appendString(nil, 1, name)
	if t == Undefined {
		return v
	}
	tensor := appendMessage(appendInt(nil, 1, int64(t)), 2, shapeProto(dims))
	return appendMessage(v, 2, appendMessage(nil, 1, tensor))
}

func shapeProto(dims []any) []byte {
	var shape []byte
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			shape = appendMessage(shape, 1, appendInt(nil, 1, int64(d)))
		case int64:
			shape = appendMessage(shape, 1, appendInt(nil, 1, d))
		case string:
			shape = appendMessage(shape, 1, appendString(nil, 2, d))
		default:
			panic(fmt.Sprintf("onnx: a dimension is an int, an int64 or a string, not %T", d))
		}
	}
	return shape
}

// Op adds a node with one output and returns that output's fresh name. An operator outside ai.onnx is
// written DOMAIN:OP, as in com.microsoft:FusedMatMul (version 1 of its domain). An empty input name leaves
// an optional input out.
func (b *Builder) Op(op string, inputs []string, attrs ...Attr) string {
	out := b.Fresh(op[strings.LastIndexByte(op, ':')+1:])
	b.OpTo(out, op, inputs, attrs...)
	return out
}

// OpTo is [Builder.Op] with an output name of the caller's choice.
func (b *Builder) OpTo(out, op string, inputs []string, attrs ...Attr) {
	b.Ops(op, inputs, []string{out}, attrs...)
}

// Ops adds a node with any number of outputs, all named by the caller; "" leaves an optional one out.
func (b *Builder) Ops(op string, inputs, outputs []string, attrs ...Attr) {
	var n []byte
	for _, s := range inputs {
		n = appendString(n, 1, s)
	}
	for _, s := range outputs {
		n = appendString(n, 2, s)
	}
	n = appendString(n, 3, b.Fresh("node"))
	domain, op, found := strings.Cut(op, ":")
	if !found {
		domain, op = "", domain
	}
	n = appendString(n, 4, op)
	for _, a := range attrs {
		n = appendMessage(n, 5, a.bytes)
	}
	if domain != "" {
		n = appendString(n, 7, domain)
		b.need(domain)
	}
	b.graph = appendMessage(b.graph, 1, n)
}

// Copy adds a node of one of the model's functions as it is, once, whatever its domain: the model must import that. It
// panics if the node is Bound.
func (b *Builder) Copy(n *Node) {
	if n.Bound {
		panic("onnx: a node that can't be copied: " + n.Op)
	}
	if b.copied == nil {
		b.copied = map[string]bool{}
	}
	if b.copied[n.Outputs[0]] {
		return
	}
	b.copied[n.Outputs[0]] = true
	var m []byte
	for _, s := range n.Inputs {
		m = appendString(m, 1, s)
	}
	for _, s := range n.Outputs {
		m = appendString(m, 2, s)
	}
	m = append(appendString(appendString(m, 3, b.Fresh("node")), 4, n.Op), n.attributes...)
	if n.Domain != "" {
		m = appendString(m, 7, n.Domain)
	}
	b.graph = appendMessage(b.graph, 1, m)
}

func (b *Builder) need(domain string) {
	for _, d := range b.domains {
		if d == domain {
			return
		}
	}
	b.domains = append(b.domains, domain)
}

// ConstF32 adds a constant and returns its fresh name. No dims make a scalar. It panics if the dims don't
// hold exactly the data, as all Const functions do.
func (b *Builder) ConstF32(data []float32, dims ...int64) string {
	raw := make([]byte, 0, 4*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return b.constant(Float32, raw, len(data), dims)
}

// ConstI64 is [Builder.ConstF32] for int64: shapes, axes and indices.
func (b *Builder) ConstI64(data []int64, dims ...int64) string {
	raw := make([]byte, 0, 8*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return b.constant(Int64, raw, len(data), dims)
}

// ConstF16 is [Builder.ConstF32] for float16, given as bits.
func (b *Builder) ConstF16(data []uint16, dims ...int64) string {
	raw := make([]byte, 0, 2*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint16(raw, x)
	}
	return b.constant(Float16, raw, len(data), dims)
}

// Scalar is a float32 constant without dimensions.
func (b *Builder) Scalar(v float32) string { return b.ConstF32([]float32{v}) }

// Shape is a constant [n] of int64, what Reshape and its kin take.
func (b *Builder) Shape(dims ...int64) string { return b.ConstI64(dims, int64(len(dims))) }

func (b *Builder) constant(t DType, raw []byte, n int, dims []int64) string {
	name := b.Fresh("const")
	elems := int64(1)
	var tensor []byte
	for _, d := range dims {
		elems *= d
		tensor = appendInt(tensor, 1, d)
	}
	if elems != int64(n) {
		panic(fmt.Sprintf("onnx: %d values for a constant of dimensions %v", n, dims))
	}
	tensor = appendString(appendInt(tensor, 2, int64(t)), 8, name)
	b.graph = appendMessage(b.graph, 5, appendMessage(tensor, 9, raw))
	return name
}

// Model is the graph as a whole ModelProto.
func (b *Builder) Model() []byte {
	m := appendInt(nil, 1, irFor(b.opset))
	m = appendString(m, 2, "cortexmap")
	m = appendMessage(m, 7, appendString(append([]byte(nil), b.graph...), 2, "graph"))
	m = appendMessage(m, 8, appendInt(appendString(nil, 1, ""), 2, b.opset))
	for _, d := range b.domains {
		m = appendMessage(m, 8, appendInt(appendString(nil, 1, d), 2, 1))
	}
	return m
}

// irFor is the oldest file format that the operator set may stand in (ONNX's docs/Versioning.md).
func irFor(opset int64) int64 {
	switch {
	case opset <= 18:
		return 8
	case opset <= 20:
		return 9
	case opset <= 22:
		return 10
	}
	return 11
}

// Patch is what to append to a model's bytes: see the package comment. It holds plain ai.onnx operators
// only; Patch panics if others were added, since the model may not import their domain.
func (b *Builder) Patch() []byte {
	if len(b.domains) > 0 {
		panic("onnx: a patch with operators of " + b.domains[0])
	}
	return appendMessage(nil, 7, b.graph)
}

func appendMessage(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendFloat(b []byte, field protowire.Number, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), math.Float32bits(v))
}
