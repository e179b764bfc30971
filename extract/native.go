package extract

import (
	"context"
	"encoding/hex"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// nativeBytes is what a part of a native store may take in memory, all layers together.
const nativeBytes = 256 << 20

// Native writes the tokens of every layer on its own grid, for the pictures at rows (ascending places in the set),
// into the folder dir, which exists; the caller renames it when Native is done.
//
//	dir/layer=03-NAME/part-00000.parquet   float16 [H·W + 1, D] a picture: the grid row by row from the top left, then the global token
//	dir/layers.json, dir/manifest.json     written last; the manifest's grid is 0, a part's cortexmap.grid is H,W
//
// For named pictures only: a picture takes hundreds of times what the fit grid does where grids are early ones. Pooling
// such a row by area gives the fit grid's (Run), but for binary16's rounding. A picture that can't be decoded is a
// fault, and so is a number that is not finite in binary16.
func Native(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, rows []int, dir string, o RunOptions) (store.Manifest, error) {
	m, err := native(ctx, rt, net, set, rows, dir, o)
	return m, net.placed(err)
}

func native(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, rows []int, dir string, o RunOptions) (m store.Manifest, err error) {
	if len(rows) == 0 {
		return m, fault.Inputf("no picture of %s is named for native grids", set.Name)
	}
	began := time.Now()
	b := onnx.NewBuilder(net.Model.Opset())
	var names []string
	w := &nativeWriter{net: net, set: set, dir: dir, o: o}
	for _, l := range net.Layers {
		names = append(names, net.tap(b, l).native())
		w.outputs = append(w.outputs, output{dims: []int64{int64(l.Grid[0]*l.Grid[1] + 1), int64(l.Width)}, half: true})
	}
	f, err := newFeed(&net.Model.Graph, o.card(net))
	if err != nil {
		return m, err
	}
	f.frozen = net.feed.frozen
	threads := ort.Threads(o.Threads)
	sessions, err := net.sessions(rt, b, names, threads)
	if err != nil {
		return m, err
	}
	s := &stream{feed: f, set: set, sessions: sessions, outputs: w.outputs, batch: net.batch(o.Batch), workers: threads}
	defer s.close()
	defer func() { w.abort() }()
	w.total, w.part = len(rows), w.partRows(s.batch)
	if err := s.run(ctx, rows, w.write); err != nil {
		return m, err
	}
	if err := w.close(); err != nil {
		return m, err
	}
	images := set.Digest()
	m = store.Manifest{Key: o.Key, Model: net.Ref(o.Name), ImageSet: set.Name, ImagesSHA256: hex.EncodeToString(images[:]), Images: len(rows),
		Protocol: o.protocol(), Preprocessing: describeCard(o.card(net)), Precision: net.precision(), Provider: net.provider(), Library: rt.Version(),
		Batch: s.batch, Threads: threads, Compression: o.compression(), Warnings: net.Warnings, Seconds: map[string]float64{"total": time.Since(began).Seconds()}, Version: o.Version}
	if err := store.WriteLayers(dir, net.Layers); err != nil {
		return m, err
	}
	return m, store.WriteManifest(dir, m)
}

// nativeWriter cuts the rows into parts that fit in memory.
type nativeWriter struct {
	net     *Network
	set     *stimuli.Set
	dir     string
	o       RunOptions
	outputs []output
	part    int // rows of a part
	parts   int // begun
	rows    int // in the open part
	done    int
	total   int
	files   []*store.FeatureWriter
}

// partRows is a multiple of the batch, so that a batch ends where a part does.
func (w *nativeWriter) partRows(batch int) int {
	bytes := 0
	for _, o := range w.outputs {
		bytes += 2 * o.numbers()
	}
	return max(1, nativeBytes/bytes/batch) * batch
}

func (w *nativeWriter) write(r *result) error {
	if w.files == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	for i, f := range w.files {
		n := w.outputs[i].numbers()
		for k, row := range r.rows {
			if err := w.append(f, i, row, r.half[i][k*n:(k+1)*n]); err != nil {
				return err
			}
		}
	}
	w.rows, w.done = w.rows+len(r.rows), w.done+len(r.rows)
	if w.o.Progress != nil {
		w.o.Progress(w.done, w.total)
	}
	if w.rows >= w.part {
		return w.close()
	}
	return nil
}

func (w *nativeWriter) open() error {
	for _, l := range w.net.Layers {
		meta := store.FeatureMeta{Layer: l, Tokens: l.Grid[0]*l.Grid[1] + 1, Grid: l.Grid, ModelSHA256: hex.EncodeToString(w.net.SHA256[:]), Key: w.o.Key, Compression: w.o.Compression}
		f, err := store.NewFeatureWriter(store.PartPath(w.dir, l, len(w.net.Layers), w.parts), meta)
		if err != nil {
			return err
		}
		w.files = append(w.files, f)
	}
	w.parts++
	return nil
}

func (w *nativeWriter) append(f *store.FeatureWriter, layer, row int, tokens []uint16) error {
	if !store.Finite(tokens) {
		return notFinite(w.net.Layers[layer], w.set.Stimuli[row])
	}
	return f.AppendHalf(w.set.Stimuli[row].Digest, int64(row), tokens)
}

// close finishes the open part.
func (w *nativeWriter) close() error {
	for len(w.files) > 0 {
		f := w.files[0]
		w.files = w.files[1:]
		if err := f.Close(); err != nil {
			return err
		}
	}
	w.files, w.rows = nil, 0
	return nil
}

func (w *nativeWriter) abort() {
	for _, f := range w.files {
		f.Abort()
	}
}

// native adds the nodes that hand the layer out as it is, float16 [N, H·W + 1, C]: its cells row by row from the top
// left, then the global token.
func (t tap) native() string {
	c, cells := int64(t.layer.Width), int64(t.layer.Grid[0]*t.layer.Grid[1])
	var tokens string
	if t.layer.Layout == NCHW {
		local := t.reshape(t.x, 0, c, cells)
		global := t.reshape(t.Op("GlobalAveragePool", []string{t.x}), 0, c, 1)
		tokens = t.Op("Transpose", []string{t.Op("Concat", []string{local, global}, onnx.Int("axis", 2))}, onnx.Ints("perm", 0, 2, 1))
	} else {
		places := make([]int64, cells)
		for i := range places {
			places[i] = int64(t.layer.Prefix + at(t.order, i))
		}
		z := t.sequence()
		local := t.Op("Gather", []string{z, t.ConstI64(places, cells)}, onnx.Int("axis", 1))
		global := t.matmul(t.ConstF32(globalWeights(t.layer), 1, int64(t.tokens())), z)
		tokens = t.Op("Concat", []string{local, global}, onnx.Int("axis", 1))
	}
	out := t.Op("Cast", []string{tokens}, onnx.Int("to", int64(onnx.Float16)))
	t.Output(out, onnx.Undefined)
	return out
}
