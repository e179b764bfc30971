package extract

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

const killedDir = "CORTEXMAP_TEST_KILLED_DIR"

func killedRun(t *testing.T, dir string) {
	t.Helper()
	final := filepath.Join(dir, "store")
	if durable.Exists(final) {
		return
	}
	d, err := durable.OpenDir(final)
	if err != nil {
		t.Fatal(err)
	}
	o := RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 1}
	if _, err := Run(context.Background(), orttest.Runtime(t), fixture(t, "resnet.ts.onnx"), pictureSet(t, pictureFiles(t, 25)), d.Path, o); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestKilledProcess is what TestKill kills: it does nothing by itself.
func TestKilledProcess(t *testing.T) {
	dir := os.Getenv(killedDir)
	if dir == "" {
		t.Skip("only TestKill runs this, in a process of its own")
	}
	killedRun(t, dir)
}

// A process that is killed at any moment and started again leaves the same bytes as one that was not. Three
// moments, twenty with CORTEXMAP_LONG=1, spread over the time that a whole run takes here.
func TestKill(t *testing.T) {
	whole := t.TempDir()
	killedRun(t, whole)
	command := func(dir string) *exec.Cmd {
		c := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
		c.Env = append(os.Environ(), killedDir+"="+dir, "TMPDIR="+t.TempDir()) // what it leaves when it is killed goes with ours
		return c
	}
	took := time.Now()
	if out, err := command(t.TempDir()).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	span := time.Since(took)
	times := 3
	if os.Getenv("CORTEXMAP_LONG") != "" {
		times = 20
	}
	r := rand.New(rand.NewPCG(9, 9))
	unfinished := 0
	for i := range times {
		dir := t.TempDir()
		c := command(dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.Duration((float64(i) + r.Float64()) / float64(times) * float64(span))
		time.Sleep(moment)
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
		if _, err := os.Stat(filepath.Join(dir, "store", store.ManifestName)); err != nil {
			unfinished++
		}
		if out, err := command(dir).CombinedOutput(); err != nil {
			t.Fatalf("killed after %v: the next run fails: %v\n%s", moment, err, out)
		}
		want, got := contents(t, whole), contents(t, dir)
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("killed after %v: %s differs", moment, name)
			}
			delete(got, name)
		}
		for name := range got {
			t.Errorf("killed after %v: %s is left over", moment, name)
		}
	}
	t.Logf("%d of %d runs were killed before their end", unfinished, times)
}
