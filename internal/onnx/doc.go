// Package onnx reads an .onnx file as a graph, and writes small graphs and patches, in pure Go: no ONNX
// Runtime is needed for anything here.
//
// # The file
//
// An .onnx file is one protobuf message, ModelProto (onnx.proto of github.com/onnx/onnx, IR versions 3 to
// 14). The fields used here, with their numbers:
//
//	ModelProto      1 ir_version · 2 producer_name · 3 producer_version · 7 graph · 8 opset_import · 14 metadata_props · 25 functions
//	OperatorSetId   1 domain · 2 version
//	GraphProto      1 node · 2 name · 5 initializer · 11 input · 12 output · 13 value_info
//	NodeProto       1 input · 2 output · 3 name · 4 op_type · 5 attribute · 7 domain · 9 metadata_props
//	AttributeProto  1 name · 2 f · 3 i · 4 s · 5 t · 6 g · 7 floats · 8 ints · 9 strings · 11 graphs · 20 type · 21 ref_attr_name
//	TensorProto     1 dims · 2 data_type · 4 float_data · 5 int32_data · 7 int64_data · 8 name · 9 raw_data · 13 external_data · 14 data_location
//	ValueInfoProto  1 name · 2 type; TypeProto 1 tensor_type; Tensor 1 elem_type · 2 shape; Dimension 1 dim_value · 2 dim_param
//
// # Reading
//
// [Parse] walks the wire format over an io.ReaderAt and skips the weights, so that a model of any size
// costs milliseconds and a few megabytes. What it returns is enough to find layers and to say what a model
// needs before a runtime loads it; weights can't be had from it.
//
// # Writing
//
// A [Builder] makes a whole small model ([Builder.Model]), or a patch ([Builder.Patch]). A patch rests on a
// rule of protobuf: a second occurrence of a message field is merged into the first, repeated fields being
// appended. The bytes of a model followed by field 7 with more nodes, initialisers and outputs are therefore
// a model with those at its end, and the weights, which may be gigabytes, are never written again. All names
// that a Builder invents start with [Prefix]; a model that holds such names already can't be patched.
package onnx
