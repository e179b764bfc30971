package ort

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"cortexmap/internal/fault"
)

// Levels of a Check.
const (
	OK      = "ok"
	Warning = "warning"
	Fault   = "fault"
)

// Check is one finding about the machine.
type Check struct {
	ID     string `json:"id"`    // a stable word
	Level  string `json:"level"` // OK, Warning or Fault
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// Doctor says how this machine stands with ONNX Runtime: the library (looked for, and unless s.Offline
// fetched, as a run would do it, so that a machine on which Doctor is content can run offline), its
// version, and the providers. It stops at the first fault, since the rest depends on it.
func Doctor(ctx context.Context, s Search) []Check {
	lib, err := Find(ctx, s)
	if err != nil {
		return []Check{failed("onnxruntime-library", err)}
	}
	checks := []Check{{ID: "onnxruntime-library", Level: OK, Found: lib.Path + " (from the " + lib.Source + ")"}}
	rt, err := Start(lib)
	if err != nil {
		return append(checks, failed("onnxruntime-version", err))
	}
	defer rt.Close()
	return append(checks, rt.checkVersion(), rt.checkProvider())
}

func failed(id string, err error) Check {
	var e *fault.Error
	if !errors.As(err, &e) {
		return Check{ID: id, Level: Fault, Found: err.Error()}
	}
	found := e.What
	if e.At != "" {
		found += " (" + e.At + ")"
	}
	return Check{ID: id, Level: Fault, Found: found, Remedy: e.Fix}
}

func (rt *Runtime) checkVersion() Check {
	c := Check{ID: "onnxruntime-version", Level: OK, Found: rt.Version()}
	if older(rt.Version(), Pinned) {
		c.Level = Warning
		c.Found += ", older than " + Pinned + ", with which cortexmap is tested"
		c.Remedy = "models of the newest opsets need a newer library: name one with --ort-lib"
	}
	return c
}

// checkProvider warns only where CUDA's provider lies beside the library and can't be loaded: on other
// machines the CPU is what was meant.
func (rt *Runtime) checkProvider() Check {
	c := Check{ID: "onnxruntime-provider", Level: OK}
	err := loadCUDA()
	if err == nil {
		c.Found = "cuda, cpu"
		return c
	}
	c.Found = "cpu; " + cudaReason(err)
	here := filepath.Dir(rt.lib.Path)
	for _, name := range []string{"libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"} {
		if _, err := os.Stat(filepath.Join(here, name)); err == nil {
			c.Level = Warning
			c.Remedy = "put CUDA 13 and cuDNN 9 on the loader's path (LD_LIBRARY_PATH), and check the driver with nvidia-smi"
		}
	}
	return c
}
