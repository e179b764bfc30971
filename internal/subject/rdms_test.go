package subject

import (
	"errors"
	"math"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

// dissimilar is a symmetric matrix of five pictures.
func dissimilar(add float32) []float32 {
	out := make([]float32, nPictures*nPictures)
	for i := range nPictures {
		for j := range nPictures {
			if i != j {
				out[i*nPictures+j] = float32(min(i, j)*10+max(i, j)) + add
			}
		}
	}
	return out
}

// withRDMs is a folder of pictures and dissimilarities, without responses.
func withRDMs(data []float32, shape ...int) tree {
	f := plain().with("responses.npy", nil).with("it.npy", array(data, shape...))
	return f.with("subject.yaml", []byte("format: 1\nname: alike\nimages: {folder: images}\nrdms:\n  - {file: it.npy, roi: IT}\n"))
}

func TestRDMs(t *testing.T) {
	one := dissimilar(0)
	s := withRDMs(one, 5, 5).mustOpen(t)
	if len(s.RDMs) != 1 || s.RDMs[0].ROI != "IT" || len(s.RDMs[0].People) != 1 || s.Responses != nil || s.Units != 0 {
		t.Fatalf("%+v", s.RDMs)
	}
	want := []float64{1, 2, 3, 4, 12, 13, 14, 23, 24, 34}
	for k, x := range s.RDMs[0].People[0] {
		if x != want[k] {
			t.Errorf("pair %d is %v, want %v", k, x, want[k])
		}
	}
	two := withRDMs(append(one, dissimilar(1)...), 2, 5, 5).mustOpen(t)
	if n := len(two.RDMs[0].People); n != 2 || two.RDMs[0].People[1][0] != 2 || two.Digest == s.Digest {
		t.Errorf("two people are %d", n)
	}
	sessions := withRDMs(append(one, dissimilar(1)...), 1, 2, 5, 5).mustOpen(t)
	if p := sessions.RDMs[0].People; len(p) != 1 || p[0][0] != 1.5 {
		t.Errorf("sessions are not averaged: %v", p)
	}
	gap := dissimilar(0)
	gap[1], gap[5] = float32(math.NaN()), float32(math.NaN())
	if p := withRDMs(gap, 5, 5).mustOpen(t).RDMs[0].People[0]; !math.IsNaN(p[0]) || p[1] != 2 {
		t.Errorf("a missing pair is %v", p[0])
	}
}

func TestRDMsRefused(t *testing.T) {
	lopsided := dissimilar(0)
	lopsided[1] = 99
	infinite := dissimilar(0)
	infinite[1], infinite[5] = float32(math.Inf(1)), float32(math.Inf(1))
	good := withRDMs(dissimilar(0), 5, 5)
	for want, f := range map[string]tree{
		"it has 4 pictures, 5 are listed":         withRDMs(make([]float32, 16), 4, 4),
		"its shape is [5 2]":                      withRDMs(make([]float32, 10), 5, 2),
		"not symmetric: [0, 1] is 99":             withRDMs(lopsided, 5, 5),
		"pictures 0 and 1 is infinite":            withRDMs(infinite, 5, 5),
		"responses: it belongs to responses":      good.more("responses: {file: responses.npy}\n"),
		"names no file":                           good.yaml(t, "\n  - {file: it.npy, roi: IT}", " []"),
		"a file and the region's name are needed": good.yaml(t, ", roi: IT", ""),
		"stands twice":                            good.more("  - {file: it.npy, roi: IT}\n"),
	} {
		_, err := f.open(t)
		var e *fault.Error
		if !errors.As(err, &e) || e.Class != fault.Input || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
