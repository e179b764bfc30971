package ort

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

const planet = "pluto/amd64"

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// world is a machine made up for a test: its PATH holds only the programs that the test writes, its pins
// are those of small archives.
type world struct {
	t      *testing.T
	dir    string
	wheel  []byte
	npm    []byte
	lib    []byte
	finder *finder
	said   bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the fake programs are shell scripts")
	}
	w := &world{t: t, dir: t.TempDir(), lib: []byte("a library, or so pip says")}
	npmLib := []byte("a library, or so npm says")
	w.wheel, w.npm = zipped(t, "capi/lib.so", w.lib), tarred(t, "package/lib.so", npmLib)
	for _, sub := range []string{"bin", "tmp", "home"} {
		if err := os.Mkdir(filepath.Join(w.dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(w.dir, "bin"))
	t.Setenv("TMPDIR", filepath.Join(w.dir, "tmp"))
	w.finder = &finder{
		Search:   Search{Cache: filepath.Join(w.dir, "cache")},
		platform: planet,
		pins: pins{file: "lib.so." + Pinned,
			wheelTags: []string{"pluto_1", "pluto_2"}, wheel: sum(w.wheel), wheelLib: "capi/lib.so", wheelSum: sum(w.lib),
			tarball: sum(w.npm), npmLib: "package/lib.so", npmSum: sum(npmLib)},
		log: slog.New(slog.NewTextHandler(&w.said, nil)),
	}
	return w
}

// program puts a shell script on PATH. $dir is the folder that it shall download to, $args its arguments;
// it leaves a line in the file calls.
func (w *world) program(name, script string) {
	const head = `#!/bin/sh
PATH=/usr/bin:/bin
args="$*"
echo "$(basename "$0") $args" >> "$WORLD/calls"
while [ $# -gt 0 ]; do
	case "$1" in -d|--pack-destination) dir="$2" ;; esac
	shift
done
`
	w.t.Setenv("WORLD", w.dir)
	w.write("bin/"+name, []byte(head+script+"\n"))
}

func (w *world) write(name string, data []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, data, 0o777)); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) calls() string {
	data, _ := os.ReadFile(filepath.Join(w.dir, "calls"))
	return string(data)
}

// litter lists what lies in the temporary folder and, besides whole libraries, in the cache.
func (w *world) litter() []string {
	var names []string
	for _, pattern := range []string{"tmp/*", "cache/*/.*", "cache/*/*.tmp*"} {
		found, _ := filepath.Glob(filepath.Join(w.dir, pattern))
		names = append(names, found...)
	}
	return names
}

