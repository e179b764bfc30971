package ort

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Search says where to look for the library.
type Search struct {
	// Paths that the user named: --ort-lib, CORTEXMAP_ORT_LIB, the setting ort_lib. The first given counts,
	// and if it fails that is the answer: no other place is looked at.
	Flag, Env, YAML string
	Cache           string       // folder for what is fetched; "": CORTEXMAP_CACHE, else cortexmap in the user's cache folder
	Offline         bool         // never fetch
	Log             *slog.Logger // gets one line that says what was done; nil: none
}

// FromEnvironment is a Search with what the environment names.
func FromEnvironment() Search { return Search{Env: os.Getenv("CORTEXMAP_ORT_LIB")} }

// Sources of a library, in the order in which they are tried.
const (
	FromFlag   = "flag"
	FromEnv    = "environment"
	FromYAML   = "settings"
	FromCache  = "cache"
	FromPip    = "pip"
	FromNpm    = "npm"
	FromModule = "module"
)

// Find finds the library, or fetches it: the user's path; the cache; then, unless s.Offline, pip and npm,
// which know the user's mirror, proxy and credentials; then the file that comes with the Go binding's
// module, where there is one for this platform. Fetched files are checked against pinned SHA-256 sums; one
// that differs ends the search. Every failure is a fault of class Machine, the last of which says what
// each place answered. Several processes may fetch at once: each renames a whole file into the cache.
func Find(ctx context.Context, s Search) (Library, error) {
	f := newFinder(s)
	began := time.Now()
	lib, err := f.find(ctx)
	if err != nil {
		return Library{}, err
	}
	what := fmt.Sprintf("ONNX Runtime %s from the %s", lib.Version, lib.Source)
	if lib.Source == FromPip || lib.Source == FromNpm {
		what = fmt.Sprintf("ONNX Runtime %s fetched with %s in %.1f s", lib.Version, lib.Source, time.Since(began).Seconds())
	}
	f.log.Info(what, "path", lib.Path)
	return lib, nil
}

// finder is a Search on a machine; tests give it machines of their own.
type finder struct {
	Search
	platform string
	pins     pins
	modules  []string // module caches of Go
	log      *slog.Logger
}

func newFinder(s Search) *finder {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &finder{Search: s, platform: platform, pins: platforms[platform], modules: moduleCaches(), log: log}
}

// absent is a place's answer that lets the search go on: why it has no library.
type absent struct{ why string }

func (a absent) Error() string { return a.why }

func absentf(format string, args ...any) error { return absent{fmt.Sprintf(format, args...)} }

func (f *finder) find(ctx context.Context) (Library, error) {
	if path, source := f.named(); path != "" {
		return checkNamed(path, source)
	}
	places := []struct {
		source string
		look   func(context.Context) (Library, error)
	}{
		{FromCache, f.fromCache},
		{FromPip, f.fromPip},
		{FromNpm, f.fromNpm},
		{FromModule, f.fromModule},
	}
	var tried []string
	for _, p := range places {
		if err := ctx.Err(); err != nil {
			return Library{}, err
		}
		lib, err := p.look(ctx)
		var no absent
		switch {
		case err == nil:
			lib.Source = p.source
			return lib, nil
		case ctx.Err() != nil:
			return Library{}, ctx.Err()
		case !errors.As(err, &no):
			return Library{}, err
		}
		tried = append(tried, p.source+": "+no.why)
	}
	return Library{}, fault.Machinef("no ONNX Runtime library: %s", strings.Join(tried, "; ")).Remedy("%s", f.remedy())
}

func (f *finder) remedy() string {
	path := "give a path to libonnxruntime " + Oldest + " or newer with --ort-lib"
	switch {
	case f.pins.file == "":
		return path + " (none is published for " + f.platform + ")"
	case f.Offline:
		return "run once without --offline (doctor is enough), or " + path
	}
	return "install Python's pip or npm and see to it that it reaches its registry, or " + path
}

// named is the path that the user gave, and where.
func (f *finder) named() (path, source string) {
	switch {
	case f.Flag != "":
		return f.Flag, FromFlag
	case f.Env != "":
		return f.Env, FromEnv
	case f.YAML != "":
		return f.YAML, FromYAML
	}
	return "", ""
}

var namedBy = map[string]string{FromFlag: "--ort-lib", FromEnv: "CORTEXMAP_ORT_LIB", FromYAML: "the setting ort_lib"}

