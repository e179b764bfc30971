package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"cortexmap/internal/durable"
)

// Of a process on another machine only its heartbeat is seen. A minute of standstill is six missed beats:
// more than a busy file server loses, less than anyone would wait by hand.
const (
	heartbeat  = 10 * time.Second
	standstill = time.Minute
)

const ownerName = "owner.json"

// owner says which process works at a task.
type owner struct {
	Machine string `json:"machine"` // name, boot and process namespace: within it a PID means one process
	Host    string `json:"host"`    // for people
	PID     int    `json:"pid"`
	Started string `json:"started"`       // the process's start, since PIDs are used again
	Job     string `json:"job,omitempty"` // Slurm's job or array element
	Serial  int64  `json:"serial"`        // tells claims of one process apart
}

func (o owner) String() string {
	if o == (owner{}) {
		return "somebody whose claim can't be read (gone in a minute unless it moves)"
	}
	if o.Job != "" {
		return fmt.Sprintf("Slurm's job %s on %s", o.Job, o.Host)
	}
	return fmt.Sprintf("process %d on %s", o.PID, o.Host)
}

// claims are one process's claims on the tasks of an output folder.
type claims struct {
	root string // the output folder
	me   owner

	mu     sync.Mutex
	serial int64
	seen   map[string]sighting // of others' claims, by key
}

// sighting is when a heartbeat was first seen at its present value.
type sighting struct {
	owner owner
	beat  time.Time // the file's
	since time.Time // ours
}

func newClaims(root string) *claims {
	host, _ := os.Hostname() // "" is a name like any other
	me := owner{
		Machine: durable.Machine(), Host: host,
		PID: os.Getpid(), Started: startOf(os.Getpid()), Job: slurmElement(),
	}
	return &claims{root: root, me: me, seen: map[string]sighting{}}
}

// slurmElement is the job or array element that this process runs in.
func slurmElement() string {
	if array := os.Getenv("SLURM_ARRAY_JOB_ID"); array != "" {
		return array + "_" + os.Getenv("SLURM_ARRAY_TASK_ID")
	}
	return os.Getenv("SLURM_JOB_ID")
}

// startOf is a process's start in clock ticks since boot (field 22 of /proc/PID/stat; the second field, the
// name, may hold anything, so counting begins behind its last parenthesis). "" where there is no /proc or no
// such process.
func startOf(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	return string(fields[19])
}

func (c *claims) dir(key string) string {
	return filepath.Join(c.root, filepath.FromSlash(claimsDir), key)
}

// claim is a task that this process works at.
type claim struct {
	*claims
	key   string
	owner owner
	stop  chan struct{}
	ended sync.WaitGroup
}

// take claims a task, or says who has it. Both nil: it was somebody else's a moment ago, try again.
func (c *claims) take(key string) (*claim, *owner, error) {
	me := c.me
	c.mu.Lock()
	c.serial++
	me.Serial = c.serial
	c.mu.Unlock()
	final := c.dir(key)
	mine := fmt.Sprintf("%s.new.%d.%d.%d", final, me.PID, me.Serial, time.Now().UnixNano())
	defer os.RemoveAll(mine) // gone once it is renamed
	data, err := json.Marshal(me)
	if err != nil {
		return nil, nil, err
	}
	err = prepare(mine, data)
	for try := 0; errors.Is(err, fs.ErrNotExist) && try < 100; try++ { // the end of another claim took the folders away in between
		err = prepare(mine, data)
	}
	if err != nil {
		return nil, nil, durable.Explain(err, final)
	}
	err = os.Rename(mine, final)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		other, gone := c.look(key)
		if !gone {
			return nil, other, nil
		}
		c.evict(key, *other)
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, durable.Explain(err, final)
	}
	cl := &claim{claims: c, key: key, owner: me, stop: make(chan struct{})}
	cl.ended.Go(cl.beat)
	return cl, nil, nil
}

// prepare makes a claim's folder under the name from which it is renamed.
func prepare(dir string, owner []byte) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ownerName), owner, 0o666)
}

