//go:build cgo

package ort

import (
	"fmt"

	yalue "github.com/yalue/onnxruntime_go"
)

// This file is all that the house knows of the binding; binding_nocgo.go is its counterpart for builds
// without a C compiler.

// value is a tensor as the binding holds it.
type value = yalue.Value

// load loads the library and makes the process's environment. Its log goes to stderr, where only errors
// belong that no Go error carries; a session's own errors all come back, so sessions log nothing.
func load(path string) error {
	yalue.SetSharedLibraryPath(path)
	return yalue.InitializeEnvironment(yalue.WithLogLevelError())
}

func unload() error { return yalue.DestroyEnvironment() }

func newValue[T float32 | float64 | int64 | uint8](data []T, dims []int64) (value, error) {
	return yalue.NewTensor(yalue.Shape(dims), data)
}

// newHalf makes a float16 tensor, for which the binding has no Go type: bytes instead.
func newHalf(data []byte, dims []int64) (value, error) {
	return yalue.NewCustomDataTensor(yalue.Shape(dims), data, yalue.TensorElementDataTypeFloat16)
}

func release(v value) { v.Destroy() }

// contents is the data and shape of a tensor that the binding allocated. It counts one byte an element
// for float16 and bfloat16, so those must come from the caller.
func contents(v value) (data any, dims []int64, err error) {
	switch t := v.(type) {
	case *yalue.Tensor[float32]:
		return t.GetData(), t.GetShape(), nil
	case *yalue.Tensor[int64]:
		return t.GetData(), t.GetShape(), nil
	case *yalue.Tensor[uint8]:
		return t.GetData(), t.GetShape(), nil
	}
	return nil, nil, fmt.Errorf("output of %T: give a tensor of your own", v)
}

// handle is an open session and the run options through which it is stopped.
type handle struct {
	session *yalue.DynamicAdvancedSession
	options *yalue.RunOptions
}

// openHandle opens a graph from bytes, or from path where model is nil.
func openHandle(model []byte, path string, inputs, outputs []string, o Options) (*handle, error) {
	so, err := sessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer so.Destroy()
	h := &handle{}
	if h.options, err = yalue.NewRunOptions(); err != nil {
		return nil, err
	}
	if model != nil {
		h.session, err = yalue.NewDynamicAdvancedSessionWithONNXData(model, inputs, outputs, so)
	} else {
		h.session, err = yalue.NewDynamicAdvancedSession(path, inputs, outputs, so)
	}
	if err != nil {
		h.options.Destroy()
		return nil, err
	}
	return h, nil
}

func sessionOptions(o Options) (*yalue.SessionOptions, error) {
	so, err := yalue.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	if err := setOptions(so, o); err != nil {
		so.Destroy()
		return nil, err
	}
	return so, nil
}

func setOptions(so *yalue.SessionOptions, o Options) error {
	steps := []func() error{
		func() error { return so.SetIntraOpNumThreads(Threads(o.Threads)) },
		func() error { return so.SetInterOpNumThreads(1) },
		func() error { return so.SetExecutionMode(yalue.ExecutionModeSequential) },
		func() error { return so.SetLogSeverityLevel(yalue.LoggingLevelFatal) },
		func() error { return so.SetCpuMemArena(!o.NoArena) },
		func() error { return so.SetMemPattern(!o.NoArena) },
		func() error { return addCUDA(so, o) },
	}
	if o.Profile != "" {
		steps = append(steps, func() error { return so.EnableProfiling(o.Profile) })
	}
	for key, v := range configEntries(o) {
		steps = append(steps, func() error { return so.AddSessionConfigEntry(key, v) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func addCUDA(so *yalue.SessionOptions, o Options) error {
	if o.Device != CUDA {
		return nil
	}
	c, err := newCUDA(o)
	if err != nil {
		return err
	}
	defer c.Destroy()
	return so.AppendExecutionProviderCUDA(c)
}

func newCUDA(o Options) (*yalue.CUDAProviderOptions, error) {
	c, err := yalue.NewCUDAProviderOptions()
	if err != nil {
		return nil, err
	}
	// The provider's library is loaded here, so a missing one shows here.
	if err := c.Update(cudaOptions(o)); err != nil {
		c.Destroy()
		return nil, err
	}
	return c, nil
}

// loadCUDA says whether the CUDA provider and all that it needs can be loaded.
func loadCUDA() error {
	c, err := newCUDA(Options{Device: CUDA})
	if err == nil {
		c.Destroy()
	}
	return err
}

// run fills nil entries of out with tensors made by the binding.
func (h *handle) run(in, out []value) error { return h.session.RunWithOptions(in, out, h.options) }

// terminate stops a running Run after its current node, and every later one until allow.
func (h *handle) terminate() { h.options.Terminate() }
func (h *handle) allow()     { h.options.UnsetTerminate() }

func (h *handle) close() {
	h.session.Destroy()
	h.options.Destroy()
}
