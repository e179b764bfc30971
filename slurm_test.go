//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cortexmap/internal/subject/subjecttest"
)

// cluster is a Slurm of one node, and a sweep that runs on it.
type cluster struct {
	*stopped
	dir string // Slurm's
	out string
	end time.Time

	node string
}

// TestSlurm runs a sweep of two networks and two seeds on a real Slurm and disturbs it: a task is cancelled, one
// requeued, one killed, and the node goes down and comes back. Submitting again brings back what was lost, and in
// the end everything is, byte for byte, what a local run makes.
func TestSlurm(t *testing.T) {
	if os.Getenv("CORTEXMAP_SLURM") == "" {
		t.Skip("starts a cluster; CORTEXMAP_SLURM=1 runs it, as .ci/run does")
	}
	for _, program := range []string{"munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian: apt-get install slurm-wlm munge)", program)
		}
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := &stopped{t: t, dir: t.TempDir(), want: "local"}
	if err := (subjecttest.Small{Pictures: 25, Windows: 8, Units: 24, Positions: "csv"}).Write(filepath.Join(s.dir, "brain")); err != nil {
		t.Fatal(err)
	}
	s.args = []string{"run", filepath.Join(root, "testdata/onnx/vit.dyn.onnx"), filepath.Join(root, "testdata/onnx/resnet.dyn.onnx"),
		"--set", "subjects=[brain]", "--set", "fit.seeds=[0,1]", "--set", "threads=1", "--set", "analyze.controls=none"}
	s.finish(s.want)

	c := &cluster{stopped: s, out: "cluster", end: time.Now().Add(8 * time.Minute)}
	if c.node, err = os.Hostname(); err != nil {
		t.Fatal(err)
	}
	c.node, _, _ = strings.Cut(c.node, ".")
	c.start(filepath.Join(root, "testdata/slurm/cluster.sh"))
	c.submit()

	// Two submitters: the second finds everything in the queue.
	before := c.jobs()
	c.submit()
	if after := c.jobs(); len(after) != len(before) {
		t.Errorf("a second submission made jobs %v beside %v", after, before)
	}

	c.slurm("scontrol", "requeue", c.working("features"))
	t.Log("requeued a task")
	c.working("") // it, or another, is at work
	c.slurm("scontrol", "update", "NodeName="+c.node, "State=DOWN", "Reason=test")
	for len(c.glob(c.out, "tasks/claims/*/owner.json")) > 0 && c.alive() { // until the node's tasks are gone
		c.pause("the node's tasks to end")
	}
	c.slurm("scontrol", "update", "NodeName="+c.node, "State=RESUME")
	t.Log("the node was down")
	c.kill()
	t.Log("killed a task")
	c.slurm("scancel", c.working("mapping"))
	t.Log("cancelled a task")

	lost := false
	for {
		n := c.count()
		if n["kept"] == 7 {
			break
		}
		if n["queued"]+n["running"] == 0 {
			if n["lost"]+n["failed"] == 0 {
				t.Errorf("nothing is queued, nothing is lost: %v", n)
			}
			lost = true
			c.submit()
		}
		c.pause("the sweep to end")
	}
	if !lost {
		t.Log("nothing had to be submitted again: Slurm requeued it all")
	}
	for _, folder := range []string{"features", "mappings", "results"} {
		s.compare(c.out, folder)
	}
	if text, err := s.command(t.Context(), c.out).CombinedOutput(); err != nil || !strings.Contains(string(text), "report: ") {
		t.Errorf("a local run after it: %v\n%s", err, text)
	}
}

