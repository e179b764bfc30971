package ort

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Options are a session's settings. The zero value is a good one for one big network: all cores, on the
// CPU, nothing spinning.
type Options struct {
	Name    string // what errors call the model: its path; "" is right for OpenFile
	Threads int    // threads inside an operator; 0: what Threads(0) says
	Spin    bool   // idle threads wait in a busy loop: faster for one session, but it burns the cores that decode
	Device  string // CPU (also "") or CUDA; resolve Auto with Runtime.Device first
	NoArena bool   // give memory back after each Run: smaller peaks, slower
	// ExternalFolder holds the weights of a model that keeps them in files of their own and is opened from
	// bytes; "" where there are none. OpenFile finds them beside the model by itself.
	ExternalFolder string
	// NoFallback refuses a graph of which CUDA can't run every node, instead of running those on the CPU.
	NoFallback bool
	GPUMemory  int64  // bytes that CUDA's arena may take; 0: no bound
	Profile    string // Placement.Prefix: note which provider runs each node; "": don't
}

// configEntries are the settings that ONNX Runtime takes as text. It accepts unknown keys silently.
func configEntries(o Options) map[string]string {
	entries := map[string]string{"session.intra_op.allow_spinning": "0"}
	if o.Spin {
		entries["session.intra_op.allow_spinning"] = "1"
	}
	if o.ExternalFolder != "" {
		entries["session.model_external_initializers_file_folder_path"] = o.ExternalFolder
	}
	if o.NoFallback {
		entries["session.disable_cpu_ep_fallback"] = "1"
	}
	return entries
}

// Session is one loaded graph with named inputs and outputs.
type Session struct {
	rt              *Runtime
	model           string // what the graph is called in errors
	inputs, outputs []string

	mu         sync.Mutex // one Run at a time: scratch and the stop flag are the session's
	h          *handle    // nil when closed
	in, out    []value
	watched    <-chan struct{} // Done of the context that stops this session's Runs; nil: none
	stopWatch  func() bool     // ends the watching
	terminate  func()          // stops the Run under way and then fills terminated
	terminated chan struct{}
}

// Open loads a graph from bytes, which are not needed afterwards. inputs and outputs name the graph's
// tensors in the order in which Run takes them.
func (rt *Runtime) Open(model []byte, inputs, outputs []string, o Options) (*Session, error) {
	if len(model) == 0 {
		return nil, fault.Inputf("the model is empty").In("%s", o.Name)
	}
	return rt.open(model, "", inputs, outputs, o)
}

// OpenFile is Open for a file, which ONNX Runtime maps: it needs half of the memory that Open needs.
func (rt *Runtime) OpenFile(path string, inputs, outputs []string, o Options) (*Session, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, durable.Explain(err, path)
	}
	return rt.open(nil, path, inputs, outputs, o)
}

func (rt *Runtime) open(model []byte, path string, inputs, outputs []string, o Options) (*Session, error) {
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, fault.New(fault.Bug, "a session needs inputs and outputs, got %d and %d", len(inputs), len(outputs))
	}
	if err := checkDevice(o.Device); err != nil {
		return nil, err
	}
	if err := rt.borrow(); err != nil {
		return nil, err
	}
	name := cmp.Or(o.Name, path)
	h, err := openHandle(model, path, inputs, outputs, o)
	if err != nil {
		rt.giveBack()
		return nil, rt.Explain(err, name)
	}
	s := &Session{rt: rt, model: name, h: h,
		inputs: slices.Clone(inputs), outputs: slices.Clone(outputs),
		in: make([]value, len(inputs)), out: make([]value, len(outputs)), terminated: make(chan struct{}, 1)}
	s.terminate = func() {
		h.terminate()
		s.terminated <- struct{}{}
	}
	return s, nil
}

// Run computes the outputs from the inputs, both in the order given to Open. A tensor in out is written in
// place and must have the output's type and shape; where out[i] is nil, a new one (float32, int64 or uint8
// only) is put there, for the caller to close. When ctx ends, the graph stops after the node that it is
// in, Run returns ctx.Err(), and the outputs hold nothing of use.
func (s *Session) Run(ctx context.Context, in, out []*Tensor) error {
	if len(in) != len(s.inputs) || len(out) != len(s.outputs) {
		return fault.New(fault.Bug, "Run got %d inputs and %d outputs, the session has %d and %d",
			len(in), len(out), len(s.inputs), len(s.outputs))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.gather(in, out); err != nil {
		return err
	}
	defer clear(s.in)
	defer clear(s.out)
	if err := s.runStoppable(ctx); err != nil {
		return err
	}
	// The library has the slices' addresses only, which the garbage collector does not see.
	runtime.KeepAlive(in)
	return s.adoptOutputs(out)
}

func (s *Session) gather(in, out []*Tensor) error {
	if s.h == nil {
		return fault.New(fault.Bug, "Run on a closed session")
	}
	for i, t := range in {
		if t == nil || t.held == nil {
			return fault.New(fault.Bug, "input %s is missing or closed", s.inputs[i])
		}
		s.in[i] = t.held.v
	}
	for i, t := range out {
		if t == nil {
			continue
		}
		if t.held == nil {
			return fault.New(fault.Bug, "output %s is closed", s.outputs[i])
		}
		s.out[i] = t.held.v
	}
	return nil
}

func (s *Session) runStoppable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.watch(ctx)
	err := s.h.run(s.in, s.out)
	switch {
	case err == nil: // whole, even if ctx ended meanwhile; the next Run will see that
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s.rt.Explain(err, s.model)
}

// watch stops the session's Runs when ctx ends. Most callers come with the same context thousands of times
// a second, and registering costs as much as a small Run, so a registration stays until another context
// comes. Contexts with one Done channel end together.
func (s *Session) watch(ctx context.Context) {
	done := ctx.Done()
	if done == s.watched {
		return
	}
	s.unwatch()
	if done != nil {
		s.watched, s.stopWatch = done, context.AfterFunc(ctx, s.terminate)
	}
}

// unwatch ends the registration; where the stop has been called it waits for it and takes it back.
func (s *Session) unwatch() {
	if s.watched != nil && !s.stopWatch() {
		<-s.terminated
		s.h.allow()
	}
	s.watched, s.stopWatch = nil, nil
}

func (s *Session) adoptOutputs(out []*Tensor) error {
	for i := range out {
		if out[i] != nil {
			continue
		}
		t, err := adopt(s.out[i])
		if err != nil {
			return fault.New(fault.Bug, "output %s: %w", s.outputs[i], err)
		}
		out[i] = t
	}
	runtime.KeepAlive(out)
	return nil
}

// Close frees the graph; it waits for a Run under way. Closing twice, or nil, does nothing.
func (s *Session) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.h == nil {
		return
	}
	s.unwatch()
	s.h.close()
	s.h = nil
	s.rt.giveBack()
}

// String names the session in logs.
func (s *Session) String() string {
	return fmt.Sprintf("%s(%s -> %s)", s.model, strings.Join(s.inputs, ", "), strings.Join(s.outputs, ", "))
}
