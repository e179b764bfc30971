package extract

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// networks of testdata/onnx, made by build.py there.
var networks = []string{"vit", "resnet", "swin", "clip"}

// picture repeats build.py's: two pictures of white noise, [2, 3, 112, 112].
func picture() []float32 { return whiteNoise(2 * 3 * 112 * 112) }

// whiteNoise is n numbers from −1 to 1, those of build.py and zoo.py.
func whiteNoise(n int) []float32 {
	x := make([]float32, n)
	state := uint64(1)
	for i := range x {
		state = state*6364136223846793005 + 1442695040888963407
		x[i] = float32(float64(state>>40)/(1<<23) - 1)
	}
	return x
}

// goldenBlock is a block as PyTorch's forward hook saw it.
type goldenBlock struct {
	Name, Layout  string
	Width, Prefix int
	Grid          [2]int
}

func readGolden(t *testing.T, name, protocol string) (blocks []goldenBlock, tokens []float32) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testdata, "onnx", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &blocks); err != nil {
		t.Fatal(err)
	}
	return blocks, readFlat(t, filepath.Join(testdata, "onnx", name+"."+protocol+".npy"))
}

// readFlat reads a one-dimensional float32 .npy file.
func readFlat(t *testing.T, path string) (numbers []float32) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := 10 + int(binary.LittleEndian.Uint16(raw[8:])) // magic, version, length of the header
	for b := raw[head:]; len(b) >= 4; b = b[4:] {
		numbers = append(numbers, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return numbers
}

func openNetwork(t testing.TB, path string, o NetworkOptions) *Network {
	t.Helper()
	n, err := OpenNetwork(context.Background(), orttest.Runtime(t), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// runTaps runs pictures given in the network's own scale, and returns each layer's tokens [n, 65, D].
func runTaps(t *testing.T, rt *ort.Runtime, n *Network, x []float32, images int, protocol string) [][]float32 {
	t.Helper()
	e := &extraction{net: n, rt: rt, feed: n.feed, layers: n.Layers, o: RunOptions{Protocol: protocol}}
	e.stream = &stream{feed: n.feed, batch: images, outputs: e.outputs()}
	b := onnx.NewBuilder(n.Model.Opset())
	s, err := n.session(rt, b, e.taps(b), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	room := n.feed.room(images)
	for i := range images {
		room.set(i, x[i*n.feed.numbers():(i+1)*n.feed.numbers()])
	}
	half, _, err := e.runOnce(context.Background(), s, room, images, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for _, h := range half {
		f := make([]float32, len(h))
		store.FloatSlice(f, h)
		out = append(out, f)
	}
	return out
}

// What the taps give for the block outputs must be what PyTorch's forward hooks saw, brought to the fit grid
// in float64. Only binary16's rounding (2^-11 of a number) and float32 sums lie between: 1e-3 of the largest.
func TestTapsAgreeWithPyTorch(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, name := range networks {
		for _, export := range []string{"ts", "dyn", "stripped"} {
			n := openNetwork(t, filepath.Join(testdata, "onnx", name+"."+export+".onnx"), NetworkOptions{Layers: []string{"blocks"}})
			for _, protocol := range []string{Sound, Paper} {
				t.Run(fmt.Sprint(name, ".", export, ".", protocol), func(t *testing.T) {
					blocks, want := readGolden(t, name, protocol)
					var found []goldenBlock
					for i, l := range n.Layers {
						found = append(found, goldenBlock{blocks[min(i, len(blocks)-1)].Name, l.Layout, l.Width, l.Prefix, l.Grid})
					}
					if d := cmp.Diff(blocks, found); d != "" {
						t.Fatal(d)
					}
					for i, got := range runTaps(t, rt, n, picture(), 2, protocol) {
						if d := relative(got, want[:len(got)]); d > 1e-3 {
							t.Errorf("%s: tokens differ by %.1e of the largest", blocks[i].Name, d)
						}
						want = want[len(got):]
					}
				})
			}
		}
	}
}

func TestGlobalToken(t *testing.T) {
	for name, want := range map[string]string{"vit": GlobalCLS, "clip": GlobalCLS, "resnet": GlobalMean, "swin": GlobalMean} {
		n := openNetwork(t, filepath.Join(testdata, "onnx", name+".ts.onnx"), NetworkOptions{})
		for _, l := range n.Layers {
			if l.Global != want {
				t.Errorf("%s %s: global token is %s, want %s", name, l.Name, l.Global, want)
			}
		}
	}
}
