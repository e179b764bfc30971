package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"cortexmap/internal/durable"
	"cortexmap/internal/subject/subjecttest"
)

// scriptCommands are what scripts may call beside testscript's own.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":     exits,
	"told":      told,
	"json":      jsonValue,
	"subject":   makeSubject,
	"algonauts": makeAlgonauts,
	"head":      head,
	"tmpfs":     tmpfs,
	"unwhole":   unwhole,
	"contents":  contents,
	"stamps":    stamps,
	"fill":      fill,
}

// exits CODE PROGRAM ARG… runs a program that must end with CODE.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s\nstdout:\n%s\nstderr:\n%s", got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// Keys, of folders and of failed tasks' records, change with every version of our numbers.
var (
	keys       = regexp.MustCompile(`-[0-9a-f]{12}\b`)
	failedTask = regexp.MustCompile(`tasks/failed/[0-9a-f]{12}\b`)
)

// layerParts: at which layer a disk is full depends on its block size.
var layerParts = regexp.MustCompile(`layer=\d\d-[^/]+/`)

// told FILE compares the whole of the last command's stderr with FILE, in which $NAME stands for the
// environment's NAME, -KEY for a folder's key and layer=LAYER for a layer's folder.
func told(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: told FILE")
	}
	got := layerParts.ReplaceAllString(keys.ReplaceAllString(ts.ReadFile("stderr"), "-KEY"), "layer=LAYER/")
	want := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	if got != want {
		ts.Fatalf("stderr is\n%s\nwant\n%s", got, want)
	}
}

// json FILE PATH VALUE looks into JSON: FILE may be a pattern, PATH is dotted, an index counts from 0, len is a list's length, and VALUE
// is compared with the value's JSON without its quotes.
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: [!] json FILE PATH VALUE")
	}
	file := args[0]
	if found, err := filepath.Glob(ts.MkAbs(file)); err == nil && len(found) == 1 {
		file = found[0]
	}
	var tree any
	if err := json.Unmarshal([]byte(ts.ReadFile(file)), &tree); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	value, err := lookUp(tree, args[1])
	if err != nil {
		ts.Fatalf("%s: %s: %v", args[0], args[1], err)
	}
	text, err := json.Marshal(value)
	ts.Check(err)
	if got := strings.Trim(string(text), `"`); (got == args[2]) == neg {
		ts.Fatalf("%s: %s is %s", args[0], args[1], got)
	}
}

func lookUp(tree any, path string) (any, error) {
	for _, step := range strings.Split(path, ".") {
		switch node := tree.(type) {
		case map[string]any:
			value, ok := node[step]
			if !ok {
				return nil, fmt.Errorf("there is no %q", step)
			}
			tree = value
		case []any:
			if step == "len" {
				tree = len(node)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(node) {
				return nil, fmt.Errorf("there is no item %q of %d", step, len(node))
			}
			tree = node[i]
		default:
			return nil, fmt.Errorf("there is nothing below %q", step)
		}
	}
	return tree, nil
}

// subject DIR PICTURES WINDOWS UNITS POSITIONS writes a subject of package subjecttest.
func makeSubject(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: subject DIR PICTURES WINDOWS UNITS csv|mask|none")
	}
	var n [3]int
	for i := range n {
		var err error
		n[i], err = strconv.Atoi(args[i+1])
		ts.Check(err)
	}
	ts.Check(subjecttest.Small{Pictures: n[0], Windows: n[1], Units: n[2], Positions: args[4]}.Write(ts.MkAbs(args[0])))
}

// algonauts DIR writes a small subject of the Algonauts challenge.
func makeAlgonauts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: algonauts DIR")
	}
	a := subjecttest.Algonauts{Pictures: 24, Test: 3, LH: []int32{0, 7, 11, 200, 10241, 10242, 163841}, RH: []int32{1, 2, 3, 4, 5, 6, 40962, 99999, 163840}}
	ts.Check(a.Write(ts.MkAbs(args[0])))
}

// head FILE BYTES TO copies the beginning of a file.
func head(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: head FILE BYTES TO")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), data[:n], 0o666))
}

// tmpfs DIR OPTIONS mounts a small file system in memory until the script ends.
func tmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR OPTIONS")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(exec.Command("mount", "-t", "tmpfs", "-o", args[1], "tmpfs", dir).Run())
	ts.Defer(func() { _ = exec.Command("umount", dir).Run() }) // the machine's, not the test's, if that fails
}

// fill DIR ROOM writes DIR/ballast until ROOM KiB are left on DIR's file system.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fill DIR ROOM")
	}
	room, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	free, err := durable.Free(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "ballast"), make([]byte, free-room<<10), 0o666))
}

// mayMount finds out by trying.
var mayMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "cortexmap-mount")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).Run() != nil {
		return false
	}
	return exec.Command("umount", dir).Run() == nil
})

// scriptCondition knows [mount]: whether this process may mount a tmpfs, and [nvidia]: whether there is
// a device of that maker.
func scriptCondition(name string) (bool, error) {
	switch name {
	case "mount":
		return mayMount(), nil
	case "nvidia":
		_, err := os.Stat("/dev/nvidiactl")
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// unwhole DIR fails on whatever a run that failed must not leave below DIR: temporary files, a task's
// folder under its final name, and a run.json that claims success.
func unwhole(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unwhole DIR")
	}
	dir := ts.MkAbs(args[0])
	for _, path := range below(ts, dir) {
		switch {
		case strings.Contains(filepath.Base(path), ".tmp"):
			ts.Fatalf("%s is left", path)
		case keys.MatchString(path) && !strings.Contains(path, ".partial"), strings.HasPrefix(path, "results/"):
			ts.Fatalf("%s lies under its final name", path)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	ts.Check(err)
	var run struct{ State string }
	ts.Check(json.Unmarshal(data, &run))
	if run.State == "done" {
		ts.Fatalf("run.json says done")
	}
}

// contents DIR TO writes the names of the files below DIR into TO, keys as -KEY.
func contents(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: contents DIR TO")
	}
	var b strings.Builder
	for _, path := range below(ts, ts.MkAbs(args[0])) {
		b.WriteString(failedTask.ReplaceAllString(keys.ReplaceAllString(path, "-KEY"), "tasks/failed/KEY") + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o666))
}

// stamps DIR TO writes names, sizes and times of the files below DIR into TO, but those that every run
// writes.
func stamps(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: stamps DIR TO")
	}
	dir := ts.MkAbs(args[0])
	var b strings.Builder
	for _, path := range below(ts, dir) {
		if path == "run.json" || path == "log.jsonl" {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, path))
		ts.Check(err)
		fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o666))
}

// below is the files below a folder, with slashes, in order; none if the folder is not there.
func below(ts *testscript.TestScript, dir string) (files []string) {
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path) // path begins with dir
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if !errors.Is(err, os.ErrNotExist) {
		ts.Check(err)
	}
	return files
}
