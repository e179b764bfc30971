//go:build unix

package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

// site puts commands of a Slurm into PATH that takes arrays of 4 elements, and as many elements in all as the file
// limit says; what it took is in the file queue, as squeue prints it.
func site(t *testing.T) (limit func(n int)) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{
		"scontrol": `echo "Configuration data"; echo "MaxArraySize            = 4"`,
		"squeue":   `cat queue 2>/dev/null; true`,
		"sbatch": `
for word; do case $word in --partition=nowhere) echo "Batch job submission failed: Invalid partition name specified" >&2; exit 1;; --array=0-*) last=${word#--array=0-}; last=${last%\%*};; esac; done
[ "$last" -lt 4 ] || { echo "Batch job submission failed: Invalid job array specification" >&2; exit 1; }
touch queue
[ $(($(wc -l <queue) + last + 1)) -le "$(cat limit)" ] || { echo "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)" >&2; exit 1; }
id=$(($(cut -d'|' -f1 queue | tail -n 1) + 7))
for i in $(seq 0 "$last"); do echo "$id|$i|PENDING" >>queue; done
echo "$id;here"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\ncd "+quoted([]string{dir})+"\n"+script+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func(n int) {
		if err := os.WriteFile(filepath.Join(dir, "limit"), fmt.Appendln(nil, n), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSlurmLimits: arrays are as large as the site takes; where it takes no more in all, what fits is in the queue, a
// fault says how much, and the same again submits the rest after it.
func TestSlurmLimits(t *testing.T) {
	limit := site(t)
	root := t.TempDir()
	graph := func() *Graph {
		g := NewGraph(root)
		var needs []*Task
		for i := range 10 {
			word := fmt.Sprintf("t%d", i)
			needs = append(needs, g.Add(&Task{Kind: "first", Name: word, Key: key(word), Folder: "things/" + word + "-" + key(word)}))
		}
		g.Add(&Task{Kind: "last", Name: "all", Key: key("all"), Folder: "all", Fixed: true, Needs: needs})
		return g
	}
	s := &Slurm{Options: Options{Log: slog.New(slog.DiscardHandler)},
		Arguments: func([]*Task) []string { return []string{"--mem=1M"} }, AtOnce: func([]*Task) int { return 3 },
		Describe: func(*Task) ([]byte, error) { return []byte("{}"), nil },
		Command:  func([]*Task, string) ([]string, error) { return []string{"true"}, nil }}

	limit(7)
	err := s.Execute(t.Context(), graph())
	var f *fault.Error
	if !errors.As(err, &f) || f.Class != fault.Machine || !strings.Contains(f.What, "7 of 11 tasks are submitted: Batch job submission failed: Job violates") {
		t.Fatalf("%v", err)
	}
	sizes := func() (out []int, last Job) {
		jobs, err := graph().Jobs()
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if out = append(out, len(j.Keys)); j.Kind == "last" {
				last = j
			}
		}
		slices.Sort(out)
		return out, last
	}
	if got, _ := sizes(); !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("arrays of %v elements", got)
	}
	if files, _ := filepath.Glob(filepath.Join(root, SlurmFolder, "*", "*")); len(files) != 9 { // .tasks, .sh and .json of each
		t.Errorf("files of arrays that were not taken are left: %v", files)
	}

	limit(100)
	g := graph()
	if err := s.Execute(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	got, last := sizes()
	if !slices.Equal(got, []int{1, 1, 2, 3, 4}) || g.Count(Queued) != 11 {
		t.Errorf("arrays of %v elements, %d tasks are in the queue", got, g.Count(Queued))
	}
	if want := "--dependency=afterany:7:14:21:28"; !slices.Contains(last.Arguments, want) || !slices.Contains(last.Arguments, "--array=0-0%3") || !slices.Contains(last.Arguments, "--mem=1M") {
		t.Errorf("the last array has %v, not %s", last.Arguments, want)
	}
	if err := s.Execute(t.Context(), graph()); err != nil {
		t.Fatal(err)
	}
	if again, _ := sizes(); len(again) != len(got) {
		t.Errorf("submitted twice: %v", again)
	}
}

// TestSlurmTimeLimit: an element that Slurm ended because its time was up is lost, and told as that with its limit and
// what to do; what it had finished is there, and the same again submits it. The texts are those that Slurm 22.05 wrote
// when the root's TestSlurm did these things to it.
func TestSlurmTimeLimit(t *testing.T) {
	const at = "slurmstepd-node1: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-02T03:04:05"
	for name, c := range map[string]struct {
		log  string
		time string // slurm.time
		want string // of why it is lost; "": nobody knows
	}{
		"time limit":            {"fit: 3 of 9\n" + at + " DUE TO TIME LIMIT ***\n", "00:01:00", "its time limit of 00:01:00 (slurm.time"},
		"the site's":            {at + " DUE TO TIME LIMIT ***\n", "", "the site's own time limit"},
		"requeued, then limit":  {at + " DUE TO JOB REQUEUE ***\n" + at + " DUE TO TIME LIMIT ***\ninterrupted\n", "5", "its time limit of 5 "},
		"limit, then cancelled": {at + " DUE TO TIME LIMIT ***\n" + at + " ***\n", "5", ""},
		"cancelled":             {at + " ***\n", "5", ""},
		"of another program":    {"log: *** JOB 7 ON node1 CANCELLED AT noon DUE TO TIME LIMIT ***\n", "5", ""},
		"an older Slurm's":      {"slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***\n", "5", "its time limit of 5 "},
		"a long log":            {at + " DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***\n" + strings.Repeat("fit: 3 of 9\n", 20000) + at + " DUE TO TIME LIMIT ***\n", "5", "its time limit of 5 "},
	} {
		t.Run(name, func(t *testing.T) {
			site(t)(100)
			root := t.TempDir()
			graph := func() (*Graph, *Task) {
				g := NewGraph(root)
				return g, g.Add(&Task{Kind: "fits", Name: "one", Key: key("one"), Folder: "things/one-" + key("one")})
			}
			var said bytes.Buffer
			s := &Slurm{Options: Options{Log: slog.New(slog.NewTextHandler(&said, nil))}, AtOnce: func([]*Task) int { return 0 },
				Arguments: func([]*Task) []string {
					if c.time == "" {
						return nil
					}
					return []string{"--time=" + c.time}
				},
				Describe: func(*Task) ([]byte, error) { return []byte("{}"), nil },
				Command:  func([]*Task, string) ([]string, error) { return []string{"true"}, nil }}
			g, one := graph()
			if err := s.Execute(t.Context(), g); err != nil || one.State != Queued {
				t.Fatalf("%v, %v", one.State, err)
			}
			checkpoint := filepath.Join(root, one.Folder+".partial", "checkpoint")
			put(t, checkpoint, []byte("half"))
			lists, err := filepath.Glob(filepath.Join(root, SlurmFolder, "*", "fits-0.tasks"))
			if err != nil || len(lists) != 1 {
				t.Fatal(lists, err)
			}
			put(t, strings.TrimSuffix(lists[0], ".tasks")+"-0.log", []byte(c.log))
			leave(t)

			g, one = graph()
			if err := errors.Join(g.Look(), g.LookInQueue(t.Context())); err != nil || one.State != Lost {
				t.Fatalf("%v, %v", one.State, err)
			}
			var f *fault.Error
			switch told := errors.As(one.Err, &f); {
			case c.want == "" && one.Err != nil:
				t.Errorf("%v", one.Err)
			case c.want != "" && (!told || !strings.Contains(f.What, c.want) || !strings.Contains(f.Fix, "goes on from its checkpoint")):
				t.Errorf("%v, not %q", one.Err, c.want)
			}
			if err := s.Execute(t.Context(), g); err != nil || one.State != Queued || one.Err != nil {
				t.Errorf("submitted again: %v, %v, %v", one.State, one.Err, err)
			}
			if c.want != "" && !strings.Contains(said.String(), c.want) {
				t.Errorf("the second submission doesn't say why: %s", &said)
			}
			if _, err := os.Stat(checkpoint); err != nil {
				t.Error(err)
			}
			if jobs, err := g.Jobs(); err != nil || len(jobs) != 2 {
				t.Errorf("%v, %v", jobs, err)
			}
			g, one = graph()
			if err := errors.Join(g.Look(), g.LookInQueue(t.Context())); err != nil || one.State != Queued || one.Err != nil {
				t.Errorf("of two submissions the first counts: %v, %v, %v", one.State, one.Err, err)
			}
		})
	}
}

// leave takes out of the site's queue what ended; another job of the same user is still there.
func leave(t *testing.T) {
	t.Helper()
	dir, _, _ := strings.Cut(os.Getenv("PATH"), ":")
	put(t, filepath.Join(dir, "queue"), []byte("7|9|COMPLETING\n"))
}

// TestSlurmRefuses: an array that the site would never take is a fault of its own, and none of limits, whatever was
// submitted before it.
func TestSlurmRefuses(t *testing.T) {
	site(t)(100)
	g := NewGraph(t.TempDir())
	one := g.Add(&Task{Kind: "first", Name: "one", Key: key("one"), Folder: "things/one-" + key("one")})
	g.Add(&Task{Kind: "last", Name: "all", Key: key("all"), Folder: "all", Fixed: true, Needs: []*Task{one}})
	s := &Slurm{Options: Options{Log: slog.New(slog.DiscardHandler)}, AtOnce: func([]*Task) int { return 0 },
		Arguments: func(ts []*Task) []string {
			return map[string][]string{"last": {"--partition=nowhere"}}[ts[0].Kind]
		},
		Describe: func(*Task) ([]byte, error) { return []byte("{}"), nil },
		Command:  func([]*Task, string) ([]string, error) { return []string{"true"}, nil }}
	err := s.Execute(t.Context(), g)
	var f *fault.Error
	if !errors.As(err, &f) || f.Class != fault.Machine || !strings.Contains(f.What, "Invalid partition") || strings.Contains(f.What, "takes no more") {
		t.Errorf("%v", err)
	}
	if n := g.Count(Queued); n != 1 {
		t.Errorf("%d tasks are in the queue", n)
	}
}

// TestSlurmEnvironment: what a surrounding job left is kept from sbatch; where people want their jobs is not.
func TestSlurmEnvironment(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sbatch"), []byte("#!/bin/sh\nenv\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, name := range []string{"SLURM_JOB_ID", "SBATCH_ARRAY_INX", "SQUEUE_FORMAT", "SBATCH_ACCOUNT", "SLURM_CONF", "SLURMED"} {
		t.Setenv(name, "here")
	}
	out, err := slurm(context.Background(), "sbatch")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"SLURM_JOB_ID": false, "SBATCH_ARRAY_INX": false, "SQUEUE_FORMAT": false, "SBATCH_ACCOUNT": true, "SLURM_CONF": true, "SLURMED": true} {
		if got := strings.Contains("\n"+out, "\n"+name+"=here\n"); got != want {
			t.Errorf("%s reaches sbatch: %v, want %v", name, got, want)
		}
	}
}

// TestElement: an array's element finds its line, and says what is wrong where there is none.
func TestElement(t *testing.T) {
	list := filepath.Join(t.TempDir(), "mapping-0.tasks")
	line, err := json.Marshal(Element{Key: key("one"), Name: "mapping one", What: json.RawMessage("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, append(line, "\nnonsense\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
	for index, want := range map[string]string{"0": "", "1": "line 2 is no element", "2": "mapping-0.tasks has 2 lines", "-1": "element -1", "x": `SLURM_ARRAY_TASK_ID is "x"`} {
		t.Setenv("SLURM_ARRAY_TASK_ID", index)
		e, err := ReadElement(list)
		switch {
		case want == "" && (err != nil || e.Key != key("one")):
			t.Errorf("%+v, %v", e, err)
		case want != "" && (fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), want)):
			t.Errorf("element %s: %v, want %s", index, err, want)
		}
	}
}