// start starts the cluster on free ports, and sees to its end.
func (c *cluster) start(script string) {
	var err error
	if c.dir, err = os.MkdirTemp("", "slurm"); err != nil { // a short path: it holds a socket
		c.t.Fatal(err)
	}
	port := 0
	for port == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			c.t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr).Port
		if next, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at+1)); err == nil {
			port = at
			next.Close()
		}
		l.Close()
	}
	c.t.Cleanup(func() {
		if out, err := exec.Command(script, "stop", c.dir).CombinedOutput(); err != nil {
			c.t.Logf("%v: %s", err, out)
		}
		if c.t.Failed() {
			for _, log := range []string{"slurmctld.log", "slurmd.log"} {
				text, _ := os.ReadFile(filepath.Join(c.dir, log))
				c.t.Logf("%s ends\n%s", log, text[max(0, len(text)-4000):])
			}
			for _, log := range c.glob(c.out, "slurm/*/*.log") {
				text, _ := os.ReadFile(log)
				c.t.Logf("%s:\n%s", log, text)
			}
		}
		os.RemoveAll(c.dir)
	})
	if out, err := exec.Command(script, "start", c.dir, fmt.Sprint(port)).CombinedOutput(); err != nil {
		c.t.Skipf("a Slurm can't be started here: %v\n%s", err, out)
	}
	c.t.Setenv("SLURM_CONF", filepath.Join(c.dir, "slurm.conf"))
}

func (c *cluster) submit() {
	c.t.Helper()
	cmd := c.command(c.t.Context(), c.out)
	cmd.Args = append(cmd.Args, "--executor", "slurm", "--keep-going")
	if text, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, text)
	}
}

// count is how many tasks are in each state, as status says.
func (c *cluster) count() map[string]int {
	c.t.Helper()
	cmd := c.command(c.t.Context(), c.out)
	cmd.Args = append([]string{"cortexmap", "status", c.out}, "--json")
	text, err := cmd.Output()
	var s struct{ Tasks []struct{ State string } }
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		c.t.Fatalf("status: %v\n%s", err, text)
	}
	n := map[string]int{}
	for _, t := range s.Tasks {
		n[t.State]++
	}
	return n
}

func (c *cluster) slurm(args ...string) {
	c.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		c.t.Logf("%v: %v: %s", args, err, out) // the task may have ended a moment before
	}
}

// jobs are the submissions' records.
func (c *cluster) jobs() []string { return c.glob(c.out, "slurm/*/*.json") }

// working waits until a task of a kind ("" for any) is at work, and gives its JOB_INDEX; the last one seen if all are done.
func (c *cluster) working(kind string) string {
	c.t.Helper()
	for {
		out, err := exec.Command("squeue", "--me", "--noheader", "--array", "--states=RUNNING", "--format=%F_%K %j").Output()
		if err == nil {
			for line := range strings.Lines(string(out)) {
				if f := strings.Fields(line); len(f) == 2 && strings.HasSuffix(f[1], kind) {
					return f[0]
				}
			}
		}
		if n := c.count(); n["kept"] == 7 || n["queued"]+n["running"] == 0 {
			return "1"
		}
		c.pause("a task to run")
	}
}

// alive says whether a process that has a claim is there.
func (c *cluster) alive() bool {
	for _, pid := range c.owners() {
		if syscall.Kill(pid, 0) == nil {
			return true
		}
	}
	return false
}

// owners are the processes that have claims, dead or alive.
func (c *cluster) owners() (pids []int) {
	for _, path := range c.glob(c.out, "tasks/claims/*/owner.json") {
		data, err := os.ReadFile(path)
		var o struct{ PID int }
		if err == nil && json.Unmarshal(data, &o) == nil && o.PID > 1 { // else released meanwhile
			pids = append(pids, o.PID)
		}
	}
	return pids
}

// kill ends the process that has a claim, without warning.
func (c *cluster) kill() {
	c.t.Helper()
	for {
		for _, pid := range c.owners() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
				return
			}
		}
		if n := c.count(); n["kept"] == 7 || n["queued"]+n["running"] == 0 {
			return
		}
		c.pause("a claim")
	}
}

func (c *cluster) pause(what string) {
	c.t.Helper()
	if time.Now().After(c.end) {
		c.t.Fatalf("waited in vain for %s: %v", what, c.count())
	}
	if out, err := exec.Command("sinfo", "--noheader", "--format=%T").Output(); err == nil && strings.Contains(string(out), "drain") {
		// Slurm drains a node whose tasks took longer to end than it to come back.
		c.slurm("scontrol", "update", "NodeName="+c.node, "State=RESUME")
	}
	time.Sleep(200 * time.Millisecond)
}
