package ort_test

import (
	"maps"
	"os"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

// A product that ran three times is one node of the CPU's; without a profile there is nothing to count.
func TestPlacement(t *testing.T) {
	rt := orttest.Runtime(t)
	t.Setenv("TMPDIR", t.TempDir())
	p, err := ort.NewPlacement()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Nodes(); fault.ClassOf(err) != fault.Machine {
		t.Errorf("before anything ran: %v", err)
	}
	s, err := rt.Open(product(), []string{"x", "w"}, []string{"y"}, ort.Options{Threads: 1, Profile: p.Prefix()})
	if err != nil {
		t.Fatal(err)
	}
	x, w, y := f32(t, []float32{1, 2}, 1, 2), f32(t, []float32{3, 4}, 2, 1), f32(t, make([]float32, 1), 1, 1)
	for range 3 {
		if err := s.Run(t.Context(), tensors(x, w), tensors(y)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	nodes, err := p.Nodes()
	if err != nil || !maps.Equal(nodes, map[string]int{"CPUExecutionProvider": 1}) {
		t.Errorf("nodes are %v, %v", nodes, err)
	}
	p.Close()
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
