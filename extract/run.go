package extract

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// PartRows is the number of image rows in a part, finished or not at all; a multiple of every batch size
// that is chosen here, so that parts are cut into the same batches however often a run was interrupted.
const PartRows = 1024

// RunOptions are the settings of an extraction.
type RunOptions struct {
	Key         string // of the store, written into its files
	Name        string // what people call the network; "": the file's stem
	Protocol    string // sound (also "") or paper
	Grid        int    // cells a side of the fit grid; 0: FitGrid
	Batch       int    // images in a batch; 0: chosen
	PartRows    int    // image rows in a part; 0: PartRows
	Threads     int    // 0: the cores this process may use
	Compression string // none (also ""), snappy, zstd
	KeepGoing   bool   // leave out pictures that can't be decoded instead of stopping
	Version     string // of cortexmap, for the manifest
	Progress    func(done, total int)
	Log         *slog.Logger
}

func (o RunOptions) grid() int {
	if o.Grid == 0 {
		return FitGrid
	}
	return o.Grid
}

func (o RunOptions) protocol() string {
	if o.Protocol == "" {
		return Sound
	}
	return o.Protocol
}

func (o RunOptions) card(net *Network) models.Card {
	if o.protocol() == Paper {
		return PaperCard(net.Card)
	}
	return net.Card
}

// preprocessing is what a card does to a picture, without where it comes from.
func preprocessing(c models.Card) map[string]any {
	h, w := c.Sides()
	return map[string]any{"height": h, "width": w, "resize": c.Resize, "crop_ratio": c.CropRatio, "kernel": c.Kernel, "scale": c.Scale,
		"mean": c.Mean, "std": c.Std, "order": c.Order, "layout": c.Layout, "inputs": c.Inputs}
}

// extraction is one run of [Run].
type extraction struct {
	net     *Network
	rt      *ort.Runtime
	set     *stimuli.Set
	dir     string
	o       RunOptions
	feed    *feed
	stream  *stream
	own     []string // the model's own outputs that are compared
	batch   int
	threads int
	part    int // rows in a part
	done    int // images finished
	lost    []int
	seconds map[string]float64
}

// Run writes the tokens of every layer of the network, for every picture of the set, into the folder dir,
// which exists (a durable.Dir's Path); the caller renames it when Run is done.
//
//	dir/layer=03-NAME/part-00000.parquet   float16 [65, D] a picture, PartRows rows of the set a part
//	dir/layers.json, dir/manifest.json     written last
//
// Parts that are finished and belong here are not computed again, and since parts are always cut into the
// same batches, a run that was interrupted leaves the same bytes as one that was not. On the first batch it
// is checked that the model's own outputs are what they are without us, and that a picture's tokens are the
// same alone and inside a batch.
//
// A picture that can't be decoded is a fault naming it, or with KeepGoing left out and listed in the
// manifest. A number that is not finite in binary16 is a fault naming layer and picture. When ctx ends, Run
// returns its error within a batch; finished parts stay.
func Run(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, dir string, o RunOptions) (store.Manifest, error) {
	x := &extraction{net: net, rt: rt, set: set, dir: dir, o: o, seconds: map[string]float64{}}
	if err := x.prepare(); err != nil {
		return store.Manifest{}, net.placed(err)
	}
	defer x.stream.close()
	started := time.Now()
	if err := x.parts(ctx); err != nil {
		return store.Manifest{}, net.placed(err)
	}
	x.seconds["total"] = time.Since(started).Seconds()
	return x.finish()
}

// prepare opens the tapped session.
func (x *extraction) prepare() error {
	if p := x.o.protocol(); p != Sound && p != Paper {
		return fault.Inputf("extract.protocol: %q is neither sound nor paper", p)
	}
	if x.set.Len() == 0 {
		return fault.Inputf("the image set %s has no pictures", x.set.Name)
	}
	var err error
	if x.feed, err = newFeed(&x.net.Model.Graph, x.o.card(x.net)); err != nil {
		return err
	}
	x.feed.frozen = x.net.feed.frozen
	x.threads = ort.Threads(x.o.Threads)
	x.batch = x.net.batch(x.o.Batch)
	x.part = x.o.PartRows
	if x.part == 0 {
		x.part = PartRows
	}
	x.part = (x.part + x.batch - 1) / x.batch * x.batch
	x.stream = &stream{feed: x.feed, set: x.set, batch: x.batch, workers: x.threads, keepGoing: x.o.KeepGoing}
	return x.tapped()
}

