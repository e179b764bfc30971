// Package ort finds ONNX Runtime, starts it and runs graphs with it.
//
// ONNX Runtime is a shared library of Microsoft's that executes .onnx graphs. It is not part of the
// program: Find looks for it (the user's path, the cache, then pip or npm as a fetching client, then the
// copy inside the Go binding's module), Start loads it, and then
//
//	lib, err := ort.Find(ctx, ort.FromEnvironment())
//	rt, err := ort.Start(lib)                   // one library a process
//	defer rt.Close()
//	s, err := rt.Open(model, []string{"x"}, []string{"y"}, ort.Options{Threads: 1})
//	defer s.Close()
//	x, err := ort.NewF32(pixels, 1, 3, 224, 224)
//	defer x.Close()
//	y, err := ort.NewF16(half, 1, 65, 768)      // [N, tokens, channels], written in place
//	defer y.Close()
//	err = s.Run(ctx, []*ort.Tensor{x}, []*ort.Tensor{y})
//
// is the whole of its use. A Run of a small graph costs a few microseconds, a tensor less than one, so a
// training step may be made of many small Runs.
//
// # Memory
//
// A Tensor is a view of a Go slice: nothing is copied. The library keeps the slice's address from New… to
// Close, which Go's rules for C allow only for pinned memory, so the tensor pins it. Thus:
//
//   - write into the slice before a Run, read from it after; not during one;
//   - many tensors may share a slice or lie side by side in one (W[i:j] of a big weight array): make each
//     once and keep it;
//   - Close a tensor when it is done. One that is dropped unclosed is released by the garbage collector
//     some time later; memory is then held longer than needed, nothing breaks;
//   - a tensor needs a started Runtime, and may be used with every Session of the process, by several at
//     once if they only read it.
//
// # Goroutines
//
// A Session serves one Run at a time (a second waits). Sessions are independent of each other: two
// goroutines, each with its own Session of one thread, keep two cores busy.
//
// # Rooms
//
// This is the only package with cgo. binding.go and probe_unix.go are the only files that need it; built
// without it the package still finds and fetches the library, and Start says what is missing.
//
// Sources: the library's C API (onnxruntime_c_api.h, version 24, in the binding's module) and the
// documentation of github.com/yalue/onnxruntime_go v1.27.0.
package ort
