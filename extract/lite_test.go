package extract

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
)

// sharedData is the folder with what the repository may not hold, testdata/README.md says how to get it.
func sharedData(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("CORTEXMAP_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s in the shared folder: it is not in the repository, for its licence", name)
	}
	return path
}

// classes runs the network on pictures and returns the class with the largest output for each.
func classes(t *testing.T, net *Network, set *stimuli.Set, rows []int) []int {
	t.Helper()
	b := onnx.NewBuilder(net.Model.Opset())
	threads := ort.Threads(0)
	s, err := net.session(orttest.Runtime(t), b, ownOutputs(b, &net.Model.Graph), threads)
	if err != nil {
		t.Fatal(err)
	}
	x := &extraction{net: net, feed: net.feed}
	x.stream = &stream{feed: net.feed, set: set, batch: 1}
	defer s.Close()
	room := net.feed.room(1)
	var best []int
	for _, row := range rows {
		img, err := set.Pixels(row)
		if err != nil {
			t.Fatal(err)
		}
		room.put(0, img)
		_, own, err := x.runOnce(context.Background(), s, room, 1, false, 1)
		if err != nil {
			t.Fatal(err)
		}
		best = append(best, slices.Index(own[0], slices.Max(own[0])))
	}
	return best
}

// EfficientNet-Lite must recognise as many of the 1,000 pictures as where its weights come from, measured with Pillow
// and the network's own preprocessing. All of them are tried with CORTEXMAP_LONG=1, and must agree to a point; else every
// fifth for Lite0 alone, with three standard deviations of a binomial sample of 200 (0.072): that would still notice wrong
// colours or another network's statistics on most pictures, no more.
func TestLiteAccuracy(t *testing.T) {
	dir := sharedData(t, "images1000")
	set := pictureSet(t, os.DirFS(dir))
	if set.Len() != 1000 {
		t.Fatalf("%d pictures, 1000 are expected", set.Len())
	}
	long := os.Getenv("CORTEXMAP_LONG") != ""
	for _, c := range []struct {
		name  string
		known float64
	}{{"lite0", 0.866}, {"lite1", 0.881}, {"lite2", 0.877}} {
		t.Run(c.name, func(t *testing.T) {
			path, step, limit := filepath.Join(testdata, "demo", "lite0.onnx"), 5, 3*math.Sqrt(c.known*(1-c.known)/200)
			if c.name != "lite0" {
				if !long {
					t.Skip("CORTEXMAP_LONG is not set")
				}
				path = dataModel(t, c.name+".onnx")
			}
			if long {
				step, limit = 1, 0.01
			}
			net := openNetwork(t, path, NetworkOptions{Layers: []string{"block1"}})
			var rows []int
			for row := 0; row < set.Len(); row += step {
				rows = append(rows, row) // names sort by class: the row is the class
			}
			right := 0
			for i, class := range classes(t, net, set, rows) {
				if class == rows[i] {
					right++
				}
			}
			top := float64(right) / float64(len(rows))
			t.Logf("top-1 %.3f on %d pictures", top, len(rows))
			if math.Abs(top-c.known) > limit {
				t.Errorf("top-1 is %.3f on %d pictures, %.3f ± %.3f is expected", top, len(rows), c.known, limit)
			}
		})
	}
}
