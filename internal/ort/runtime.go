package ort

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"

	"cortexmap/internal/fault"
)

// Oldest is the oldest version of ONNX Runtime that the binding accepts: it asks for C API 24.
const Oldest = "1.24"

var errNoAPI = errors.New("it has no function OrtGetApiBase")

// Library is an ONNX Runtime library that was found.
type Library struct {
	Path    string
	Version string // such as 1.27.0; "" where it could not be told
	Source  string // flag, environment, settings, cache, pip, npm or module
}

// Runtime is the loaded library.
type Runtime struct {
	lib Library
}

// started is what the process has loaded. The library can be loaded once a process, so this is the
// process's state and not ours: Start and Close only count who uses it.
var started struct {
	sync.Mutex
	lib             Library
	users, sessions int
}

// Start loads a library. A second Start of the same library shares it; one of another library, and of one
// that is too old or can't be loaded, fails.
func Start(lib Library) (*Runtime, error) {
	started.Lock()
	defer started.Unlock()
	if started.users > 0 {
		if lib.Path != started.lib.Path {
			return nil, fault.New(fault.Bug, "ONNX Runtime at %s is loaded already, %s can't be", started.lib.Path, lib.Path)
		}
		started.users++
		return &Runtime{lib: started.lib}, nil
	}
	version, err := probe(lib.Path)
	if err != nil {
		return nil, explainLoad(err, lib.Path)
	}
	if err := checkVersion(version, lib.Path); err != nil {
		return nil, err
	}
	if err := load(lib.Path); err != nil {
		return nil, explainLoad(err, lib.Path)
	}
	lib.Version = version
	started.lib, started.users = lib, 1
	return &Runtime{lib: lib}, nil
}

// Library is what was loaded.
func (rt *Runtime) Library() Library { return rt.lib }

// Version is the library's own, such as "1.27.0".
func (rt *Runtime) Version() string { return rt.lib.Version }

// Close gives the library back; the last Close of the process unloads it. Sessions must be closed before.
func (rt *Runtime) Close() error {
	started.Lock()
	defer started.Unlock()
	if rt.lib.Path == "" {
		return nil
	}
	if started.users == 1 && started.sessions > 0 {
		return fault.New(fault.Bug, "ONNX Runtime can't be unloaded: %d sessions are open", started.sessions)
	}
	rt.lib = Library{}
	if started.users--; started.users == 0 {
		return unload()
	}
	return nil
}

// borrow counts an open session.
func (rt *Runtime) borrow() error {
	started.Lock()
	defer started.Unlock()
	if rt.lib.Path == "" {
		return fault.New(fault.Bug, "ONNX Runtime was closed")
	}
	started.sessions++
	return nil
}

func (rt *Runtime) giveBack() {
	started.Lock()
	defer started.Unlock()
	started.sessions--
}

func checkVersion(version, path string) error {
	if older(version, Oldest) {
		return fault.Machinef("ONNX Runtime %s at %s is too old: %s or newer is needed", version, path, Oldest).
			Remedy("name a newer library with --ort-lib, or leave it out and let cortexmap fetch %s", Pinned)
	}
	return nil
}

// explainLoad says why a file can't be loaded as ONNX Runtime.
func explainLoad(err error, path string) error {
	text := err.Error()
	e := fault.Machinef("can't load ONNX Runtime from %s: %w", path, err)
	base := filepath.Base(path)
	switch {
	case strings.Contains(text, "without cgo"):
		return e.Remedy("build it with CGO_ENABLED=1 and a C compiler (gcc or clang)")
	case strings.Contains(base, "pybind"):
		return e.Remedy("this is Python's module; name the libonnxruntime file beside it")
	case strings.Contains(text, "libstdc++") || strings.Contains(text, "libgcc"):
		return e.Remedy("install the C++ standard library (package libstdc++6 or libstdc++)")
	case strings.Contains(text, "ld-linux") || strings.Contains(text, "GLIBC"):
		return e.Remedy("it is built for glibc 2.27 or newer; musl (Alpine) and older systems can't load it")
	case errors.Is(err, errNoAPI):
		return e.Remedy("name a libonnxruntime file of version %s or newer with --ort-lib", Oldest)
	}
	return e.Remedy("name a libonnxruntime file for this machine, version %s or newer, with --ort-lib", Oldest)
}