func (x *extraction) tapped() (err error) {
	b := onnx.NewBuilder(x.net.Model.Opset())
	g := x.o.grid()
	var names []string
	for _, l := range x.net.Layers {
		names = append(names, x.net.tap(b, l).fit(g, x.o.protocol()))
		x.stream.outputs = append(x.stream.outputs, output{dims: []int64{int64(g*g + 1), int64(l.Width)}, half: true})
	}
	x.own = ownOutputs(b, &x.net.Model.Graph)
	for range x.own {
		x.stream.outputs = append(x.stream.outputs, output{free: true})
	}
	x.stream.sessions, err = x.net.sessions(x.rt, b, append(names, x.own...), x.threads)
	return err
}

// batch is the number of images in a batch: the export's, one where neighbours would matter, the user's, or
// 4 (the fastest on a CPU: larger ones leave its caches), halved until the inputs and the layers as they come
// take less than 256 MB.
func (n *Network) batch(asked int) int {
	switch {
	case n.feed.frozen > 0:
		return int(n.feed.frozen)
	case n.dynamic:
		return 1
	case asked > 0:
		return asked
	}
	bytes := 4 * n.feed.numbers()
	for _, l := range n.Layers {
		bytes += 4 * l.Width * (l.Prefix + l.Grid[0]*l.Grid[1])
	}
	b := 4
	for b > 1 && b*bytes > 256<<20 {
		b /= 2
	}
	return b
}

// parts does what is not done yet.
func (x *extraction) parts(ctx context.Context) error {
	checked := false
	for p := 0; p*x.part < x.set.Len(); p++ {
		rows := span(p*x.part, min((p+1)*x.part, x.set.Len()))
		if lost, ok := x.finished(p, rows); ok {
			x.lost = append(x.lost, lost...)
			x.advance(len(rows))
			continue
		}
		if !checked {
			t := time.Now()
			if err := x.check(ctx, rows[:min(x.batch, len(rows))]); err != nil {
				return err
			}
			checked = true
			x.seconds["check"] = time.Since(t).Seconds()
		}
		if err := x.writePart(ctx, p, rows); err != nil {
			return err
		}
	}
	if len(x.lost) == x.set.Len() {
		return fault.Inputf("none of the %d pictures of %s could be decoded", x.set.Len(), x.set.Name).Remedy("check that the folder holds png, jpeg, webp, tiff or bmp files")
	}
	return nil
}

func span(from, to int) []int {
	rows := make([]int, to-from)
	for i := range rows {
		rows[i] = from + i
	}
	return rows
}

func (x *extraction) advance(n int) {
	x.done += n
	if x.o.Progress != nil {
		x.o.Progress(x.done, x.set.Len())
	}
}

func (x *extraction) meta(l store.Layer) store.FeatureMeta {
	g := x.o.grid()
	return store.FeatureMeta{Layer: l, Tokens: g*g + 1, ModelSHA256: hex.EncodeToString(x.net.SHA256[:]), Key: x.o.Key, Compression: x.o.Compression}
}

func (x *extraction) path(l store.Layer, part int) string {
	return store.PartPath(x.dir, l, len(x.net.Layers), part)
}

// finished says whether every layer has this part already, whole and of these images, and which rows were
// left out of it.
func (x *extraction) finished(part int, rows []int) (lost []int, ok bool) {
	for i, l := range x.net.Layers {
		images, index, err := store.ReadPart(x.path(l, part), x.meta(l))
		if err != nil {
			return nil, false
		}
		there := map[int64]store.Digest{}
		for k := range images {
			there[index[k]] = images[k]
		}
		var missing []int
		for _, row := range rows {
			digest, has := there[int64(row)]
			if has && digest != x.set.Stimuli[row].Digest {
				return nil, false
			}
			if !has {
				missing = append(missing, row)
			}
		}
		if len(missing) > 0 && !x.o.KeepGoing || i > 0 && len(missing) != len(lost) {
			return nil, false
		}
		lost = missing
	}
	return lost, true
}

