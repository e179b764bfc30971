package extract

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/mat"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// componentImages is the most pictures that components are fitted on, spread evenly over the training ones: 2,048
// pictures have 131,072 local tokens a layer, many more than a layer has channels.
const componentImages = 2048

// basis is what a layer's tokens are projected on: of its local tokens and of its global one apart, since a class
// token has a mean and a covariance of its own.
//
//	stored = (token − mean) · axes      mean [D], axes [D, K], columns orthonormal, largest variance first
//
// An axis' sign is that which makes its largest weight positive. A layer of K channels or fewer is kept as it is:
// its basis has no axes.
type basis struct {
	local, global projection
}

type projection struct {
	mean []float32 // [D]
	axes []float32 // [D, K] row-major
}

// StoredLayers are a network's layers as they are stored where K components are kept: K wide at most. 0 keeps all.
func StoredLayers(layers []store.Layer, k int) []store.Layer {
	out := append([]store.Layer(nil), layers...)
	for i := range out {
		if k > 0 {
			out[i].Width = min(out[i].Width, k)
		}
	}
	return out
}

// projected adds the nodes that keep the components of fitted tokens x [N, g²+1, D]: float32 [N, g²+1, K].
func (t tap) projected(x string, g int, b basis) string {
	if b.local.axes == nil {
		return x
	}
	local := t.project(t.tokensFrom(x, 0, g*g), b.local)
	global := t.project(t.tokensFrom(x, g*g, g*g+1), b.global)
	return t.Op("Concat", []string{local, global}, onnx.Int("axis", 1))
}

// tokensFrom is a part of [N, tokens, D].
func (t tap) tokensFrom(x string, from, to int) string {
	index := make([]int64, to-from)
	for i := range index {
		index[i] = int64(from + i)
	}
	return t.Op("Gather", []string{x, t.ConstI64(index, int64(len(index)))}, onnx.Int("axis", 1))
}

func (t tap) project(x string, p projection) string {
	d := int64(t.layer.Width)
	minus := make([]float32, d)
	for i, m := range p.mean {
		minus[i] = -m
	}
	centred := t.Op("Add", []string{x, t.ConstF32(minus, d)})
	return t.matmul(centred, t.ConstF32(p.axes, d, int64(len(p.axes))/d))
}

// gram adds [D+1, D+1], the products of channels summed over the images and the chosen tokens, with a channel of
// ones behind them: so the last row is the channels' sums, and the last number how many tokens there were.
func (t tap) gram(x string, from, to int) string {
	d := int64(t.layer.Width)
	flat := t.reshape(t.tokensFrom(x, from, to), -1, d)
	zero := t.Op("Mul", []string{t.Op("Gather", []string{flat, t.ConstI64([]int64{0}, 1)}, onnx.Int("axis", 1)), t.Scalar(0)})
	ones := t.Op("Add", []string{zero, t.Scalar(1)})
	with := t.Op("Concat", []string{flat, ones}, onnx.Int("axis", 1))
	out := t.matmul(t.Op("Transpose", []string{with}, onnx.Ints("perm", 1, 0)), with)
	t.Output(out, onnx.Undefined)
	return out
}

// Names of what an unfinished store keeps of its components, and of a layer's basis in its folder.
const (
	keptName  = ".components"
	basisName = "components.npy"
)

// componentBasis fits every layer's components on training pictures, or reads what an interrupted run has fitted.
func (x *extraction) componentBasis(ctx context.Context) error {
	if x.o.Components <= 0 {
		return nil
	}
	if x.net.Model.Opset() < 7 {
		return fault.Inputf("extract.components needs a network of opset 7 or newer, this one has %d", x.net.Model.Opset()).Remedy("export it anew")
	}
	if x.readBasis() {
		return nil
	}
	rows := thinned(x.o.Train, componentImages)
	if f := int(x.feed.frozen); f > 1 {
		rows = rows[:len(rows)/f*f]
	}
	if len(rows) <= x.o.Components {
		return fault.Inputf("extract.components: %d components can't be fitted on %d training pictures", x.o.Components, len(rows)).
			Remedy("keep fewer components, or none")
	}
	grams, err := x.grams(ctx, rows)
	if err != nil {
		return err
	}
	x.kept = &store.Components{Number: x.o.Components, Images: len(rows)}
	for i, l := range x.net.Layers {
		share := store.ComponentShare{Name: l.Name, Width: l.Width, Kept: x.layers[i].Width, Local: 1, Global: 1}
		b := basis{}
		if share.Kept < l.Width {
			if b.local, share.Local, err = principal(grams[2*i], l.Width, share.Kept); err == nil {
				b.global, share.Global, err = principal(grams[2*i+1], l.Width, share.Kept)
			}
			if err != nil {
				return fault.Inputf("layer %s: its components can't be found: %w", l.Name, err).In("%s", x.net.Path).
					Remedy("leave the layer out with extract.layers, or extract.components")
			}
		}
		x.basis = append(x.basis, b)
		x.kept.Layers = append(x.kept.Layers, share)
		if x.o.Log != nil {
			x.o.Log.Info("components", "layer", l.Name, "kept", share.Kept, "of", l.Width, "variance_local", share.Local, "variance_global", share.Global)
		}
	}
	return x.writeBasis()
}

