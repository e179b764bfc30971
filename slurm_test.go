//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
// requeued, one killed, one's time is up, and the node of one goes down and comes back. Slurm brings back the second and
// the last by itself, submitting again the others, and in the end everything is, byte for byte, what a local run makes.
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
	s.args = slices.Concat([]string{"run"}, smallNetworks(root), []string{"--set", "fit.seeds=[0,1]"}, smallSettings)
	s.finish(s.want)

	c := &cluster{stopped: s, out: "cluster", end: time.Now().Add(8 * time.Minute)}
	if c.node, err = os.Hostname(); err != nil {
		t.Fatal(err)
	}
	c.node, _, _ = strings.Cut(c.node, ".")
	c.start(filepath.Join(root, "testdata/slurm/cluster.sh"))

	// Two submitters at once: one finds everything in the queue. The site takes three elements an array.
	c.slurm("scontrol", "update", "PartitionName=all", "State=DOWN")
	var both sync.WaitGroup
	both.Go(c.submit)
	both.Go(c.submit)
	both.Wait()
	if jobs := c.jobs(); len(jobs) != 4 || c.count()["queued"] != 7 {
		t.Fatalf("the queue is %v, of jobs %v: 2 features in one array, 4 mappings in two, and the results were to be there", c.count(), jobs)
	}
	c.slurm("scontrol", "update", "PartitionName=all", "State=UP")

	c.disturb("features", "requeued", func(e element) { c.slurm("scontrol", "requeue", e.job) })
	c.disturb("mapping", "on a node that went down", c.nodeDown)
	c.disturb("mapping", "killed", func(e element) { c.signal(e, syscall.SIGKILL) })
	c.disturb("mapping", "ended because its time was up", c.timeUp)
	c.disturb("mapping", "cancelled", func(e element) { c.slurm("scancel", e.job) })

	submissions := 0
	for n := c.count(); n["kept"] < 7; n = c.count() {
		if n["queued"]+n["running"] == 0 {
			if n["lost"]+n["failed"] == 0 {
				t.Fatalf("nothing is queued, nothing is lost: %v", n)
			}
			submissions++
			c.submit()
		}
		c.pause("the sweep to end")
	}
	if submissions == 0 {
		t.Error("a task that was cancelled came back by itself")
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
		c.t.Errorf("%v\n%s", err, text)
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

// slurm runs one of Slurm's commands, which must succeed.
func (c *cluster) slurm(args ...string) string {
	c.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		c.t.Errorf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

// jobs are the submissions' records.
func (c *cluster) jobs() []string { return c.glob(c.out, "slurm/*/*.json") }

// element is a task at work on the cluster.
type element struct {
	job string // JOB_INDEX
	pid int    // the process that has the claim
}

// disturb waits for a task of a kind to be at work, stops its process so that it can't end before it is disturbed,
// and disturbs it.
func (c *cluster) disturb(kind, how string, do func(e element)) {
	c.t.Helper()
	for {
		for _, e := range c.working(kind) {
			if syscall.Kill(e.pid, syscall.SIGSTOP) != nil {
				continue // ended a moment before
			}
			if !slices.Contains(c.working(kind), e) { // it gave its claim back before it stopped
				c.signal(e, syscall.SIGCONT)
				continue
			}
			do(e)
			c.t.Logf("%s: element %s, process %d, %s", kind, e.job, e.pid, how)
			for syscall.Kill(e.pid, 0) == nil {
				c.pause(how + ": the process to end")
			}
			return
		}
		if n := c.count(); n["queued"]+n["running"] == 0 {
			c.t.Fatalf("%s: no task is left that could be %s: %v", kind, how, n)
		}
		c.pause("a task to run")
	}
}

// nodeDown takes the node away from a task and gives it back: Slurm ends the task, queues it again, and starts it
// when the node is there.
func (c *cluster) nodeDown(e element) {
	c.t.Helper()
	c.slurm("scontrol", "update", "NodeName="+c.node, "State=DOWN", "Reason=test")
	queue := func() string { return c.slurm("squeue", "--me", "--noheader", "--array", "--format=%F_%K %T") }
	for syscall.Kill(e.pid, 0) == nil || !strings.Contains(queue(), e.job+" PENDING") {
		c.pause("the node's task to end, and to be queued again")
	}
	if node := c.slurm("sinfo", "--noheader", "--format=%T"); !strings.HasPrefix(node, "down") || strings.Contains(queue(), "RUNNING") {
		c.t.Errorf("the node is %sthe queue is\n%s", node, queue())
	}
	if n := c.count(); n["running"] > 0 || n["queued"] == 0 {
		c.t.Errorf("the node is down, and status says %v", n)
	}
	c.slurm("scontrol", "update", "NodeName="+c.node, "State=RESUME")
}

// timeUp brings the end of an element's time forward (limits are of minutes) and waits for Slurm to end it, which looks
// twice a minute; status then says what happened.
func (c *cluster) timeUp(e element) {
	c.t.Helper()
	c.slurm("scontrol", "update", "JobId="+e.job, "EndTime=now")
	for syscall.Kill(e.pid, 0) == nil {
		c.pause("the time to be up")
	}
	for {
		cmd := c.command(c.t.Context(), c.out)
		cmd.Args = []string{"cortexmap", "status", c.out}
		text, err := cmd.Output()
		if err != nil {
			c.t.Fatalf("status: %v\n%s", err, text)
		}
		if strings.Contains(string(text), "it ran into the site's own time limit") {
			return
		}
		c.pause("status to say that the time was up")
	}
}

// working are the tasks of a kind that are at work.
func (c *cluster) working(kind string) (es []element) {
	kinds := map[string]string{}
	for _, path := range c.glob(c.out, "slurm/*/*.json") {
		var j struct{ ID, Kind string }
		if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &j) == nil {
			kinds[j.ID] = j.Kind
		}
	}
	for _, path := range c.glob(c.out, "tasks/claims/*/owner.json") {
		var o struct {
			PID int
			Job string
		}
		if data, err := os.ReadFile(path); err != nil || json.Unmarshal(data, &o) != nil || o.PID < 2 {
			continue // released meanwhile
		}
		if id, _, _ := strings.Cut(o.Job, "_"); kinds[id] == kind && syscall.Kill(o.PID, 0) == nil {
			es = append(es, element{o.Job, o.PID})
		}
	}
	return es
}

func (c *cluster) signal(e element, s syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(e.pid, s); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) pause(what string) {
	c.t.Helper()
	if time.Now().After(c.end) {
		c.t.Fatalf("waited in vain for %s: %v", what, c.count())
	}
	if strings.Contains(c.slurm("sinfo", "--noheader", "--format=%T"), "drain") {
		// Slurm drains a node whose tasks took longer to end than it to come back.
		c.slurm("scontrol", "update", "NodeName="+c.node, "State=RESUME")
	}
	time.Sleep(200 * time.Millisecond)
}
