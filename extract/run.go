package extract

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	Key         string   // of the store, written into its files
	Name        string   // what people call the network; "": the file's stem
	Protocol    string   // sound (also "") or paper
	Grid        int      // cells a side of the fit grid; 0: FitGrid
	Batch       int      // images in a batch; 0: chosen
	Memory      int64    // bytes that the process may have; 0: ort.MemoryBudget(0)
	Components  int      // K > 0: only so many principal components a layer are kept
	Train       []int    // the pictures of the set that components are fitted on
	Settings    string   // digest of all that determines a picture's tokens but the picture; "": nothing is copied
	Donors      []string // folders of finished stores, of which those with the same settings give their rows
	PartRows    int      // image rows in a part; 0: PartRows
	Threads     int      // 0: the cores this process may use
	Compression string   // none (also ""), snappy, zstd
	KeepGoing   bool     // leave out pictures that can't be decoded instead of stopping
	Version     string   // of cortexmap, for the manifest
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

func (o RunOptions) compression() string {
	if o.Compression == "" {
		return "none"
	}
	return o.Compression
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
	layers  []store.Layer // as they are stored
	basis   []basis       // of each layer's components; nil: everything is kept
	kept    *store.Components
	stream  *stream
	plan    schedule
	threads int
	part    int // rows in a part
	donors  []*donor
	free    bool           // tokens don't depend on the batch, to the last bit
	first   *result        // the first batch, where the session that it was checked on stays; nil once written
	nodes   map[string]int // that each provider ran
	done    int            // images finished
	copied  int
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
// manifest. A number that is not finite in binary16 is a fault naming layer and picture. What memory or disk
// can't hold is refused before anything is written. When ctx ends, Run returns its error within a batch;
// finished parts stay.
func Run(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, dir string, o RunOptions) (store.Manifest, error) {
	x := &extraction{net: net, rt: rt, set: set, dir: dir, o: o, seconds: map[string]float64{}}
	defer x.close()
	started := time.Now()
	if err := x.prepare(); err != nil {
		return store.Manifest{}, net.placed(err)
	}
	if err := x.parts(ctx); err != nil {
		return store.Manifest{}, net.placed(err)
	}
	x.seconds["total"] = time.Since(started).Seconds()
	return x.finish()
}

func (x *extraction) close() {
	if x.stream != nil {
		x.stream.close()
	}
	for _, d := range x.donors {
		d.Close()
	}
}

// prepare checks what can be checked without running the network.
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
	x.layers = StoredLayers(x.net.Layers, x.o.Components)
	return x.disk()
}

// outputs are the session's, a layer each.
func (x *extraction) outputs() []output {
	g := int64(x.o.grid())
	var all []output
	for _, l := range x.layers {
		all = append(all, output{dims: []int64{g*g + 1, int64(l.Width)}, half: true})
	}
	return all
}

// taps adds the nodes that make what is stored, and returns their outputs' names.
func (x *extraction) taps(b *onnx.Builder) (names []string) {
	for i, l := range x.net.Layers {
		t := x.net.tap(b, l)
		tokens := t.fitted(x.o.grid(), x.o.protocol())
		if x.basis != nil {
			tokens = t.projected(tokens, x.o.grid(), x.basis[i])
		}
		names = append(names, t.stored(tokens))
	}
	return names
}

// parts does what is not done yet.
func (x *extraction) parts(ctx context.Context) error {
	if err := x.componentBasis(ctx); err != nil {
		return err
	}
	batch, err := x.batchOf(ctx)
	if err != nil {
		return err
	}
	x.part = x.o.PartRows
	if x.part == 0 {
		x.part = PartRows
	}
	x.part = (x.part + batch - 1) / batch * batch
	var rows []int // not finished
	for p := 0; p*x.part < x.set.Len(); p++ {
		of := span(p*x.part, min((p+1)*x.part, x.set.Len()))
		if lost, ok := x.finished(p, of); ok {
			x.lost = append(x.lost, lost...)
			x.advance(len(of))
			continue
		}
		rows = append(rows, of...)
	}
	if len(rows) > 0 {
		if err := x.fill(ctx, rows); err != nil {
			return err
		}
	}
	if len(x.lost) == x.set.Len() {
		return x.nothingDecoded()
	}
	return nil
}

func (x *extraction) nothingDecoded() error {
	return fault.Inputf("none of the %d pictures of %s could be decoded", x.set.Len(), x.set.Name).Remedy("check that the folder holds png, jpeg, webp, tiff or bmp files")
}

// batchName is the file in which an unfinished store keeps its batch size, so that a run that goes on from it cuts
// the same batches whatever memory is there by then.
const batchName = ".batch"

