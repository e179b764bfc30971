package ort

import (
	"regexp"
	"strings"

	"cortexmap/internal/fault"
)

// complaint is something that ONNX Runtime says about a model, and what we say instead. In what and fix,
// $1, $2… are the groups of the pattern and $V the library's version.
type complaint struct {
	class   fault.Class
	pattern *regexp.Regexp
	what    string
	fix     string
}

const (
	lowerOpset  = "export the model with a lower opset, or give a newer library with --ort-lib"
	damaged     = "the export is damaged: export the model again"
	checkImages = "check the input size in the model's card against the model"
)

// complaints are searched in order. The texts were met with ONNX Runtime 1.24 to 1.32.
var complaints = []complaint{
	{fault.Input, regexp.MustCompile(`Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)`),
		"the model uses opset $1 of $2; this ONNX Runtime ($V) knows up to $3", lowerOpset},
	{fault.Input, regexp.MustCompile(`Unsupported model IR version: (\d+), max supported IR version: (\d+)`),
		"the model's file format is IR version $1; this ONNX Runtime ($V) knows up to $2", lowerOpset},
	{fault.Input, regexp.MustCompile(`(\S+?)\(-?\d+\) is not a registered function/op`),
		"the model uses the operator $1, which ONNX Runtime does not have",
		"export the model with standard operators only"},
	{fault.Input, regexp.MustCompile(`No Op registered for (\S+) with domain_version of (\d+)`),
		"the model uses the operator $1, which opset $2 does not have",
		"the export is damaged or wrongly stamped: export the model again"},
	{fault.Input, regexp.MustCompile(`External data path does not exist: *"?([^"\n]+)`),
		"the model keeps its weights in $1, which is missing",
		"put that file beside the model"},
	{fault.Input, regexp.MustCompile(`(?:External data path|external data path).*escapes`),
		"the model keeps its weights in a file that lies outside its folder",
		"put the files themselves, not links to them, beside the model"},
	{fault.Input, regexp.MustCompile(`(?i)protobuf parsing failed`),
		"not an ONNX model, or only a part of one", "fetch or export the file again"},
	{fault.Input, regexp.MustCompile(`ModelProto does not have a graph`),
		"the model has no graph", "fetch or export the file again"},
	{fault.Input, regexp.MustCompile(`Node input '(.*)' is not a graph input, initializer, or output`),
		"the model's graph reads $1, which nothing in it makes", damaged},
	{fault.Input, regexp.MustCompile(`Type \(tensor\((\w+)\)\) of output arg \((.*?)\).*does not match expected type \(tensor\((\w+)\)\)`),
		"the model's tensor $2 is said to be $1 but is $3",
		"the export is invalid (converters to float16 make such ones): export the model again"},
	{fault.Input, regexp.MustCompile(`Got invalid dimensions for input: (\S+) for the following indices\s+index: (\d+) Got: (\d+) Expected: (\d+)`),
		"the model's input $1 has $4 in dimension $2, got $3", checkImages},
	{fault.Input, regexp.MustCompile(`Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)`),
		"the model's input $1 has $3 dimensions, got $2", checkImages},
	{fault.Input, regexp.MustCompile(`Unexpected (input|output) data type. Actual: \(tensor\((\w+)\)\) , expected: \(tensor\((\w+)\)\)`),
		"the model's $1 is $3, got $2", ""},
	{fault.Input, regexp.MustCompile(`Missing Input: (\S+)`),
		"the model has an input $1, which got no value", "give it a constant in the model's card"},
	{fault.Input, regexp.MustCompile(`(?i)Invalid (?:feed )?(input|output) name: ?(\S+)`),
		"the model has no tensor $2 to be its $1", ""},
	{fault.Bug, regexp.MustCompile(`output '(.*?)' of node .* has shape (\S+) but the computed output shape for this run is (\S+)\.`),
		"output $1 has shape $3, its tensor $2", ""},
	{fault.Bug, regexp.MustCompile(`OrtValue shape verification failed. Current shape:(\S+) Requested shape:(\S+)`),
		"an output has shape $2, its tensor $1", ""},
	{fault.Machine, regexp.MustCompile(`Failed to allocate memory for requested buffer of size (\d+)`),
		"not enough memory: ONNX Runtime needed $1 more bytes at once", "use a smaller batch, or a machine with more memory"},
	{fault.Machine, regexp.MustCompile(`bad_alloc`),
		"not enough memory for ONNX Runtime", "use a smaller batch, or a machine with more memory"},
	{fault.Machine, regexp.MustCompile(`CUDA failure 2\b|CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED`),
		"not enough memory on the graphics card", "use a smaller batch, or --device cpu"},
	{fault.Machine, regexp.MustCompile(`CUDA failure (\d+): ([^;]*?) *(?:;|$)`),
		"the graphics card failed: $2 (CUDA error $1)", "try --device cpu"},
	{fault.Machine, regexp.MustCompile(`fallback .*has been explicitly disabled`),
		"CUDA can't run every node of the model", "allow the CPU for the others, or use --device cpu"},
}

// Explain turns what the library says about the model at path ("" if it has none) into a fault, with the
// library's own words kept as the cause. nil and faults come back as they are.
func (rt *Runtime) Explain(err error, path string) error { return explain(err, path, rt.lib.Version) }

func explain(err error, path, version string) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*fault.Error); ok {
		return err
	}
	text := err.Error()
	if strings.Contains(text, "CUDA execution provider is not enabled") || strings.Contains(text, "onnxruntime_providers_") {
		return explainCUDA(err)
	}
	e := fault.New(fault.Input, "ONNX Runtime refuses the model: %s", plain(text))
	for _, c := range complaints {
		if m := c.pattern.FindStringSubmatchIndex(text); m != nil {
			what := strings.ReplaceAll(c.what, "$V", version)
			e = fault.New(c.class, "%s", c.pattern.ExpandString(nil, what, text, m))
			e.Fix = c.fix
			break
		}
	}
	e.Err = err
	if path != "" {
		e.At = path
	}
	return e
}

// The places in the library's own source that its messages begin with, and its way to name a node.
var (
	source = regexp.MustCompile(`\S*/onnxruntime/\S+:\d+ .*?\) |\S+\.(?:cc|h):\d+ |^Error (?:creating C session|running network): `)
	atNode = regexp.MustCompile(`Non-zero status code returned while running (\S+) node\. Name:'(.*?)' Status Message: `)
)

// plain is the library's message on one line, without C++.
func plain(text string) string {
	text = source.ReplaceAllString(text, "")
	text = atNode.ReplaceAllString(text, "node $2 ($1): ")
	return strings.Join(strings.Fields(text), " ")
}