// beat moves the time of owner.json until the claim is released.
func (c *claim) beat() {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case now := <-tick.C:
			// A beat that fails is one that others miss; the work goes on.
			_ = os.Chtimes(filepath.Join(c.dir(c.key), ownerName), now, now)
		}
	}
}

// release gives the task back, unless somebody took it over.
func (c *claim) release() {
	close(c.stop)
	c.ended.Wait()
	if o, err := readOwner(c.dir(c.key)); err == nil && o == c.owner {
		c.evict(c.key, c.owner)
	}
	c.leave()
}

// leave removes the folders of claims if nothing is in them any more.
func (c *claims) leave() {
	os.Remove(filepath.Join(c.root, filepath.FromSlash(claimsDir)))
	os.Remove(filepath.Join(c.root, stateDir))
}

// tidy removes what killed processes left: temporary files in the output folder itself, claims of tasks that they had
// finished, and of this machine's the folders KEY.new.PID.… and KEY.gone.PID.… of those that were killed while they claimed or gave back.
func (c *claims) tidy() {
	parent := filepath.Join(c.root, filepath.FromSlash(claimsDir))
	entries, _ := os.ReadDir(parent) // what can't be read stays
	for _, e := range entries {
		words := strings.Split(e.Name(), ".")
		if len(words) == 1 {
			if o, gone := c.look(e.Name()); gone {
				c.evict(e.Name(), *o)
			}
			continue
		}
		if dir := filepath.Join(parent, e.Name()); len(words) == 5 && c.abandoned(dir, words[2]) {
			os.RemoveAll(dir)
		}
	}
	c.leave()
	durable.Tidy(c.root)
}

// abandoned says whether the process that made a claim's folder under a passing name is gone. One that was
// killed before it wrote who it was is known by age: the next word is written within a moment, and whoever
// finds the folder gone makes it again.
func (c *claims) abandoned(dir, pid string) bool {
	id, err := strconv.Atoi(pid)
	if err != nil || durable.Alive(id) {
		return false
	}
	o, err := readOwner(dir)
	if err == nil {
		return o.Machine == c.me.Machine
	}
	info, err := os.Stat(dir)
	return err == nil && time.Since(info.ModTime()) > time.Second
}

// look says who has a task, and whether that process is gone. A claim that vanished meanwhile is gone; one whose file
// can't be read (cut by a crash of the machine) is judged by its heartbeat, as another machine's.
func (c *claims) look(key string) (*owner, bool) {
	dir := c.dir(key)
	o, err := readOwner(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &owner{}, true
	}
	if err == nil && o.Machine == c.me.Machine {
		return &o, startOf(o.PID) != o.Started || !durable.Alive(o.PID)
	}
	if o.Job != "" && o.Job == c.me.Job { // this element's earlier life: Slurm starts the next when it has ended
		return &o, true
	}
	info, err := os.Stat(filepath.Join(dir, ownerName))
	if err != nil {
		return &o, errors.Is(err, fs.ErrNotExist)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.seen[key]
	if last.owner != o || !last.beat.Equal(info.ModTime()) {
		c.seen[key] = sighting{o, info.ModTime(), time.Now()}
		return &o, false
	}
	return &o, time.Since(last.since) > standstill
}

// evict takes a claim away from its owner; of several who try, one succeeds. A claim that changed hands in
// between is put back.
func (c *claims) evict(key string, from owner) {
	dir := c.dir(key)
	aside := fmt.Sprintf("%s.gone.%d.%d.%d", dir, os.Getpid(), c.me.Serial, time.Now().UnixNano())
	if err := os.Rename(dir, aside); err != nil {
		return
	}
	if o, err := readOwner(aside); err == nil && o != from {
		if os.Rename(aside, dir) == nil {
			return
		}
	}
	os.RemoveAll(aside)
}

func readOwner(dir string) (o owner, err error) {
	if err := durable.ReadJSON(filepath.Join(dir, ownerName), &o, ""); err != nil {
		return owner{}, err
	}
	return o, nil
}
