package fit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// resumeCase is a fit of which descent is the larger part, in which looking anew and points of the curve
// fall together and apart.
func resumeCase(t testing.TB, protocol string) (Input, Settings) {
	variant, word, ok := strings.Cut(protocol, " ")
	if !ok {
		word = protocol
	}
	set := quick(word)
	set.Ablation = map[string]string{"free": NoTopology, "joint": NoFactorisation}[variant]
	set.SelectorSteps, set.CurvePoints = 20, 5
	set.Epochs, set.Images = 5, 0
	return plant(t, 11, 180, 30).in, set
}

// childProtocol makes this process fit the resume case, and tell how far it is, until it is killed.
const childProtocol, childFolder = "CORTEXMAP_TEST_FIT", "CORTEXMAP_TEST_FOLDER"

func TestChildOfResume(t *testing.T) {
	protocol := os.Getenv(childProtocol)
	if protocol == "" {
		t.Skip("runs only in a process that TestResumeAfterKill starts")
	}
	in, set := resumeCase(t, protocol)
	_, err := Run(t.Context(), orttest.Runtime(t), in, Options{Settings: &set, Threads: 2, Checkpoint: os.Getenv(childFolder), Key: "k", everyStep: true,
		Progress: func(phase string, done, total int) { fmt.Println("at", phase, done, total) }})
	if err != nil {
		t.Fatal(err)
	}
}

// killedAt starts a process that fits the case, and kills it when it has told n times how far it is.
func killedAt(t *testing.T, protocol, folder string, n int) (at string) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestChildOfResume$")
	// Killed, it can't clear its temporary folders away: they lie in ours.
	c.Env = append(os.Environ(), childProtocol+"="+protocol, childFolder+"="+folder, "TMPDIR="+t.TempDir())
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n > 0 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "at ") {
			at = lines.Text()
			n--
		}
	}
	c.Process.Kill()
	for lines.Scan() { // until the pipe is closed
	}
	c.Wait() // it was killed, which is no news
	return at
}

// written is the bytes of a mapping's files. Times are all that no two runs share.
func written(t *testing.T, m *store.Mapping) map[string][]byte {
	t.Helper()
	m.Info.Seconds, m.Info.Parts, m.Info.Waited = nil, nil, 0
	dir := filepath.Join(t.TempDir(), "m")
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		if out[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func sameFiles(t *testing.T, what string, got, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		if !bytes.Equal(got[name], data) {
			t.Errorf("%s: %s differs from that of a fit that was not interrupted", what, name)
		}
	}
}

// whole is the case's mapping without interruption, and how often it tells how far it is.
func whole(t *testing.T, in Input, set Settings) (files map[string][]byte, events int) {
	t.Helper()
	m, err := Run(t.Context(), orttest.Runtime(t), in, Options{Settings: &set, Threads: 2, Progress: func(string, int, int) { events++ }})
	if err != nil {
		t.Fatal(err)
	}
	return written(t, m), events
}

// A process killed anywhere leaves what a second one goes on from, to the same bytes: 3 places drawn at
// random, 20 with CORTEXMAP_LONG=1.
func TestResumeAfterKill(t *testing.T) {
	points := 3
	if os.Getenv("CORTEXMAP_LONG") != "" {
		points = 20
	}
	r := rand.New(rand.NewPCG(12, 12))
	for i := range points {
		protocol := []string{"sound", "free sound", "paper"}[i%3]
		in, set := resumeCase(t, protocol)
		want, events := whole(t, in, set)
		folder := t.TempDir()
		at := killedAt(t, protocol, folder, 1+r.IntN(events))
		m, err := Run(t.Context(), orttest.Runtime(t), in, Options{Settings: &set, Threads: 2, Checkpoint: folder, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, fmt.Sprintf("%s, killed %s", protocol, at), written(t, m), want)
	}
}

// A fit that is interrupted again and again gets there, to the same bytes, as long as every go reaches the
// next place to keep.
func TestResumeAgainAndAgain(t *testing.T) {
	for _, protocol := range []string{"sound", "paper", "free sound", "joint sound"} {
		in, set := resumeCase(t, protocol)
		want, events := whole(t, in, set)
		folder, goes := t.TempDir(), 0
		var m *store.Mapping
		for m == nil {
			ctx, cancel := context.WithCancel(t.Context())
			left := events/4 + goes
			var err error
			m, err = Run(ctx, orttest.Runtime(t), in, Options{Settings: &set, Threads: 2, Checkpoint: folder, Key: "k", everyStep: true,
				Progress: func(string, int, int) {
					if left--; left == 0 {
						cancel()
					}
				}})
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			goes++
		}
		if goes < 3 {
			t.Errorf("%s: interrupted %d times only", protocol, goes-1)
		}
		sameFiles(t, fmt.Sprintf("%s, interrupted %d times", protocol, goes-1), written(t, m), want)
	}
}

// A checkpoint that is damaged or another fit's is not taken; one that can't be written ends nothing.
func TestCheckpointsThatDontCount(t *testing.T) {
	in, set := resumeCase(t, "sound")
	set.Epochs = 1
	want, _ := whole(t, in, set)
	folder := t.TempDir()
	path := filepath.Join(folder, CheckpointName)
	fit := func(key, folder string) (map[string][]byte, string) {
		var log bytes.Buffer
		m, err := Run(t.Context(), orttest.Runtime(t), in, Options{Settings: &set, Threads: 2, Checkpoint: folder, Key: key,
			Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return written(t, m), log.String()
	}
	fit("k", folder)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for _, c := range []struct {
		name, key, folder string
		data              []byte
		want              string
	}{
		{"whole", "k", folder, good, "going on from a checkpoint"},
		{"another key", "other", folder, good, "other settings"},
		{"a flipped bit", "k", folder, flipped, "damaged"},
		{"cut short", "k", folder, good[:len(good)-100], "damaged"},
		{"empty", "k", folder, nil, "no checkpoint"},
		{"no place to write", "k", file, good, "no checkpoint can be written"},
	} {
		if err := os.WriteFile(path, c.data, 0o666); err != nil {
			t.Fatal(err)
		}
		files, log := fit(c.key, c.folder)
		if !strings.Contains(log, c.want) {
			t.Errorf("%s: the log says\n%s", c.name, log)
		}
		sameFiles(t, c.name, files, want)
	}
}

// Whatever bytes lie there are taken apart or refused.
func FuzzParseCheckpoint(f *testing.F) {
	k := &keeper{path: filepath.Join(f.TempDir(), CheckpointName)}
	at := progress{Key: "k", Stage: descending, Curve: []store.CurvePoint{{Loss: math.NaN()}}, Descent: walked{Step: 8}}
	if err := k.put(at, [][]float32{{1, 2}, {3}}); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(k.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		if at, arrays, err := parseCheckpoint(data); err == nil && (at.Stage > fitted || len(arrays) > len(data)) {
			t.Errorf("stage %d, %d bytes of %d", at.Stage, len(arrays), len(data))
		}
	})
}