func zipped(t *testing.T, name string, data []byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t *testing.T, name string, data []byte) []byte {
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	z := tar.NewWriter(g)
	err := errors.Join(z.WriteHeader(&tar.Header{Name: "package/package.json", Mode: 0o666}),
		z.WriteHeader(&tar.Header{Name: name, Mode: 0o666, Size: int64(len(data))}))
	if err == nil {
		_, err = z.Write(data)
	}
	if err := errors.Join(err, z.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What the fake programs do. The texts are those of pip 23 and npm 10.
const (
	pipGives = `cp "$WORLD/wheel" "$dir/onnxruntime-1.27.0-cp312-cp312-pluto.whl"`
	pipNone  = `echo "ERROR: Could not find a version that satisfies the requirement onnxruntime==1.27.0 (from versions: none)
ERROR: No matching distribution found for onnxruntime==1.27.0" >&2; exit 1`
	pipOlder = `echo "ERROR: Could not find a version that satisfies the requirement onnxruntime==1.27.0 (from versions: 1.20.0, 1.20.1)" >&2; exit 1`
	pipWrong = `echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1`
	noPip    = `echo "/usr/bin/python3: No module named pip" >&2; exit 1`
	pipOdd   = `echo "WARNING: be warned
ERROR: the moon is in the wrong phase" >&2; exit 1`
	npmGives = `cp "$WORLD/npm" "$dir/onnxruntime-node-1.27.0.tgz"; echo "[]"`
	npmNone  = `echo "npm error code ECONNREFUSED" >&2; exit 1`
	npmOdd   = `echo "npm error code EODD"; printf '{\n  "error": {"code": "EODD", "summary": "an odd error"}\n}\n'; exit 1`
	npmWrong = `echo "npm error code EINTEGRITY" >&2; exit 1`
	npm404   = `echo "npm error code E404" >&2; exit 1`
	noNode   = `echo "env: node: No such file or directory" >&2; exit 127`
)

func TestFind(t *testing.T) {
	type edit = func(*world)
	program := func(name, script string) edit { return func(w *world) { w.program(name, script) } }
	file := func(name, text string) edit { return func(w *world) { w.write(name, []byte(text)) } }
	offline := func(w *world) { w.finder.Offline = true }
	nowhere := func(w *world) { w.finder.platform, w.finder.pins = "charon/arm64", pins{} }
	const cached = "cache/onnxruntime-1.27.0-pluto-amd64/lib.so.1.27.0"
	module := func(w *world) {
		w.finder.pins.moduleLib, w.finder.pins.moduleSum = "pluto.so", sum([]byte("old but good"))
		w.finder.modules = []string{filepath.Join(w.dir, "none"), filepath.Join(w.dir, "mod")}
		w.write("mod/github.com/yalue/onnxruntime_go@v1.27.0/test_data/pluto.so", []byte("old but good"))
	}
	cases := []struct {
		name   string
		world  []edit
		source string   // where the library came from, or
		fails  []string // what the fault says
		calls  int      // of package managers
	}{
		{"cached", []edit{file(cached, "a library, or so pip says")}, FromCache, nil, 0},
		{"cached from npm, offline", []edit{file(cached, "a library, or so npm says"), offline}, FromCache, nil, 0},
		{"damaged cache is fetched anew", []edit{file(cached, "a libr"), program("python3", pipGives)}, FromPip, nil, 1},
		{"damaged cache, offline", []edit{file(cached, "a libr"), offline}, "",
			[]string{"damaged", "pip: not asked (--offline)", "npm: not asked", "without --offline"}, 0},
		{"pip of python3", []edit{program("python3", pipGives), program("npm", npmGives)}, FromPip, nil, 1},
		{"pip of python", []edit{program("python", pipGives)}, FromPip, nil, 1},
		{"python3 without pip, but a pip", []edit{program("python3", noPip), program("pip", pipGives)}, FromPip, nil, 2},
		{"python without pip, npm", []edit{program("python3", noPip), program("npm", npmGives)}, FromNpm, nil, 2},
		{"pip reaches nothing, npm does", []edit{program("python3", pipNone), program("npm", npmGives)}, FromNpm, nil, 2},
		{"only npm", []edit{program("npm", npmGives)}, FromNpm, nil, 1},
		{"nothing there", nil, "",
			[]string{"cache: empty", "pip: not found", "npm: not found", "module: no library for pluto/amd64", "install Python's pip or npm", "--ort-lib"}, 0},
		{"nothing reached", []edit{program("python3", pipNone), program("npm", npmNone)}, "",
			[]string{"pip: could not reach its package index", "npm: could not reach its registry"}, 2},
		{"mirrors without it", []edit{program("python3", pipOlder), program("npm", npm404)}, "",
			[]string{"pip: its package index has no onnxruntime 1.27.0", "npm: its registry has no onnxruntime-node 1.27.0"}, 2},
		{"odd failures", []edit{program("python3", pipOdd), program("npm", npmOdd)}, "",
			[]string{"python3 failed: ERROR: the moon is in the wrong phase", "npm failed: an odd error"}, 2},
		{"silent failures", []edit{program("python3", "exit 3"), program("npm", noNode)}, "",
			[]string{"python3 failed: exit status 3", "npm is there, node is not"}, 2},
		{"pip leaves nothing", []edit{program("python3", "exit 0")}, "", []string{"pip: left 0 files"}, 1},
		{"pip says that the hash is wrong: final", []edit{program("python3", pipWrong), program("npm", npmGives), module}, "",
			[]string{"not the file that cortexmap knows", "mirror"}, 1},
		{"the wheel is another", []edit{program("python3", pipGives), func(w *world) { w.wheel = []byte("evil") }, program("npm", npmGives)}, "",
			[]string{"onnxruntime-1.27.0-cp312-cp312-pluto.whl from pip is not the file", sum([]byte("evil"))}, 1},
		{"the library inside is another", []edit{program("python3", pipGives), func(w *world) { w.finder.pins.wheelSum = sum(nil) }}, "",
			[]string{"capi/lib.so is not the file"}, 1},
		{"the wheel has no library", []edit{program("python3", pipGives), func(w *world) { w.finder.pins.wheelLib = "capi/other.so" }}, "",
			[]string{"can't unpack"}, 1},
		{"npm says that the hash is wrong: final", []edit{program("npm", npmWrong), module}, "", []string{"npm was given"}, 1},
		{"the tarball is another", []edit{program("npm", npmGives), func(w *world) { w.npm = []byte("evil") }}, "",
			[]string{"onnxruntime-node-1.27.0.tgz from npm is not the file"}, 1},
		{"the tarball has no library", []edit{program("npm", npmGives), func(w *world) { w.finder.pins.npmLib = "package/other.so" }}, "",
			[]string{"can't unpack"}, 1},
		{"the cache can't be made", []edit{file("cache", "a file"), program("python3", pipGives)}, "",
			[]string{"pip: the cache can't be written"}, 0},
		{"the module has one", []edit{module}, FromModule, nil, 0},
		{"the module has one, offline", []edit{module, offline}, FromModule, nil, 0},
		{"the module has another", []edit{module, func(w *world) { w.finder.pins.moduleSum = sum(nil) }}, "",
			[]string{"pluto.so is not the file"}, 0},
		{"the module is not there", []edit{module, func(w *world) { w.finder.modules = nil }}, "",
			[]string{"module: github.com/yalue/onnxruntime_go v1.27.0 is not in Go's module cache"}, 0},
		{"no build for this system", []edit{nowhere, program("python3", pipGives), program("npm", npmGives)}, "",
			[]string{"pip: no library for charon/arm64", "none is published for charon/arm64"}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, edit := range c.world {
				edit(w)
			}
			w.write("wheel", w.wheel)
			w.write("npm", w.npm)
			lib, err := w.finder.find(t.Context())
			if n := strings.Count(w.calls(), "\n"); n != c.calls {
				t.Errorf("%d calls of package managers, want %d:\n%s", n, c.calls, w.calls())
			}
			if l := w.litter(); len(l) > 0 {
				t.Errorf("left behind: %v", l)
			}
			if c.fails != nil {
				checkFault(t, err, c.fails...)
				if _, err := w.finder.fromCache(t.Context()); err == nil {
					t.Error("something was put into the cache")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(lib.Path); lib.Source != c.source || err != nil {
				t.Errorf("got %+v, %v", lib, err)
			}
		})
	}
}

// checkFault wants a fault of class Machine that says all of texts.
func checkFault(t *testing.T, err error, texts ...string) {
	t.Helper()
	if fault.ClassOf(err) != fault.Machine || err == nil {
		t.Fatalf("got %v, want a fault of the machine", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is missing in: %v", text, err)
		}
	}
}

func TestPipIsAskedForThisPlatformsWheel(t *testing.T) {
	w := newWorld(t)
	w.program("python3", `cat "$dir/requirements.txt" >> "$WORLD/calls"; pwd >> "$WORLD/calls"; `+pipGives)
	w.write("wheel", w.wheel)
	if _, err := w.finder.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"-m pip download -q --no-deps --only-binary=:all: --require-hashes",
		"--python-version 3.12 --implementation cp --abi cp312 --platform pluto_1 --platform pluto_2",
		"onnxruntime==1.27.0 --hash=sha256:" + w.finder.pins.wheel,
		filepath.Join(w.dir, "tmp", "cortexmap-fetch-"), // not the user's folder, where a pip.py may lie
	} {
		if !strings.Contains(w.calls(), want) {
			t.Errorf("%q is missing in:\n%s", want, w.calls())
		}
	}
}

func TestFetchersAtOnce(t *testing.T) {
	w := newWorld(t)
	w.program("python3", pipGives)
	w.write("wheel", w.wheel)
	var wg sync.WaitGroup
	for range 8 {
		f := *w.finder
		wg.Go(func() {
			lib, err := f.find(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if data, err := os.ReadFile(lib.Path); !bytes.Equal(data, w.lib) {
				t.Errorf("%s: %q, %v", lib.Source, data, err)
			}
		})
	}
	wg.Wait()
	if l := w.litter(); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

func TestCancelWhileFetching(t *testing.T) {
	w := newWorld(t)
	w.program("python3", `touch "$WORLD/began"; exec sleep 600`)
	w.program("npm", npmGives)
	w.write("npm", w.npm)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !durable.Exists(filepath.Join(w.dir, "began")) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := w.finder.find(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if l := w.litter(); len(l) > 0 || strings.Contains(w.calls(), "npm") {
		t.Errorf("left behind: %v; calls:\n%s", l, w.calls())
	}
}

// TestNamedPathIsFinal has a good cache and a good pip, which must not be looked at.
func TestNamedPathIsFinal(t *testing.T) {
	w := newWorld(t)
	w.program("python3", pipGives)
	w.write("wheel", w.wheel)
	if _, err := w.finder.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(w.dir, "calls"))
	text := w.write("libonnxruntime.so", []byte("this is text"))
	python := w.write("onnxruntime_pybind11_state.so", []byte("this is text"))
	cases := []struct {
		name   string
		search Search
		says   []string
	}{
		{"flag before all others", Search{Flag: "/no/such/lib.so", Env: text, YAML: text}, []string{"/no/such/lib.so", "--ort-lib"}},
		{"environment before settings", Search{Env: "/no/such/lib.so", YAML: text}, []string{"/no/such/lib.so", "CORTEXMAP_ORT_LIB"}},
		{"settings", Search{YAML: "/no/such/lib.so"}, []string{"/no/such/lib.so", "the setting ort_lib"}},
		{"a folder", Search{Flag: w.dir}, []string{"is a folder", "name the libonnxruntime file in it"}},
		{"a text file", Search{Flag: text}, []string{"can't load ONNX Runtime from " + text, "for this machine"}},
		{"below a file", Search{Flag: text + "/x.so"}, []string{"can't read"}},
		{"Python's module", Search{Env: python}, []string{"Python's module"}},
	}
	for _, c := range cases {
		c.search.Cache = w.finder.Cache
		w.finder.Search = c.search
		_, err := w.finder.find(t.Context())
		t.Run(c.name, func(t *testing.T) { checkFault(t, err, c.says...) })
	}
	if w.calls() != "" {
		t.Errorf("package managers were asked:\n%s", w.calls())
	}
}

// TestNamedLibrariesOfOtherKinds compiles small libraries with the C compiler that cgo needs anyway.
func TestNamedLibrariesOfOtherKinds(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("no cc here")
	}
	const old = `static const char *version(void) { return "1.23.2"; }
static struct { void *get; const char *(*version)(void); } base = { 0, version };
void *OrtGetApiBase(void) { return &base; }`
	dir := t.TempDir()
	for name, c := range map[string]struct {
		source string
		says   []string
	}{
		"old":   {old, []string{"ONNX Runtime 1.23.2 at ", "too old", "1.24"}},
		"other": {"int answer(void) { return 42; }", []string{"OrtGetApiBase"}},
	} {
		t.Run(name, func(t *testing.T) {
			source, lib := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".so")
			if err := os.WriteFile(source, []byte(c.source), 0o666); err != nil {
				t.Fatal(err)
			}
			if said, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, source).CombinedOutput(); err != nil {
				t.Skipf("cc: %v: %s", err, said)
			}
			_, err := Find(t.Context(), Search{Flag: lib})
			checkFault(t, err, append(c.says, lib, "--ort-lib")...)
			_, err = Start(Library{Path: lib})
			if err == nil {
				t.Error("it was started")
			}
		})
	}
}

// TestFetchForReal fetches the real library as a user's first run does.
func TestFetchForReal(t *testing.T) {
	var said bytes.Buffer
	cache := t.TempDir()
	f := newFinder(Search{Cache: cache})
	if os.Getenv("CORTEXMAP_LONG") == "" {
		f.pins.tarball = "" // 101 MB from npm only when there is time
	}
	lib, err := f.find(t.Context())
	var e *fault.Error
	switch {
	case errors.As(err, &e) && strings.HasPrefix(e.What, "no ONNX Runtime library"):
		t.Skipf("the library can't be fetched here: %v", err)
	case err != nil:
		t.Fatal(err)
	case lib.Source == FromModule:
		t.Skip("neither pip nor npm can fetch the library here")
	}
	log := slog.New(slog.NewTextHandler(&said, nil))
	again, err := Find(t.Context(), Search{Cache: cache, Offline: true, Log: log})
	if err != nil || again.Source != FromCache || again.Path != lib.Path || again.Version != Pinned {
		t.Errorf("afterwards: %+v, %v", again, err)
	}
	if line := said.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "ONNX Runtime 1.27.0 from the cache") {
		t.Errorf("it said:\n%s", line)
	}
}

