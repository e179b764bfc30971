package ort

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Placement is a folder into which a session with Options.Profile writes what ran where.
type Placement struct{ dir string }

// NewPlacement makes the folder, a temporary one.
func NewPlacement() (*Placement, error) {
	dir, err := os.MkdirTemp("", "cortexmap-profile-")
	if err != nil {
		return nil, durable.Explain(err, os.TempDir())
	}
	return &Placement{dir}, nil
}

// Prefix is what Options.Profile wants.
func (p *Placement) Prefix() string { return filepath.Join(p.dir, "run") }

// Close removes the folder.
func (p *Placement) Close() { os.RemoveAll(p.dir) }

// Nodes counts, for every provider, the nodes of the optimised graph that it ran, each once however often it ran. The
// session must be closed: only then does the library write its profile, a list of events in Chrome's trace format, of which
// those of category Node named *_kernel_time have args.provider.
func (p *Placement) Nodes() (map[string]int, error) {
	files, err := filepath.Glob(p.Prefix() + "*.json")
	if err != nil || len(files) != 1 {
		return nil, fault.Machinef("ONNX Runtime left %d profiles of what ran where, 1 is expected", len(files)).In("%s", p.dir).
			Remedy("make room in the folder for temporary files (TMPDIR)")
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return nil, durable.Explain(err, files[0])
	}
	var events []struct {
		Category string `json:"cat"`
		Name     string `json:"name"`
		Args     struct {
			Provider string `json:"provider"`
		} `json:"args"`
	}
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, fault.Machinef("ONNX Runtime's profile is not what it was: %w", err).In("%s", files[0])
	}
	seen, nodes := map[string]bool{}, map[string]int{}
	for _, e := range events {
		if e.Category != "Node" || !strings.HasSuffix(e.Name, "_kernel_time") || e.Args.Provider == "" || seen[e.Name] {
			continue
		}
		seen[e.Name] = true
		nodes[e.Args.Provider]++
	}
	return nodes, nil
}
