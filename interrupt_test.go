package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cortexmap/internal/subject/subjecttest"
)

// patience is how long a command that was told to stop may take before it counts as hanging. What was
// promised, two seconds, is not asserted: on a busy machine it would fail for no fault of ours.
const patience = 30 * time.Second

// stopped is a run that is to be stopped and taken up again: two parts of tokens, then a fit.
type stopped struct {
	t    *testing.T
	dir  string   // with the subject's folder brain
	args []string // of the command, but for --out
	want string   // the folder of a run that was left alone
	took time.Duration
}

// TestStopped stops runs in every way and takes them up again: nothing half-written is ever found under
// a final name, finished parts are kept, and in the end all is as if the run had been left alone.
func TestStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a small network six times")
	}
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	s := &stopped{t: t, dir: t.TempDir(), want: "undisturbed"}
	brain := subjecttest.Small{Pictures: 25, Windows: 56, Units: 24, Positions: "csv"}
	if err := brain.Write(filepath.Join(s.dir, "brain")); err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s.args = []string{"run", filepath.Join(root, "testdata", "onnx", "vit.dyn.onnx"), "--set", "subjects=[brain]"}
	begun := time.Now()
	s.finish(s.want)
	s.took = time.Since(begun)
	t.Run("interrupt", func(t *testing.T) { s.t = t; s.interrupt() })
	t.Run("kill", func(t *testing.T) { s.t = t; s.kill() })
}

// interrupt sends SIGINT during extraction, between its two parts, and again during the fit.
func (s *stopped) interrupt() {
	const out = "interrupted"
	part := "features/vit.dyn-small-*.partial/layer=05-encoder_layer_5/part-00000.parquet"
	run := s.start(out)
	run.until(func() bool { return len(s.glob(out, part)) == 1 })
	run.interrupt("extraction")
	parts := s.glob(out, part)
	if len(parts) != 1 || len(s.glob(out, "features/*[0-9a-f]")) > 0 {
		s.t.Fatalf("after the interruption the first part is not alone: %v", s.glob(out, "features/*"))
	}
	before := s.stamp(parts[0])

	run = s.start(out)
	run.until(func() bool { return s.logged(out, `"msg":"fit","images":0`) })
	run.interrupt("fit")
	if len(s.glob(out, "mappings/*/*/*[0-9a-f]")) > 0 {
		s.t.Error("an unfinished fit left a mapping")
	}
	if after := s.stamp(s.glob(out, strings.Replace(part, ".partial", "", 1))[0]); !after.Equal(before) {
		s.t.Error("a part that was finished is written again")
	}

	s.finish(out)
	s.equal(out)
}

// kill ends the process without warning at random moments.
func (s *stopped) kill() {
	times := 3
	if os.Getenv("CORTEXMAP_LONG") != "" {
		times = 30
	}
	seed := uint64(time.Now().UnixNano())
	s.t.Logf("seed %d", seed) // a moment can't be had again, but its neighbourhood can
	rng := rand.New(rand.NewPCG(seed, 0))
	const out = "killed"
	for range times {
		run := s.start(out)
		time.Sleep(time.Duration(rng.Float64() * float64(s.took)))
		if err := run.cmd.Process.Kill(); err != nil {
			s.t.Fatal(err)
		}
		run.wait() // killed, or done already
		s.whole(out)
		if times > 3 && rng.IntN(4) == 0 { // from the beginning now and then, or all would be done soon
			if err := os.RemoveAll(filepath.Join(s.dir, out)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.finish(out)
	s.equal(out)
}

// started is a command on its way.
type started struct {
	s      *stopped
	cmd    *exec.Cmd
	lines  chan string
	stderr bytes.Buffer
}

func (s *stopped) command(ctx context.Context, out string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cortexmap", append(s.args, "--out", out)...)
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), libraryEnv(s.t)...), "TMPDIR="+s.dir) // what it leaves when it is killed goes with ours
	return cmd
}

func (s *stopped) start(out string) *started {
	s.t.Helper()
	r := &started{s: s, cmd: s.command(s.t.Context(), out), lines: make(chan string, 1000)}
	pipe, err := r.cmd.StderrPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(r.lines)
		for scan := bufio.NewScanner(pipe); scan.Scan(); {
			r.lines <- scan.Text()
		}
		_, _ = io.Copy(io.Discard, pipe) // what is too long to be a line
	}()
	return r
}