// TestFetchWithNpmForReal takes 101 MB.
func TestFetchWithNpmForReal(t *testing.T) {
	if os.Getenv("CORTEXMAP_LONG") == "" {
		t.Skip("long: runs with CORTEXMAP_LONG=1")
	}
	f := newFinder(Search{Cache: t.TempDir()})
	lib, err := f.fromNpm(t.Context())
	var no absent
	if errors.As(err, &no) {
		t.Skipf("npm can't fetch the library here: %v", err)
	}
	if err != nil || !durable.Exists(lib.Path) {
		t.Errorf("got %+v, %v", lib, err)
	}
}

func TestCacheFolder(t *testing.T) {
	t.Setenv("CORTEXMAP_CACHE", "/from/environment")
	for dir, want := range map[string]string{"/given": "/given", "": "/from/environment"} {
		if got, err := CacheFolder(dir); err != nil || filepath.ToSlash(got) != want {
			t.Errorf("CacheFolder(%q) = %q, %v", dir, got, err)
		}
	}
	t.Setenv("CORTEXMAP_CACHE", "")
	if got, err := CacheFolder(""); err == nil && filepath.Base(got) != "cortexmap" {
		t.Errorf("default %q", got)
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1.23.2", "1.24", true}, {"1.24.0", "1.24", false}, {"1.24", "1.24", false}, {"1.3", "1.24", true},
		{"1.27.0-dev", "1.27", false}, {"2.0", "1.24", false}, {"", "1.24", true}, {"1", "1.24", true}, {"1.32.0", "1.27.0", false},
	} {
		if older(c.a, c.b) != c.want {
			t.Errorf("older(%q, %q) = %v", c.a, c.b, !c.want)
		}
	}
}

// TestPinsAreWhole guards against a pin lost in editing: each platform has what its sources need.
func TestPinsAreWhole(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil || !strings.Contains(string(mod), bindingModule+" "+bindingVersion) {
		t.Errorf("go.mod does not have the binding at %s, whose test_data is pinned: %v", bindingVersion, err)
	}
	for name, p := range platforms {
		for what, s := range map[string]string{"wheel": p.wheel, "wheel's library": p.wheelSum} {
			if len(s) != 64 {
				t.Errorf("%s: %s has sum %q", name, what, s)
			}
		}
		if (p.tarball == "") != (p.npmLib == "") || (p.npmLib == "") != (p.npmSum == "") || (p.moduleLib == "") != (p.moduleSum == "") {
			t.Errorf("%s: a pin is missing: %+v", name, p)
		}
	}
}
