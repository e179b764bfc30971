package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// NetworkOptions say how a network is to be read. The zero value is a good one.
type NetworkOptions struct {
	Bytes   []byte   // the model itself, where it is embedded and path is but its name
	Layers  []string // extract.layers: nil or ["auto"], ["blocks"], ["stages"], ["every:2"], or names and globs
	Card    string   // path of the card, "" to look for it
	Threads int      // 0: the cores this process may use
	Device  string   // cpu (also "") or cuda
	NoRun   bool     // read only the file: no library is needed, shapes and tokens stay unknown
	Log     *slog.Logger
}

// Network is an opened .onnx file whose layers are found and understood. It may be used from several
// goroutines once it is open.
type Network struct {
	Path     string
	SHA256   [32]byte
	Layers   []store.Layer // what is mapped, in data order
	Found    []Candidate   // everything that the graph offers
	Card     models.Card
	Model    *onnx.Model
	Warnings []store.Warning

	source  source
	large   int64 // bytes from which the model is handed to the library as a file
	feed    *feed
	device  string
	threads int
	dynamic bool                  // quantised over the whole batch: runs one image at a time
	rounded map[string]rounding   // integer tensors
	inside  map[string]*onnx.Node // nodes inside calls of the file's functions
	orders  map[string][]int      // token of each cell, for tapped tensors whose tokens aren't in raster order
}

// OpenNetwork reads the network at path, checks that the library can run it, finds its card and its layers,
// and runs it on noise with batches of one and two to learn shapes, layouts and prefix tokens. With NoRun the
// library isn't touched (rt may be nil) and the layers' widths and grids are those that the file declares,
// zero where it declares none.
//
// Everything wrong with the file is a fault of class Input naming it: no picture input, inputs without
// constants, an operator set or file format newer than the library's, operators nobody knows, weights that
// are missing, layers that don't exist.
func OpenNetwork(ctx context.Context, rt *ort.Runtime, path string, o NetworkOptions) (*Network, error) {
	n := &Network{Path: path, source: source{path, o.Bytes}, large: inMemory, device: o.Device, threads: o.Threads, orders: map[string][]int{}}
	if err := n.open(ctx, rt, o); err != nil {
		return nil, n.placed(err)
	}
	if o.Log != nil {
		for _, w := range n.Warnings {
			o.Log.Warn(w.Text, "id", w.ID, "model", path)
		}
	}
	return n, nil
}

func (n *Network) open(ctx context.Context, rt *ort.Runtime, o NetworkOptions) (err error) {
	if err := n.read(); err != nil {
		return err
	}
	version := ""
	if rt != nil && !o.NoRun {
		version = rt.Version()
	}
	if err := runnable(n.Model, version); err != nil {
		return err
	}
	if n.Found, err = FindLayers(n.Model); err != nil {
		return err
	}
	n.Found = n.reachable(n.Found)
	n.rounded = roundings(n.Model.Graph.Nodes)
	if err := n.findCard(o.Card); err != nil {
		return err
	}
	if n.dynamic = quantisesBatch(n.Model); n.dynamic {
		n.warn("dynamic-quantisation", "the network is quantised over the whole batch: it runs one image at a time, so that an image's features don't depend on its neighbours")
	}
	want := o.Layers
	if len(want) == 0 {
		want = n.Card.Layers
	}
	if o.NoRun {
		return n.declaredLayers(want)
	}
	if err := n.probedLayers(ctx, rt, want, o.Threads); err != nil {
		return err
	}
	return n.checkGuess(ctx, rt, o.Threads)
}

// quantisesBatch says whether a network's numbers depend on the whole batch.
func quantisesBatch(m *onnx.Model) bool {
	return slices.ContainsFunc(m.Graph.Nodes, func(n *onnx.Node) bool {
		return n.Op == "DynamicQuantizeLinear" || n.Op == "DynamicQuantizeMatMul"
	})
}