// thinned are n of the rows at most, spread evenly.
func thinned(rows []int, n int) []int {
	if len(rows) <= n {
		return rows
	}
	out := make([]int, n)
	for i := range out {
		out[i] = rows[i*len(rows)/n]
	}
	return out
}

// grams are every layer's sums of products over the pictures, of local tokens and of global ones, [D+1, D+1] each.
// They are float32 within a batch and float64 over batches.
func (x *extraction) grams(ctx context.Context, rows []int) ([][]float64, error) {
	b := onnx.NewBuilder(x.net.Model.Opset())
	g := x.o.grid()
	var names []string
	var sums [][]float64
	for _, l := range x.net.Layers {
		t := x.net.tap(b, l)
		tokens := t.fitted(g, x.o.protocol())
		names = append(names, t.gram(tokens, 0, g*g), t.gram(tokens, g*g, g*g+1))
		n := (l.Width + 1) * (l.Width + 1)
		sums = append(sums, make([]float64, n), make([]float64, n))
	}
	s, err := x.net.session(x.rt, b, names, x.threads)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	batch := x.net.batch(x.o.Batch)
	room := x.feed.room(batch)
	for at := 0; at < len(rows); at += batch {
		these := rows[at:min(at+batch, len(rows))]
		n, err := x.decodeInto(ctx, room, these)
		if err != nil {
			return nil, err
		}
		if err := x.addGrams(ctx, s, room, n, sums); err != nil {
			return nil, err
		}
		if x.o.Progress != nil {
			x.o.Progress(min(at+batch, len(rows))*x.set.Len()/len(rows)/10, x.set.Len()) // a tenth of the bar, roughly its share
		}
	}
	return sums, nil
}

// decodeInto fills room with the pictures that can be decoded, and returns their number.
func (x *extraction) decodeInto(ctx context.Context, room *pictures, rows []int) (int, error) {
	errs := make([]error, len(rows))
	var g errgroup.Group
	g.SetLimit(x.threads)
	for i, row := range rows {
		g.Go(func() error {
			img, err := x.set.Pixels(row)
			if err == nil {
				room.put(i, img)
			}
			errs[i] = err
			return nil
		})
	}
	g.Wait()
	n := 0
	for i, err := range errs {
		if err != nil && !x.o.KeepGoing {
			return 0, err
		}
		if err == nil {
			if n < i {
				room.move(n, i)
			}
			n++
		}
	}
	if n < int(x.feed.frozen) { // a copy of a picture would count twice
		n = 0
	}
	return n, ctx.Err()
}

func (x *extraction) addGrams(ctx context.Context, s *ort.Session, room *pictures, n int, sums [][]float64) error {
	if n == 0 {
		return nil
	}
	in, err := room.tensors(n)
	if err != nil {
		return err
	}
	defer closeAll(in)
	out := make([]*ort.Tensor, len(sums))
	if err := s.Run(ctx, in, out); err != nil {
		return err
	}
	defer closeAll(out)
	for i, t := range out {
		for j, v := range t.F32() {
			sums[i][j] += float64(v)
		}
	}
	return nil
}

var errNotFinite = errors.New("a value is infinite or not a number")

