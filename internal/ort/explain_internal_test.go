package ort

import (
	"errors"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

// TestExplainTexts holds complaints that a test can't provoke cheaply; the texts are ONNX Runtime's own.
func TestExplainTexts(t *testing.T) {
	const source = "Error creating C session: /onnxruntime_src/onnxruntime/core/graph/model.cc:181 onnxruntime::Model::Model(onnx::ModelProto&&, const logging::Logger&) "
	for _, c := range []struct {
		text, says string
		class      fault.Class
	}{
		{source + "Unsupported model IR version: 99, max supported IR version: 13",
			"the model's file format is IR version 99; this ONNX Runtime (1.27.0) knows up to 13", fault.Input},
		{"Fatal error: mmdeploy:MSDeformAttn(-1) is not a registered function/op", "operator mmdeploy:MSDeformAttn, which ONNX Runtime does not have", fault.Input},
		{source + "External data path does not exist: /data/e_ext.data", "weights in /data/e_ext.data, which is missing", fault.Input},
		{source + "External data path for model loaded from bytes escapes working directory", "outside its folder", fault.Input},
		{source + "External data path escapes model directory", "not links to them", fault.Input},
		{"ModelProto does not have a graph.", "the model has no graph", fault.Input},
		{"Invalid input name: image", "the model has no tensor image to be its input", fault.Input},
		{"std::bad_alloc", "not enough memory", fault.Machine},
		{"CUDA failure 2: out of memory ; GPU=0 ; hostname=x", "graphics card", fault.Machine},
		{"CUDA failure 700: an illegal memory access was encountered ; GPU=0", "an illegal memory access was encountered (CUDA error 700)", fault.Machine},
		{"This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.",
			"CUDA can't run every node", fault.Machine},
		{"Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file",
			"can't be loaded (libcublasLt.so.13: cannot open shared object file)", fault.Machine},
		{source + "something\nquite new", "ONNX Runtime refuses the model: something quite new", fault.Input},
	} {
		cause := errors.New(c.text)
		err := explain(cause, "m.onnx", "1.27.0")
		if !strings.Contains(err.Error(), c.says) || fault.ClassOf(err) != c.class {
			t.Errorf("%q: class %d, %v", c.text, fault.ClassOf(err), err)
		}
	}
	known := fault.Machinef("known")
	if explain(nil, "", "") != nil || explain(known, "", "") != error(known) {
		t.Error("nil and faults must come back as they are")
	}
}

// TestExplainLoad is about files that the loader refuses; the texts are glibc's and musl's.
func TestExplainLoad(t *testing.T) {
	for text, fix := range map[string]string{
		"libstdc++.so.6: cannot open shared object file: No such file or directory":                                            "libstdc++6",
		"/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.27' not found":                                                      "glibc 2.27",
		"Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /c/libonnxruntime.so.1.27.0)": "musl",
		"/c/libonnxruntime.so: invalid ELF header":                                                                             "for this machine",
		errNoAPI.Error(): "--ort-lib",
	} {
		err := explainLoad(errors.New(text), "/c/libonnxruntime.so.1.27.0")
		if fault.ClassOf(err) != fault.Machine || !strings.Contains(err.Error(), fix) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