// reachable leaves out candidates inside calls of functions that can't be read from outside, with a warning.
func (n *Network) reachable(found []Candidate) []Candidate {
	n.inside = insides(n.Model)
	hidden := 0
	var out []Candidate
	for _, c := range found {
		if _, ok := n.leadingTo(c.Tensor); !ok {
			hidden++
			continue
		}
		out = append(out, c)
	}
	if hidden > 0 {
		n.warn("layers-inside-functions", "%d of %d layers lie inside functions of the file, where they can't be read: inline them first (onnx.inliner.inline_local_functions in Python)", hidden, len(found))
	}
	return out
}

// read parses the model and digests its bytes.
func (n *Network) read() error {
	var err error
	if n.source.bytes != nil {
		n.SHA256 = sha256.Sum256(n.source.bytes)
		n.Model, err = onnx.Parse(readerAt(n.source.bytes), int64(len(n.source.bytes)))
		return err
	}
	if n.Model, err = onnx.ReadFile(n.Path); err != nil {
		return err
	}
	r, size, done, err := n.source.open()
	if err != nil {
		return fault.Inputf("%s can't be read: %w", n.Path, err)
	}
	defer done()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return fault.Inputf("%s can't be read: %w", n.Path, err)
	}
	h.Sum(n.SHA256[:0])
	return nil
}

func (n *Network) findCard(path string) error {
	image, err := imageInput(&n.Model.Graph)
	if err != nil {
		return err
	}
	card, err := models.Find(n.Path, path, n.Model.Meta, models.Input{Name: image.Name, Dims: image.Dims, DType: int64(image.Type)})
	if err != nil {
		return err
	}
	n.Card = card
	for _, w := range card.Warnings {
		n.Warnings = append(n.Warnings, store.Warning{ID: w.ID, Text: w.Text})
	}
	n.feed, err = newFeed(&n.Model.Graph, card)
	return err
}

// probedLayers selects after probing where the choice needs grids, before it otherwise.
func (n *Network) probedLayers(ctx context.Context, rt *ort.Runtime, want []string, threads int) error {
	byStage := len(want) == 1 && want[0] == "stages"
	chosen := ofKind(n.Found, Block, Transition, Conv)
	var err error
	if !byStage {
		if chosen, err = SelectLayers(n.Found, want, nil); err != nil {
			return err
		}
	}
	if n.Layers, err = n.probeLayers(ctx, rt, chosen, threads); err != nil {
		return err
	}
	if byStage {
		n.Layers = lastOfStages(n.Layers)
	}
	if len(n.Layers) == 0 {
		return n.noLayers()
	}
	return nil
}

func lastOfStages(layers []store.Layer) []store.Layer {
	var out []store.Layer
	for i, l := range layers {
		if i == len(layers)-1 || layers[i+1].Grid != l.Grid {
			l.Index = len(out)
			out = append(out, l)
		}
	}
	return out
}

// declaredLayers takes layouts from the shapes that the file declares, as far as they tell.
func (n *Network) declaredLayers(want []string) error {
	grid := func(c Candidate) [2]int { return n.declared(c).Grid }
	chosen, err := SelectLayers(n.Found, want, grid)
	if err != nil {
		return err
	}
	unknown := 0
	for _, c := range chosen {
		l := n.declared(c)
		l.Index = len(n.Layers)
		n.Layers = append(n.Layers, l)
		if l.Layout == "" {
			unknown++
		}
	}
	if unknown > 0 {
		n.warn("shapes-unknown", "%d of %d layers have no shape in the file: run inspect without --no-run to learn their widths and grids", unknown, len(chosen))
	}
	n.warn("not-run", "the network was not run: grids and prefix tokens are what shapes suggest, and a layer without a grid may be among them")
	return nil
}