// writePart computes one part of every layer.
func (x *extraction) writePart(ctx context.Context, part int, rows []int) error {
	w := &partWriter{x: x}
	defer w.abort()
	for _, l := range x.net.Layers {
		f, err := store.NewFeatureWriter(x.path(l, part), x.meta(l))
		if err != nil {
			return err
		}
		w.files = append(w.files, f)
	}
	if err := x.stream.run(ctx, rows, w.write); err != nil {
		return err
	}
	t := time.Now()
	for _, f := range w.files {
		if err := f.Close(); err != nil {
			return err
		}
	}
	x.seconds["close"] += time.Since(t).Seconds()
	return nil
}

// partWriter is the sink of one part.
type partWriter struct {
	x     *extraction
	files []*store.FeatureWriter
	row   []byte
}

func (w *partWriter) abort() {
	for _, f := range w.files {
		f.Abort()
	}
}

func (w *partWriter) write(r *result) error {
	for i, f := range w.files {
		n := w.x.stream.outputs[i].numbers()
		for k, row := range r.rows {
			tokens := r.half[i][k*n : (k+1)*n]
			if err := w.append(f, i, row, tokens); err != nil {
				return err
			}
		}
	}
	w.x.lost = append(w.x.lost, r.lost...)
	w.x.advance(len(r.rows) + len(r.lost))
	return nil
}

func (w *partWriter) append(f *store.FeatureWriter, layer, row int, tokens []uint16) error {
	w.row = w.row[:0]
	bad := false
	for _, h := range tokens {
		bad = bad || h&0x7c00 == 0x7c00 // Inf and NaN have all exponent bits set
		w.row = binary.LittleEndian.AppendUint16(w.row, h)
	}
	if bad {
		return w.x.notFinite(layer, row)
	}
	return f.Append(w.x.set.Stimuli[row].Digest, int64(row), w.row)
}

func (x *extraction) notFinite(layer, row int) error {
	return fault.Inputf("layer %s has a value that is infinite, not a number, or above 65504 (binary16's largest) for the picture %s", x.net.Layers[layer].Name, x.set.Stimuli[row].Label()).
		In("%s", x.net.Path).Remedy("leave the layer out with extract.layers, or check the export and the preprocessing")
}

// finish writes layers and manifest.
func (x *extraction) finish() (store.Manifest, error) {
	s := x.stream
	for name, ns := range map[string]int64{"decode": s.decoding.Load(), "run": s.running.Load(), "write": s.sinking.Load()} {
		x.seconds[name] = time.Duration(ns).Seconds()
	}
	images := x.set.Digest()
	m := store.Manifest{Key: x.o.Key, Model: x.net.Ref(x.o.Name), ImageSet: x.set.Name, ImagesSHA256: hex.EncodeToString(images[:]),
		Images: x.set.Len() - len(x.lost), Grid: x.o.grid(), Protocol: x.o.protocol(), Preprocessing: describeCard(x.o.card(x.net)),
		Precision: "float32", Provider: x.provider(), Library: x.rt.Version(), Batch: x.batch, Threads: x.threads, Compression: x.compression(),
		Warnings: x.net.Warnings, Seconds: x.seconds, Version: x.o.Version}
	for _, row := range x.lost {
		m.LeftOut = append(m.LeftOut, x.set.Stimuli[row].Label())
	}
	if len(x.lost) > 0 {
		m.Warnings = append(m.Warnings[:len(m.Warnings):len(m.Warnings)], store.Warning{ID: "pictures-left-out",
			Text: fmt.Sprintf("%d of %d pictures could not be decoded and are left out", len(x.lost), x.set.Len())})
	}
	if err := store.WriteLayers(x.dir, x.net.Layers); err != nil {
		return m, err
	}
	return m, store.WriteManifest(x.dir, m)
}

func (x *extraction) provider() string {
	if x.net.device == ort.CUDA {
		return "CUDAExecutionProvider"
	}
	return "CPUExecutionProvider"
}

func (x *extraction) compression() string {
	if x.o.Compression == "" {
		return "none"
	}
	return x.o.Compression
}

// describeCard is a card as manifests and inspect show it.
func describeCard(c models.Card) map[string]any {
	d := preprocessing(c)
	d["source"] = c.Source
	if len(c.From) > 0 {
		d["from"] = c.From
	}
	return d
}
