package ort

import (
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// What a session may run on.
const (
	CPU  = "cpu"
	CUDA = "cuda"
	Auto = "auto" // CUDA where its provider loads, else CPU: Runtime.Device decides
)

func checkDevice(device string) error {
	switch device {
	case "", CPU, CUDA:
		return nil
	}
	return fault.New(fault.Bug, "a session's device is cpu or cuda, not %q", device)
}

// cudaOptions are those of CUDA's provider. TF32 would round every factor of a product to 10 bits; the
// convolution search by trial would make two runs choose different algorithms.
func cudaOptions(o Options) map[string]string {
	m := map[string]string{
		"device_id":              "0",
		"use_tf32":               "0",
		"arena_extend_strategy":  "kSameAsRequested",
		"cudnn_conv_algo_search": "HEURISTIC",
	}
	if o.GPUMemory > 0 {
		m["gpu_mem_limit"] = strconv.FormatInt(o.GPUMemory, 10)
	}
	return m
}

// Device turns the user's wish (cpu, cuda or auto; "" is auto) into a session's device and a sentence for
// the log. CUDA that was asked for and can't be had is a fault; under auto it is the sentence's reason.
func (rt *Runtime) Device(wish string) (device, note string, err error) {
	switch wish {
	case CPU:
		return CPU, "running on the CPU, as asked", nil
	case CUDA, Auto, "":
	default:
		return "", "", fault.Inputf("--device: %q is not cpu, cuda or auto", wish).Remedy("give one of them to --device, or to the YAML key device")
	}
	cause := loadCUDA()
	switch {
	case cause == nil:
		return CUDA, "running on CUDA device 0", nil
	case wish == CUDA:
		return "", "", explainCUDA(cause)
	}
	return CPU, "running on the CPU: " + cudaReason(cause), nil
}

// cudaReason is ONNX Runtime's complaint about CUDA in a few words.
func cudaReason(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "not enabled in this build"):
		return "this ONNX Runtime is a CPU build"
	case strings.Contains(text, "onnxruntime_providers_shared"): // npm's package: only the bridge to a provider
		return "this ONNX Runtime comes without CUDA's provider"
	}
	if _, missing, ok := strings.Cut(text, "with error: "); ok {
		return "CUDA's provider can't be loaded (" + strings.TrimSpace(missing) + ")"
	}
	return "CUDA's provider can't be loaded (" + text + ")"
}

func explainCUDA(err error) error {
	return fault.Machinef("CUDA was asked for but can't be used: %s", cudaReason(err)).
		Remedy("name the libonnxruntime of Python's onnxruntime-gpu package with --ort-lib, " +
			"with CUDA 13 and cuDNN 9 on the loader's path, or use --device cpu")
}