func (n *Network) declared(c Candidate) store.Layer {
	layer := store.Layer{Name: c.Name, Tensor: c.Tensor, Kind: c.Kind, Why: c.Why}
	v := n.Model.Graph.Values[c.Tensor]
	if len(v.Dims) < 3 {
		return layer
	}
	one := append([]int64(nil), v.Dims...)
	if one[0] < 0 {
		one[0] = 1
	}
	fits, _ := layouts(one, nil, max(1, one[0]), n.feed.h, n.feed.w)
	if len(fits) == 0 {
		return layer
	}
	l := fits[0]
	layer.Layout, layer.Width, layer.Grid, layer.Prefix, layer.Global = l.kind, l.width, [2]int{l.h, l.w}, l.prefix, GlobalMean
	if l.prefix > 0 {
		layer.Global = GlobalCLS
	}
	return layer
}

func (n *Network) warn(id, format string, args ...any) {
	n.Warnings = append(n.Warnings, store.Warning{ID: id, Text: fmt.Sprintf(format, args...)})
}

// placed puts the model's path on a fault of the user's that has no place yet.
func (n *Network) placed(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Class == fault.Input && f.At == "" && !strings.Contains(f.What, n.Path) {
		return f.In("%s", n.Path)
	}
	return err
}

// Ref is the network as manifests refer to it. name is what people call it; "" is the file's stem.
func (n *Network) Ref(name string) store.ModelRef {
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(n.Path), filepath.Ext(n.Path))
	}
	return store.ModelRef{Name: name, Path: n.Path, SHA256: hex.EncodeToString(n.SHA256[:]), Opset: n.Model.Opset(), Producer: strings.TrimSpace(n.Model.Producer + " " + n.Model.ProducerVersion),
		Parameters: n.Model.Parameters, Family: n.Card.Family, Licence: n.Card.Licence, Origin: n.Card.Origin}
}

// limits are the newest operator set and file format that a version of ONNX Runtime takes (its
// docs/Versioning.md, and its messages), as far as they were seen; 0 leaves the question to the library.
var limits = []struct {
	minor     int // of 1.x
	opset, ir int64
}{{24, 25, 0}, {27, 26, 13}, {32, 0, 14}}

// runnable checks what would fail in the library with a less clear message. version "" stands for the
// library that is fetched.
func runnable(m *onnx.Model, version string) error {
	if m.Graph.HasPrefix(onnx.Prefix) {
		return fault.Inputf("the model holds names that begin with %s: it has been tapped already", onnx.Prefix).Remedy("give the original export")
	}
	if foreign := m.ForeignOperators(); len(foreign) > 0 {
		return fault.Inputf("the model uses operators that ONNX Runtime doesn't have: %s", strings.Join(foreign, ", ")).
			Remedy("export it with standard operators")
	}
	if version == "" {
		version = ort.Pinned
	}
	opset, ir := newest(version)
	switch {
	case opset > 0 && m.Opset() > opset:
		return fault.Inputf("the model uses opset %d; ONNX Runtime %s knows up to %d", m.Opset(), version, opset).
			Remedy("export with a lower opset, or give a newer library with --ort-lib")
	case ir > 0 && m.IR > ir:
		return fault.Inputf("the model has file format (IR) %d; ONNX Runtime %s knows up to %d", m.IR, version, ir).
			Remedy("save it with a lower IR version, or give a newer library with --ort-lib")
	}
	return nil
}

// newest finds the limits of a version; 0, 0 where they aren't known for sure.
func newest(version string) (opset, ir int64) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major != 1 {
		return 0, 0
	}
	for _, l := range limits {
		if minor == l.minor {
			return l.opset, l.ir
		}
	}
	return 0, 0
}

// Weights is the SHA-256, in hex, of the model's bytes, with those of its external data where it has any.
func (n *Network) Weights() (string, error) {
	if len(n.Model.External) == 0 {
		return hex.EncodeToString(n.SHA256[:]), nil
	}
	h := sha256.New()
	h.Write(n.SHA256[:])
	for _, name := range n.Model.External {
		f, err := os.Open(filepath.Join(filepath.Dir(n.Path), filepath.FromSlash(name)))
		if err == nil {
			_, err = io.Copy(h, f)
			f.Close()
		}
		if err != nil {
			return "", fault.Inputf("the weights in %s can't be read: %w", name, err).In("%s", n.Path)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
