package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cortexmap/internal/subject/subjecttest"
)

// smallSweep is a sweep of two networks and two seeds onto a small subject: seven tasks.
func smallSweep(t *testing.T) *stopped {
	t.Helper()
	if testing.Short() {
		t.Skip("runs small networks many times")
	}
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := &stopped{t: t, dir: t.TempDir(), want: "undisturbed"}
	if err := (subjecttest.Small{Pictures: 25, Windows: 8, Units: 24, Positions: "csv"}).Write(filepath.Join(s.dir, "brain")); err != nil {
		t.Fatal(err)
	}
	s.args = slices.Concat([]string{"run"}, smallNetworks(root), []string{"--set", "fit.seeds=[0,1]"}, smallSettings)
	begun := time.Now()
	s.finish(s.want)
	s.took = time.Since(begun)
	return s
}

// smallNetworks and smallSettings are those of smallSweep, but for its seeds.
func smallNetworks(root string) []string {
	return []string{filepath.Join(root, "testdata/onnx/vit.dyn.onnx"), filepath.Join(root, "testdata/onnx/resnet.dyn.onnx")}
}

var smallSettings = []string{"--set", "subjects=[brain]", "--set", "threads=1", "--set", "analyze.controls=none"}

// TestTasksAlone: what a task makes doesn't depend on what ran before it, or runs beside it, in the same process. Every
// fit in a process of its own, the last first, gives the bytes that one process for all of them gives.
func TestTasksAlone(t *testing.T) {
	s := smallSweep(t)
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	all := s.args
	const out = "alone"
	for _, network := range slices.Backward(smallNetworks(root)) {
		for _, seed := range []string{"1", "0"} {
			s.args = slices.Concat([]string{"fit", network, "--set", "fit.seeds=[" + seed + "]"}, smallSettings)
			s.finish(out)
		}
	}
	if n := len(s.glob(out, "mappings/*/*/*")); n != 4 {
		t.Fatalf("%d mappings", n)
	}
	s.args = all
	s.finish(out) // tables of what is there
	s.equal(out)
}

// TestKilledSweep kills sweeps at random moments and takes them up again, until each is done: nothing half-made is
// ever found under a final name, and the tables are those of an undisturbed run, byte for byte.
func TestKilledSweep(t *testing.T) {
	s := smallSweep(t)
	kills := 3
	switch {
	case os.Getenv("CORTEXMAP_LONG") != "":
		kills = 100
	case os.Getenv("CORTEXMAP_SLURM") != "": // .ci/run
		kills = 10
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const out = "killed"
	for killed := 0; killed < kills; {
		run := s.start(out)
		time.Sleep(time.Duration(rng.Float64() * float64(s.took) / 3)) // a third: a sweep takes a few lives
		if err := run.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		code := run.wait()
		s.whole(out)
		if code == 0 { // it was done before
			s.equal(out)
			if err := os.RemoveAll(filepath.Join(s.dir, out)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		killed++
	}
	s.finish(out)
	s.equal(out)
}

// TestTwoRunsAtOnce: of two runs on one output folder each task is done by one, and both end well.
func TestTwoRunsAtOnce(t *testing.T) {
	s := smallSweep(t)
	const out = "both"
	done := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		cmd := s.command(t.Context(), out)
		cmd.Args = append(cmd.Args, "--json", "--quiet")
		wg.Go(func() {
			text, err := cmd.Output()
			var r struct {
				Tasks []struct{ Name, State string }
			}
			if err == nil {
				err = json.Unmarshal(text, &r)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, task := range r.Tasks {
				if task.State == "done" {
					done[task.Name]++
				}
			}
		})
	}
	wg.Wait()
	if len(done) != 7 {
		t.Errorf("done were %v, 7 tasks once each are expected", done)
	}
	for name, n := range done {
		if n != 1 {
			t.Errorf("%s was done %d times", name, n)
		}
	}
	s.equal(out)
}

// TestVanishedInput: a picture that is gone when a sweep goes on is named, and what was finished stays.
func TestVanishedInput(t *testing.T) {
	s := smallSweep(t)
	if err := os.Remove(filepath.Join(s.dir, "brain", "images", "p003.png")); err != nil {
		t.Fatal(err)
	}
	text, err := s.command(t.Context(), s.want).CombinedOutput()
	if err == nil || !strings.Contains(string(text), "images.csv:26: brain/images/p003.png") {
		t.Errorf("%v\n%s", err, text)
	}
	if len(s.glob(s.want, "mappings/*/*/*")) != 4 {
		t.Error("finished mappings are gone")
	}
}