// principal finds the k first axes of a Gram matrix [D+1, D+1], and the share of the variance that they keep.
func principal(gram []float64, d, k int) (p projection, share float64, err error) {
	n := gram[len(gram)-1]
	p.mean = make([]float32, d)
	c := mat.NewSymDense(d, nil)
	total := 0.0
	for i := range d {
		mi := gram[d*(d+1)+i] / n
		p.mean[i] = float32(mi)
		for j := i; j < d; j++ {
			v := gram[i*(d+1)+j]/n - mi*gram[d*(d+1)+j]/n
			if !finite(v) {
				return p, 0, errNotFinite
			}
			c.SetSym(i, j, v)
		}
		total += c.At(i, i)
	}
	var e mat.EigenSym
	if !e.Factorize(c, true) {
		return p, 0, errors.New("the eigenvalues don't converge")
	}
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	values := e.Values(nil) // ascending
	p.axes = make([]float32, d*k)
	kept := 0.0
	for j := range k {
		from := d - 1 - j
		kept += math.Max(values[from], 0)
		largest, sign := 0.0, 1.0
		for i := range d {
			if v := vectors.At(i, from); math.Abs(v) > math.Abs(largest) {
				largest = v
			}
		}
		if largest < 0 {
			sign = -1
		}
		for i := range d {
			p.axes[i*k+j] = float32(sign * vectors.At(i, from))
		}
	}
	if total <= 0 {
		return p, 1, nil // nothing varies, nothing is lost
	}
	return p, kept / total, nil
}

func (x *extraction) basisPath(i int) string {
	return filepath.Join(x.dir, store.LayerDir(x.layers[i], len(x.layers)), basisName)
}

// writeBasis leaves every basis in its layer's folder: [2(1+K), D], the mean and the axes of local tokens, then
// those of the global one, a row each.
func (x *extraction) writeBasis() error {
	for i, b := range x.basis {
		if b.local.axes == nil {
			continue
		}
		d, k := x.net.Layers[i].Width, x.layers[i].Width
		var m []float32
		for _, p := range []projection{b.local, b.global} {
			m = append(append(m, p.mean...), transposed(p.axes, d, k)...)
		}
		if err := store.WriteMatrix(x.basisPath(i), 2*(1+k), d, m); err != nil {
			return err
		}
	}
	text, err := json.Marshal(x.kept)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(x.dir, keptName), text)
}

// readBasis takes what writeBasis left in an unfinished store.
func (x *extraction) readBasis() bool {
	text, err := os.ReadFile(filepath.Join(x.dir, keptName))
	kept := new(store.Components)
	if err != nil || json.Unmarshal(text, kept) != nil || kept.Number != x.o.Components {
		return false
	}
	bases, err := x.net.bases(x.dir, kept)
	if err != nil {
		return false
	}
	x.basis, x.kept = bases, kept
	return true
}

// bases reads what every layer of a store was projected on; nil where the store keeps everything. A file that is missing
// or of other sizes than the layers is a fault.
func (n *Network) bases(dir string, kept *store.Components) ([]basis, error) {
	if kept == nil {
		return nil, nil
	}
	if len(kept.Layers) != len(n.Layers) {
		return nil, fault.Inputf("components of %d layers are kept, the network has %d", len(kept.Layers), len(n.Layers)).In("%s", dir)
	}
	stored := StoredLayers(n.Layers, kept.Number)
	all := make([]basis, len(n.Layers))
	for i, l := range n.Layers {
		k := stored[i].Width
		if k == l.Width {
			continue
		}
		path := filepath.Join(dir, store.LayerDir(stored[i], len(stored)), basisName)
		rows, d, m, err := store.ReadMatrix(path)
		if err != nil {
			return nil, err
		}
		if rows != 2*(1+k) || d != l.Width {
			return nil, fault.Inputf("it holds %d x %d numbers; %d components of %d channels are %d x %d", rows, d, k, l.Width, 2*(1+k), l.Width).In("%s", path)
		}
		half := (1 + k) * d
		all[i] = basis{
			local:  projection{m[:d], transposed(m[d:half], k, d)},
			global: projection{m[half : half+d], transposed(m[half+d:], k, d)},
		}
	}
	return all, nil
}

// tidy removes what only an unfinished store needs.
func (x *extraction) tidy() error {
	for _, name := range []string{batchName, keptName} {
		if err := os.Remove(filepath.Join(x.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Explain(err, x.dir)
		}
	}
	return nil
}
