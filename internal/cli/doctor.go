package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
)

type doctorCmd struct{}

func (doctorCmd) Help() string {
	return "Checks what a run needs and says what to do about what is missing. Exit code 3 when something needed is missing.\n\nExample:\n  cortexmap doctor --offline"
}

func (doctorCmd) Run(e *env) error {
	s := ort.FromEnvironment()
	s.Flag, s.Offline, s.Log = e.flags.OrtLib, e.flags.Offline, e.log
	checks := ort.Doctor(e.ctx, s)
	checks = append(checks, e.tools()...)
	checks = append(checks, memory(), e.disk())
	if e.flags.JSON {
		if err := printJSON(e.stdout, checks); err != nil {
			return err
		}
	} else {
		for _, c := range checks {
			fmt.Fprintf(e.stdout, "%-8s %-20s %s\n", c.Level, c.ID, c.Found)
			if c.Remedy != "" {
				fmt.Fprintf(e.stdout, "%-8s %-20s fix: %s\n", "", "", c.Remedy)
			}
		}
	}
	for _, c := range checks {
		if c.Level == "fault" {
			return fault.Machinef("this machine lacks something that a run needs: %s", c.ID).Remedy("%s", c.Remedy)
		}
	}
	return nil
}

// tools are what building and fetching need; a built binary that has its library needs none of them.
func (e *env) tools() []ort.Check {
	look := func(id, what, remedy string, names ...string) ort.Check {
		for _, n := range names {
			if p, err := exec.LookPath(n); err == nil {
				return ort.Check{ID: id, Level: "ok", Found: p}
			} else if !errors.Is(err, exec.ErrNotFound) {
				return ort.Check{ID: id, Level: "warning", Found: err.Error()}
			}
		}
		return ort.Check{ID: id, Level: "warning", Found: "not found: " + what, Remedy: remedy}
	}
	return []ort.Check{
		look("go", "only needed to build", "install Go 1.26 or newer", "go"),
		look("c-compiler", "only needed to build", "install gcc or clang", "gcc", "clang", "cc"),
		look("pip-or-npm", "only needed to fetch ONNX Runtime", "install Python with pip, or npm", "python3", "npm"),
	}
}

// lowMemory is what the demo needs (2.1 GB at its highest), with some room.
const lowMemory = 3 << 30

// memory is what this process may use by the machine and its control groups.
func memory() ort.Check {
	limit := ort.MemoryLimit()
	if limit == 0 {
		return ort.Check{ID: "memory", Level: ort.Warning, Found: "can't be told on this system"}
	}
	c := ort.Check{ID: "memory", Level: ort.OK, Found: fmt.Sprintf("%.1f GB", float64(limit)/1e9)}
	if limit < lowMemory {
		c.Level, c.Remedy = ort.Warning, "the demo needs about 2.1 GB: allow the process more, or run it on a larger machine"
	}
	return c
}

// lowDisk is what the demo needs, with some room.
const lowDisk = 1 << 30

func (e *env) disk() ort.Check {
	here, err := os.Getwd()
	if err != nil {
		return ort.Check{ID: "disk", Level: "warning", Found: err.Error()}
	}
	free, err := durable.Free(here)
	if err != nil {
		return ort.Check{ID: "disk", Level: "warning", Found: err.Error()}
	}
	c := ort.Check{ID: "disk", Level: "ok", Found: fmt.Sprintf("%.1f GB free in %s (%d cores used of %d)", float64(free)/1e9, here, ort.Threads(0), runtime.NumCPU())}
	if free < lowDisk {
		c.Level, c.Remedy = "warning", "the demo needs about 0.5 GB; choose another folder with --out"
	}
	return c
}