// batchOf is the batch size: what an interrupted run began with, or what is found by opening the network.
func (x *extraction) batchOf(ctx context.Context) (int, error) {
	path := filepath.Join(x.dir, batchName)
	if data, err := os.ReadFile(path); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && n > 0 && (x.o.Batch == 0 || x.net.batch(x.o.Batch) == n) {
			x.plan.batch, x.o.Batch = n, n
			return n, nil
		}
	}
	if err := x.open(ctx, span(0, x.set.Len())); err != nil {
		return 0, err
	}
	return x.plan.batch, nil
}

// fill computes the rows that are not finished, or copies them.
func (x *extraction) fill(ctx context.Context, rows []int) error {
	if x.stream == nil {
		if err := x.open(ctx, rows); err != nil {
			return err
		}
	}
	from := x.copies(rows)
	compute := rows
	if len(from) > 0 {
		compute = nil
		for _, row := range rows {
			if _, ok := from[row]; !ok {
				compute = append(compute, row)
			}
		}
	}
	x.announce(len(compute))
	t := time.Now()
	w := newPartWriter(ctx, x, rows, from)
	compute, err := x.writeFirst(compute, w)
	if err == nil {
		err = x.stream.run(ctx, compute, w.write)
	}
	if err == nil {
		err = w.rest()
	}
	x.seconds["stream"] = time.Since(t).Seconds()
	t = time.Now()
	if e := w.wait(err); err == nil {
		err = e
	}
	x.seconds["close"] = time.Since(t).Seconds()
	return err
}

// announce says what is about to happen.
func (x *extraction) announce(compute int) {
	if x.o.Log == nil {
		return
	}
	seconds := x.plan.seconds / float64(x.plan.batch*x.plan.sessions) * float64(compute)
	x.o.Log.Info("estimate", "pictures", compute, "copied", x.copied, "batch", x.plan.batch, "sessions", x.plan.sessions,
		"disk", gib(int64(x.set.Len())*bytesAnImage(x.layers, x.o.grid())), "memory", gib(x.plan.memory(x.net, x.o.grid(), x.set.Len())),
		"network_seconds", math.Round(seconds))
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
	return store.PartPath(x.dir, l, len(x.layers), part)
}

// finished says whether every layer has this part already, whole and of these images, and which rows were
// left out of it.
func (x *extraction) finished(part int, rows []int) (lost []int, ok bool) {
	for i, l := range x.layers {
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

func notFinite(l store.Layer, s stimuli.Stimulus) error {
	return fault.Inputf("layer %s has a value that is infinite, not a number, or above 65504 (binary16's largest) for the picture %s", l.Name, s.Label()).
		Remedy("leave the layer out with extract.layers, or check the export and the preprocessing")
}

// finish writes layers and manifest.
func (x *extraction) finish() (store.Manifest, error) {
	if s := x.stream; s != nil {
		for name, ns := range map[string]int64{"decode": s.decoding.Load(), "run": s.running.Load(), "write": s.sinking.Load()} {
			x.seconds[name] = time.Duration(ns).Seconds()
		}
	}
	images := x.set.Digest()
	m := store.Manifest{Key: x.o.Key, Model: x.net.Ref(x.o.Name), ImageSet: x.set.Name, ImagesSHA256: hex.EncodeToString(images[:]),
		Images: x.set.Len() - len(x.lost), Grid: x.o.grid(), Protocol: x.o.protocol(), Preprocessing: describeCard(x.o.card(x.net)),
		Precision: x.net.precision(), Provider: x.net.provider(), Nodes: x.nodes, Library: x.rt.Version(), Batch: x.plan.batch, Threads: x.threads, Compression: x.o.compression(),
		Settings: x.o.Settings, BatchFree: x.free, Copied: x.copied, Components: x.kept,
		Warnings: x.net.Warnings, Seconds: x.seconds, Version: x.o.Version}
	for _, row := range x.lost {
		m.LeftOut = append(m.LeftOut, x.set.Stimuli[row].Label())
	}
	if len(x.lost) > 0 {
		m.Warnings = append(m.Warnings[:len(m.Warnings):len(m.Warnings)], store.Warning{ID: "pictures-left-out",
			Text: fmt.Sprintf("%d of %d pictures could not be decoded and are left out", len(x.lost), x.set.Len())})
	}
	if on := x.nodes["CPUExecutionProvider"]; on > 0 && x.net.device == ort.CUDA {
		m.Warnings = append(m.Warnings[:len(m.Warnings):len(m.Warnings)], store.Warning{ID: "cuda-partly",
			Text: fmt.Sprintf("%d of the network's nodes ran on the CPU, %d on CUDA: every crossing is a copy", on, x.nodes["CUDAExecutionProvider"])})
	}
	for _, d := range x.donors {
		if d.rows > 0 {
			m.CopiedFrom = append(m.CopiedFrom, filepath.Base(d.Dir()))
		}
	}
	if err := store.WriteLayers(x.dir, x.layers); err != nil {
		return m, err
	}
	if err := store.WriteManifest(x.dir, m); err != nil {
		return m, err
	}
	return m, x.tidy()
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
