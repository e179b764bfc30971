package subject

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
)

var demoFS = os.DirFS(filepath.Join("..", "..", "testdata", "demo"))

func simulated(t *testing.T, o SimOptions) (*Subject, *cortex.Geometry) {
	t.Helper()
	s, g, err := Simulated(demoFS, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, g
}

func TestSimulatedIsWhole(t *testing.T) {
	s, g := simulated(t, SimOptions{Seed: 1, PerPhoto: 3})
	if s.Units != 2790 || s.Images.Len() != 3*282 || !s.Simulated || s.Responses != nil || s.Surface != "fsaverage5" || s.Geometry != g {
		t.Fatalf("%d units, %d pictures, simulated %v, responses %d, %s", s.Units, s.Images.Len(), s.Simulated, len(s.Responses), s.Surface)
	}
	counts := map[string]int{}
	for u := range s.Units {
		if len(s.ROIs[u]) != 1 {
			t.Fatalf("unit %d has the regions %v", u, s.ROIs[u])
		}
		counts[s.Hemi[u]+" "+s.ROIs[u][0]]++
		if u > 0 && !(s.Hemi[u-1] < s.Hemi[u] || s.Hemi[u-1] == s.Hemi[u] && s.Vertex[u-1] < s.Vertex[u]) {
			t.Fatalf("unit %d doesn't follow unit %d: lh first, ascending", u, u-1)
		}
	}
	if counts["lh glasser_360/V1"] != 284 || counts["rh glasser_360/V1"] != 299 || len(counts) != 60 {
		t.Errorf("V1 has %d and %d units, there are %d areas", counts["lh glasser_360/V1"], counts["rh glasser_360/V1"], len(counts))
	}
	var names []string
	areas := 0
	for _, l := range s.Hierarchy {
		names = append(names, l.Name)
		areas += len(l.ROIs)
	}
	if want := "V1 V2 V3 V4 level 5 level 6 level 7"; strings.Join(names, " ") != want || areas != 30 {
		t.Errorf("the hierarchy is %v with %d areas, want %s with 30", names, areas, want)
	}
	for u, p := range s.Positions {
		sphere := g.Hemi(s.Hemi[u]).Sphere.Points[s.Vertex[u]]
		if s.Hemi[u] == "lh" && p != sphere || s.Hemi[u] == "rh" && (p[0]-sphere[0] < 299 || p[1] != sphere[1]) {
			t.Fatalf("unit %d lies at %v, its vertex at %v of the sphere", u, p, sphere)
		}
	}
	for n, photo := range s.Photo {
		if photo == "" || photo != s.Photo[n/3*3] || n%3 == 0 && n > 0 && photo == s.Photo[n-1] {
			t.Fatalf("picture %d has the photograph %q", n, photo)
		}
	}
}

func TestSimulatedPart(t *testing.T) {
	all, g := simulated(t, SimOptions{Photos: 2})
	s, _ := simulated(t, SimOptions{Photos: 2, MaxVertices: 600})
	again, _ := simulated(t, SimOptions{Photos: 2, MaxVertices: 600})
	if s.Units != 600 || s.Images.Len() != 2 {
		t.Fatalf("%d units, %d pictures", s.Units, s.Images.Len())
	}
	if !reflect.DeepEqual(s.Vertex, again.Vertex) || s.Digest != again.Digest || s.Digest == all.Digest {
		t.Error("the part isn't the same twice, or has the whole's digest")
	}
	count := func(s *Subject, roi, hemi string) (n int) {
		for u := range s.Units {
			if s.Hemi[u] == hemi && s.ROIs[u][0] == roi {
				n++
			}
		}
		return n
	}
	for _, l := range all.Hierarchy {
		for _, roi := range l.ROIs {
			for _, hemi := range cortex.Sides {
				// Largest remainder: the proportional number, rounded down or up.
				want := float64(count(all, roi, hemi)) * 600 / 2790
				if got := float64(count(s, roi, hemi)); math.Abs(got-want) >= 1 {
					t.Errorf("%s of %s has %v units, its share is %.2f", roi, hemi, got, want)
				}
			}
		}
	}
	// Evenly spread: every V1 vertex of lh has a chosen one near. 61 chosen of 284 on a sphere of radius 100
	// cover about 4.7 vertices each, whose spacing is about 3.5 mm; farthest-first leaves none 10 mm off.
	sphere := g.Hemis[0].Sphere
	for u := range all.Units {
		if all.Hemi[u] != "lh" || all.ROIs[u][0] != "glasser_360/V1" {
			continue
		}
		nearest := math.Inf(1)
		for k := range s.Units {
			if s.Hemi[k] == "lh" && s.ROIs[k][0] == "glasser_360/V1" {
				nearest = min(nearest, math.Sqrt(float64(squared(sphere.Points[all.Vertex[u]], sphere.Points[s.Vertex[k]]))))
			}
		}
		if nearest > 10 {
			t.Errorf("vertex %d is %.1f mm from every chosen one", all.Vertex[u], nearest)
		}
	}
}

func TestSpread(t *testing.T) {
	line := &cortex.Surface{}
	for x := range 11 {
		line.Points = append(line.Points, [3]float32{float32(x), 0, 0})
	}
	all := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for n, want := range map[int][]int32{0: nil, 1: {5}, 3: {0, 5, 10}, 5: {0, 2, 5, 7, 10}, 11: all} {
		if got := spread(line, all, n); !slices.Equal(got, want) {
			t.Errorf("%d of eleven on a line: %v, want %v", n, got, want)
		}
	}
}
