package extract

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
)

// nativeTokens are a picture's tokens of every layer as the untapped graph gives them: grid [H·W, D] and
// global [D], in float64.
func nativeTokens(t *testing.T, net *Network, set *stimuli.Set, row int) (grid [][]float64, global [][]float64) {
	t.Helper()
	var candidates []Candidate
	for _, l := range net.Layers {
		candidates = append(candidates, Candidate{Tensor: l.Tensor})
	}
	p, err := net.newProbe(orttest.Runtime(t), candidates, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.session.Close()
	img, err := set.Pixels(row)
	if err != nil {
		t.Fatal(err)
	}
	room := net.feed.room(1)
	room.put(0, img)
	raws, err := p.run(context.Background(), room.f32, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range net.Layers {
		as := layout{l.Layout, l.Grid[0], l.Grid[1], l.Prefix, l.Width}
		cells := as.h * as.w
		z, g := make([]float64, cells*l.Width), make([]float64, l.Width)
		for cell := range cells {
			start, step := as.token(as.prefix+cell, 1)
			for d := range l.Width {
				z[cell*l.Width+d] = float64(raws[i].data[start+d*step])
				g[d] += z[cell*l.Width+d] / float64(cells)
			}
		}
		if l.Global == GlobalCLS {
			start, step := as.token(0, 1)
			for d := range l.Width {
				g[d] = float64(raws[i].data[start+d*step])
			}
		}
		grid, global = append(grid, z), append(global, g)
	}
	return grid, global
}

// close64 bounds the difference of a float32 sum from the float64 one, of the largest: sums of up to a few
// thousand products, each rounded to 6e-8 of itself.
const close64 = 2e-5

// The graph's readouts must be the plain double sum over cells and channels.
func TestReadOutAgainstLoops(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, name := range networks {
		t.Run(name, func(t *testing.T) {
			net := fixture(t, name+".ts.onnx")
			set := pictureSet(t, pictureFiles(t, 3))
			r := rand.New(rand.NewPCG(1, 1))
			var readouts []Readout
			for l, layer := range net.Layers {
				o := Readout{Layer: l, Units: 2 + l}
				o.Field = make([]float32, layer.Grid[0]*layer.Grid[1]*o.Units)
				o.Channels = make([]float32, layer.Width*o.Units)
				for i := range o.Field {
					o.Field[i] = r.Float32()
				}
				for i := range o.Channels {
					o.Channels[i] = float32(r.NormFloat64())
				}
				readouts = append(readouts, o)
			}
			local, global, err := ReadOut(context.Background(), rt, net, set, readouts, nil)
			if err != nil {
				t.Fatal(err)
			}
			for row := range set.Len() {
				z, g := nativeTokens(t, net, set, row)
				for i, o := range readouts {
					wantLocal, wantGlobal := plainReadOut(o, z[i], g[i])
					v := o.Units
					if d := relative64(local[i][row*v:(row+1)*v], wantLocal); d > close64 {
						t.Errorf("picture %d, layer %d: local differs by %.1e", row, i, d)
					}
					if d := relative64(global[i][row*v:(row+1)*v], wantGlobal); d > close64 {
						t.Errorf("picture %d, layer %d: global differs by %.1e", row, i, d)
					}
				}
			}
		})
	}
}

// plainReadOut is the definition of ReadOut for one picture: z [H·W, D], g [D].
func plainReadOut(o Readout, z, g []float64) (local, global []float64) {
	local, global = make([]float64, o.Units), make([]float64, o.Units)
	for d := range g {
		for v := range o.Units {
			c := float64(o.Channels[d*o.Units+v])
			seen := 0.0
			for cell := range len(z) / len(g) {
				seen += float64(o.Field[cell*o.Units+v]) * z[cell*len(g)+d]
			}
			local[v] += c * seen
			global[v] += c * g[d]
		}
	}
	return local, global
}

func relative64(got []float32, want []float64) float64 {
	most, largest := 0.0, 0.0
	for i, w := range want {
		most, largest = max(most, math.Abs(float64(got[i])-w)), max(largest, math.Abs(w))
	}
	return most / largest
}

func TestStatisticsAgainstLoops(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, name := range networks {
		net := fixture(t, name+".ts.onnx")
		set := pictureSet(t, pictureFiles(t, 4))
		rows := []int{0, 2, 3}
		stats, err := Statistics(context.Background(), rt, net, set, rows)
		if err != nil {
			t.Fatal(err)
		}
		for l, layer := range net.Layers {
			var local, global [][]float64 // [values][D]
			for _, row := range rows {
				z, g := nativeTokens(t, net, set, row)
				for cell := range len(z[l]) / layer.Width {
					local = append(local, z[l][cell*layer.Width:(cell+1)*layer.Width])
				}
				global = append(global, g[l])
			}
			for what, pair := range map[string][2][]float64{"mean": {stats[l].Mean, stats[l].SD}, "global": {stats[l].GlobalMean, stats[l].GlobalSD}} {
				values := local
				if what == "global" {
					values = global
				}
				mean, sd := plainMoments(values)
				for d := range mean {
					scale := sd[d] + math.Abs(mean[d])
					if math.Abs(pair[0][d]-mean[d]) > close64*scale || math.Abs(pair[1][d]-sd[d]) > 1e-3*scale { // the deviation is a difference of squares
						t.Errorf("%s layer %d channel %d %s: got %v ± %v, want %v ± %v", name, l, d, what, pair[0][d], pair[1][d], mean[d], sd[d])
						return
					}
				}
			}
		}
	}
}

func plainMoments(values [][]float64) (mean, sd []float64) {
	d := len(values[0])
	mean, sd = make([]float64, d), make([]float64, d)
	for _, v := range values {
		for i := range v {
			mean[i] += v[i] / float64(len(values))
		}
	}
	for _, v := range values {
		for i := range v {
			sd[i] += (v[i] - mean[i]) * (v[i] - mean[i]) / float64(len(values))
		}
	}
	for i := range sd {
		sd[i] = math.Sqrt(sd[i])
	}
	return mean, sd
}

func ExampleFindLayers() {
	net, err := OpenNetwork(context.Background(), nil, filepath.Join(testdata, "onnx", "vit.ts.onnx"), NetworkOptions{NoRun: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range net.Found[:3] {
		fmt.Println(c.Name, "-", c.Kind, "-", c.Why)
	}
	// Output:
	// stem - stem - everything before the first block
	// encoder_layer_0 - block - residual sum around 4 × matrix product, 2 × product of activations, 1 × softmax
	// encoder_layer_1 - block - residual sum around 4 × matrix product, 2 × product of activations, 1 × softmax
}
