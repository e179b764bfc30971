package subject

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cortexmap/internal/neuroio/neuroiotest"
)

// shared is a folder of the team's data beside the repository; without it the test is skipped.
func shared(t *testing.T, name string) string {
	root := os.Getenv("CORTEXMAP_SHARED")
	if root == "" {
		root = filepath.Join(neuroiotest.Root(t), "..", "shared", "data")
	}
	dir := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the recorded subject isn't here (its licence keeps it out of the repository): %v", err)
	}
	return dir
}

// The recorded macaque sessions as they lie, against numpy's numbers.
func TestRecordedSubjects(t *testing.T) {
	var golden map[string]struct {
		Images, Units int
		Sum, Weighted float64
		First, Last   []float32
		Trials        []int
		Ceiling       []float64
	}
	neuroiotest.Golden(t, "neural", &golden)
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			s, err := Open(context.Background(), shared(t, "neural/"+name), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Images.Len() != want.Images || s.Units != want.Units || len(s.Responses) != want.Images*want.Units {
				t.Fatalf("%d images and %d units, numpy reads %d and %d", s.Images.Len(), s.Units, want.Images, want.Units)
			}
			sum, weighted := 0.0, 0.0
			for i, x := range s.Responses {
				sum += float64(x)
				weighted += float64(x) * float64(i%97+1)
			}
			// The same float32 values summed in float64; only the order of adding differs.
			if math.Abs(sum-want.Sum) > 1e-9*want.Sum || math.Abs(weighted-want.Weighted) > 1e-9*want.Weighted {
				t.Errorf("sums %v and %v, numpy's %v and %v", sum, weighted, want.Sum, want.Weighted)
			}
			if !slices.Equal(s.Responses[:3], want.First) || !slices.Equal(s.Responses[len(s.Responses)-3:], want.Last) {
				t.Error("the first or last responses differ from numpy's")
			}
			if !slices.Equal(s.Trials, want.Trials) {
				t.Error("the numbers of trials differ from numpy's")
			}
			for u := range s.Units {
				got := float64(s.Ceiling[u])
				if want.Ceiling == nil != math.IsNaN(got) || want.Ceiling != nil && math.Abs(got-want.Ceiling[u]) > 1e-6 { // float32
					t.Errorf("the ceiling of unit %d is %v, numpy's %v", u, got, want.Ceiling)
				}
			}
			if len(s.Warnings) != 0 || s.Positions != nil || s.Images.Stimuli[0].Name != "image0001.jpg" || s.ROIs[s.Units-1][0] != "V4" {
				t.Errorf("warnings %v, first picture %s, regions %v", s.Warnings, s.Images.Stimuli[0].Name, s.ROIs[0])
			}
			if img, err := s.Images.Pixels(s.Images.Len() - 1); err != nil || img.W != 112 || img.H != 112 {
				t.Errorf("the last picture: %v", err)
			}
		})
	}
}