// until waits for something to happen while the command runs.
func (r *started) until(happened func() bool) {
	r.s.t.Helper()
	for !happened() {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.s.t.Fatalf("it ended too soon:\n%s", r.stderr.String())
			}
			r.stderr.WriteString(line + "\n")
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// logged says whether the run's log holds a text yet.
func (s *stopped) logged(out, text string) bool {
	data, err := os.ReadFile(filepath.Join(s.dir, out, "log.jsonl"))
	return err == nil && bytes.Contains(data, []byte(text))
}

// interrupt sends SIGINT and checks how the command ends.
func (r *started) interrupt(during string) {
	r.s.t.Helper()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		r.s.t.Fatal(err)
	}
	sent := time.Now()
	hanging := time.AfterFunc(patience, func() { _ = r.cmd.Process.Kill() })
	code := r.wait()
	if !hanging.Stop() {
		r.s.t.Fatalf("%s: still there %v after SIGINT", during, patience)
	}
	r.s.t.Logf("%s: ended %.2f s after SIGINT", during, time.Since(sent).Seconds())
	const last = "cortexmap: interrupted; what was finished is kept, the same command goes on from there\n"
	if code != 130 || !strings.HasSuffix(r.stderr.String(), last) {
		r.s.t.Fatalf("%s: exit code %d\n%s", during, code, r.stderr.String())
	}
	out := r.cmd.Args[len(r.cmd.Args)-1]
	if state := r.s.state(out); state != "interrupted" {
		r.s.t.Errorf("%s: run.json says %s", during, state)
	}
	r.s.whole(out)
	err := fs.WalkDir(os.DirFS(filepath.Join(r.s.dir, out)), ".", func(p string, _ fs.DirEntry, err error) error {
		if strings.Contains(p, ".tmp") {
			r.s.t.Errorf("%s: %s is left", during, p)
		}
		return err
	})
	if err != nil {
		r.s.t.Error(err)
	}
}

// wait reads on to the end and gives the exit code, -1 for a process that was killed.
func (r *started) wait() int {
	for line := range r.lines {
		r.stderr.WriteString(line + "\n")
	}
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.s.t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// finish lets the command run to its end.
func (s *stopped) finish(out string) {
	s.t.Helper()
	if text, err := s.command(s.t.Context(), out).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	if state := s.state(out); state != "done" {
		s.t.Errorf("run.json says %s", state)
	}
}

func (s *stopped) state(out string) string {
	data, err := os.ReadFile(filepath.Join(s.dir, out, "run.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var run struct{ State string }
	if err := json.Unmarshal(data, &run); err != nil {
		s.t.Fatal(err)
	}
	return run.State
}

func (s *stopped) glob(out, pattern string) []string {
	found, err := fs.Glob(os.DirFS(filepath.Join(s.dir, out)), pattern)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Join(s.dir, out, found[i])
	}
	return found
}

func (s *stopped) stamp(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.ModTime()
}

// sameBytes says of a file of a run whether another run writes the same bytes: not where times are told.
func sameBytes(path string) bool {
	if strings.HasPrefix(filepath.Base(path), "methods.") { // it tells how long fits took
		return false
	}
	return strings.HasSuffix(path, ".parquet") || strings.HasSuffix(path, ".csv") || filepath.Base(path) == "layers.json"
}

// whole fails if a folder under a final name lacks a file of the undisturbed run's, or has other bytes.
func (s *stopped) whole(out string) {
	s.t.Helper()
	for _, folder := range append(s.glob(s.want, "features/*"), s.glob(s.want, "mappings/*/*/*")...) {
		rel, err := filepath.Rel(filepath.Join(s.dir, s.want), folder)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(s.dir, out, rel)); err == nil {
			s.compare(out, rel)
		}
	}
}

// equal fails unless everything is as in the undisturbed run.
func (s *stopped) equal(out string) {
	s.t.Helper()
	for _, folder := range []string{"features", "mappings", "results"} {
		s.compare(out, folder)
	}
	for _, path := range s.glob(out, "*") {
		if _, err := os.Stat(filepath.Join(s.dir, s.want, filepath.Base(path))); err != nil {
			s.t.Errorf("%s is left over", path)
		}
	}
}

// compare compares a folder of a run with the undisturbed run's: the same files, and the same bytes where
// no times are told.
func (s *stopped) compare(out, rel string) {
	s.t.Helper()
	want, got := s.files(filepath.Join(s.want, rel)), s.files(filepath.Join(out, rel))
	for path, data := range want {
		other, ok := got[path]
		switch {
		case !ok:
			s.t.Errorf("%s: %s is missing", out, path)
		case sameBytes(path) && !bytes.Equal(data, other):
			s.t.Errorf("%s: %s is not what an undisturbed run writes", out, path)
		}
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			s.t.Errorf("%s: %s is left over", out, path)
		}
	}
}

func (s *stopped) files(dir string) map[string][]byte {
	files := map[string][]byte{}
	root := filepath.Join(s.dir, dir)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err == nil {
			files[rel], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}
