package extract

import (
	"context"
	"fmt"
	"math"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
)

// Readout is how some units see one layer on its native grid.
type Readout struct {
	Layer    int       // index among the network's layers
	Units    int       // V_l
	Field    []float32 // receptive fields, [H·W, V_l] row-major; cells row by row from the top left
	Channels []float32 // weights of channels, [D, V_l]
}

// ChannelStats are a layer's channels over images, [D] each: mean and standard deviation (of the population)
// over every cell of the native grid, and of the global token.
type ChannelStats struct{ Mean, SD, GlobalMean, GlobalSD []float64 }

// Statistics measures every layer's channels over the images rows of set (nil: all). The deviation comes
// from E[x²] − E[x]², summed in float32 over an image's cells and in float64 over images, so it is rough
// where it is below a thousandth of the mean.
func Statistics(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, rows []int) ([]ChannelStats, error) {
	b := onnx.NewBuilder(net.Model.Opset())
	var names []string
	var outputs []output
	for _, l := range net.Layers {
		mean, square, global := net.tap(b, l).means()
		for _, name := range []string{mean, square, global} {
			names = append(names, published(b, name))
			outputs = append(outputs, output{dims: []int64{int64(l.Width)}})
		}
	}
	sums := make([]moments, 3*len(net.Layers))
	for i := range sums {
		sums[i] = newMoments(int(outputs[i].dims[0]))
	}
	n := 0
	err := net.streamNative(ctx, rt, set, rows, b, names, outputs, func(r *result) error {
		n += len(r.rows)
		for i := range sums {
			sums[i].add(r.full[i], len(r.rows))
		}
		return nil
	})
	if err != nil {
		return nil, net.placed(err)
	}
	stats := make([]ChannelStats, len(net.Layers))
	for i := range stats {
		mean, square, global := sums[3*i], sums[3*i+1], sums[3*i+2]
		stats[i].Mean, stats[i].SD = deviation(mean.sum, square.sum, n)
		stats[i].GlobalMean, stats[i].GlobalSD = deviation(global.sum, global.squares, n)
	}
	return stats, nil
}

// published makes an output of a tensor; two outputs may show the same one, so it gets a name of its own.
func published(b *onnx.Builder, tensor string) string {
	out := b.Op("Identity", []string{tensor})
	b.Output(out, onnx.Undefined)
	return out
}

// moments are sums over images, [D].
type moments struct{ sum, squares []float64 }

func newMoments(d int) moments { return moments{make([]float64, d), make([]float64, d)} }

func (m moments) add(x []float32, images int) {
	d := len(m.sum)
	for i, v := range x[:images*d] {
		m.sum[i%d] += float64(v)
		m.squares[i%d] += float64(v) * float64(v)
	}
}

// deviation turns sums over n values into mean and population deviation.
func deviation(sum, squares []float64, n int) (mean, sd []float64) {
	mean, sd = make([]float64, len(sum)), make([]float64, len(sum))
	for i := range sum {
		mean[i] = sum[i] / float64(n)
		sd[i] = math.Sqrt(max(0, squares[i]/float64(n)-mean[i]*mean[i]))
	}
	return mean, sd
}

// ReadOut computes what units see of layers on their native grids:
//
//	local[n,v] = Σ_d C[d,v] Σ_hw F[hw,v] z[n,d,hw]
//	global[n,v] = Σ_d C[d,v] g[n,d]
//
// z      a layer's grid tokens, [N, D, H·W]; g its global token, [N, D]; neither leaves the graph
// local  one slice for each readout, [N, V_l] in the set's order, and global alike
//
// Nodes for the products are appended to the network's graph, so the pass costs little more than the bare
// forward pass, and memory doesn't grow with the grids. It panics if a readout's lengths don't fit its layer.
func ReadOut(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, readouts []Readout, progress func(done, total int)) (local, global [][]float32, err error) {
	b := onnx.NewBuilder(net.Model.Opset())
	var names []string
	var outputs []output
	for _, r := range readouts {
		r.check(net)
		l, g := net.tap(b, net.Layers[r.Layer]).readOut(r)
		names = append(names, published(b, l), published(b, g))
		o := output{dims: []int64{int64(r.Units)}}
		outputs = append(outputs, o, o)
		local = append(local, make([]float32, set.Len()*r.Units))
		global = append(global, make([]float32, set.Len()*r.Units))
	}
	done := 0
	err = net.streamNative(ctx, rt, set, nil, b, names, outputs, func(r *result) error {
		for i, out := range readouts {
			v := out.Units
			for k, row := range r.rows {
				copy(local[i][row*v:(row+1)*v], r.full[2*i][k*v:(k+1)*v])
				copy(global[i][row*v:(row+1)*v], r.full[2*i+1][k*v:(k+1)*v])
			}
		}
		if done += len(r.rows); progress != nil {
			progress(done, set.Len())
		}
		return nil
	})
	if err != nil {
		return nil, nil, net.placed(err)
	}
	return local, global, nil
}

func (r Readout) check(net *Network) {
	l := net.Layers[r.Layer]
	if cells := l.Grid[0] * l.Grid[1]; r.Units < 1 || len(r.Field) != cells*r.Units || len(r.Channels) != l.Width*r.Units {
		panic(fmt.Sprintf("extract: readout of layer %d: %d fields and %d channels for %d units, %d cells and width %d", r.Layer, len(r.Field), len(r.Channels), r.Units, cells, l.Width))
	}
}

// streamNative runs pictures through the network with nodes of our own. A picture that can't be decoded is
// an error.
func (n *Network) streamNative(ctx context.Context, rt *ort.Runtime, set *stimuli.Set, rows []int, b *onnx.Builder, names []string, outputs []output, sink func(*result) error) error {
	threads := ort.Threads(n.threads)
	sessions, err := n.sessions(rt, b, names, threads)
	if err != nil {
		return err
	}
	if rows == nil {
		rows = span(0, set.Len())
	}
	s := &stream{feed: n.feed, set: set, sessions: sessions, outputs: outputs, batch: n.batch(0), workers: threads}
	defer s.close()
	return s.run(ctx, rows, sink)
}