// checkNamed loads what the user named, once, to learn its version.
func checkNamed(path, source string) (Library, error) {
	// The loader searches its own folders for a name without a slash; the user means a file.
	abs, err := filepath.Abs(path)
	if err != nil {
		return Library{}, fault.Machinef("%s: %w", path, err).In("%s", namedBy[source])
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Library{}, fault.Machinef("there is no ONNX Runtime library at %s", abs).In("%s", namedBy[source]).
			Remedy("correct the path, or leave it out and let cortexmap fetch the library")
	case err != nil:
		return Library{}, fault.Machinef("can't read %s: %w", abs, err).In("%s", namedBy[source])
	case info.IsDir():
		return Library{}, fault.Machinef("%s is a folder, not a library", abs).In("%s", namedBy[source]).
			Remedy("name the libonnxruntime file in it")
	}
	version, err := probe(abs)
	if err == nil {
		err = checkVersion(version, abs)
	} else {
		err = explainLoad(err, abs)
	}
	var e *fault.Error
	if errors.As(err, &e) {
		return Library{}, e.In("%s", namedBy[source])
	}
	return Library{Path: abs, Version: version, Source: source}, nil
}

// cached is the path under which a fetched library lies.
func (f *finder) cached() (string, error) {
	if f.pins.file == "" {
		return "", absentf("no library for %s", f.platform)
	}
	dir, err := CacheFolder(f.Cache)
	if err != nil {
		return "", absentf("no folder: %v", err)
	}
	return filepath.Join(dir, "onnxruntime-"+Pinned+"-"+strings.ReplaceAll(f.platform, "/", "-"), f.pins.file), nil
}

// CacheFolder is dir, or for "" CORTEXMAP_CACHE, or cortexmap in the system's user cache folder.
func CacheFolder(dir string) (string, error) {
	if dir == "" {
		dir = os.Getenv("CORTEXMAP_CACHE")
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "cortexmap")
	}
	return filepath.Abs(dir)
}

func (f *finder) fromCache(context.Context) (Library, error) {
	path, err := f.cached()
	if err != nil {
		return Library{}, err
	}
	sum, err := durable.Digest(path)
	got := fmt.Sprintf("%x", sum)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Library{}, absentf("empty (%s)", filepath.Dir(path))
	case err != nil:
		return Library{}, absentf("%v", err)
	case got != f.pins.wheelSum && got != f.pins.npmSum:
		return Library{}, absentf("%s is damaged (sha256 %s)", path, got)
	}
	return Library{Path: path, Version: Pinned}, nil
}

// fromModule takes the library that lies in the Go binding's module, if the module is on this machine.
func (f *finder) fromModule(context.Context) (Library, error) {
	if f.pins.moduleLib == "" {
		return Library{}, absentf("no library for %s", f.platform)
	}
	for _, dir := range f.modules {
		path := filepath.Join(dir, filepath.FromSlash(bindingModule)+"@"+bindingVersion, "test_data", f.pins.moduleLib)
		sum, err := durable.Digest(path)
		if err != nil {
			continue
		}
		if err := checkSum(fmt.Sprintf("%x", sum), f.pins.moduleSum, path); err != nil {
			return Library{}, err
		}
		return Library{Path: path, Version: moduleLibrary}, nil
	}
	return Library{}, absentf("%s %s is not in Go's module cache", bindingModule, bindingVersion)
}

// moduleCaches are the folders in which Go may keep modules.
func moduleCaches() []string {
	if dir := os.Getenv("GOMODCACHE"); dir != "" {
		return []string{dir}
	}
	roots := filepath.SplitList(os.Getenv("GOPATH"))
	if home, err := os.UserHomeDir(); err == nil {
		roots = append(roots, filepath.Join(home, "go"))
	}
	for i, dir := range roots {
		roots[i] = filepath.Join(dir, "pkg", "mod")
	}
	return roots
}

// checkSum refuses a file that is not the pinned one. That is never passed over: whoever changed it could
// have changed the next source as well.
func checkSum(got, want, what string) error {
	if got == want {
		return nil
	}
	return fault.Machinef("%s is not the file that cortexmap knows: sha256 %s, expected %s", what, got, want).
		Remedy("ask whoever runs your package mirror; or give a library that you trust with --ort-lib")
}
