package extract

import (
	"context"
	"math"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// EncoderKey is the metadata entry of every exported encoder; its value is the mapping's key.
const EncoderKey = "cortexmap.encoder"

// Encoder is the network as a model from prepared pixels to whatever predict makes of its layers' tokens,
// which predict is given as the store f of this network holds them: on its fit grid, projected on its components
// where it keeps such, rounded to binary16, as names of float32 tensors [N, grid²+1, D]. Everything of the network
// that the layers don't need is left out, its own outputs too; what stays is copied byte for byte. It returns the
// bytes and the names of the files that hold weights beside them, as for the network itself.
//
// opset is the least operator set that predict's nodes need; a network of an older one is a fault.
func (n *Network) Encoder(f *store.Features, opset int64, predict func(b *onnx.Builder, tokens []string) (output string, units int, err error)) (model []byte, external []string, err error) {
	if n.Model.Opset() < opset {
		return nil, nil, fault.Inputf("the network is of opset %d, an encoder needs opset %d or newer", n.Model.Opset(), opset).
			In("%s", n.Path).Remedy("export the network again, or convert it with onnx.version_converter")
	}
	m := &f.Manifest
	bases, err := n.bases(f.Dir(), m.Components)
	if err != nil {
		return nil, nil, err
	}
	b := onnx.NewBuilder(n.Model.Opset())
	var tokens []string
	for i, l := range n.Layers {
		t := n.tap(b, l)
		x := t.fitted(m.Grid, m.Protocol)
		if bases != nil {
			x = t.projected(x, m.Grid, bases[i])
		}
		stored := b.Op("Cast", []string{x}, onnx.Int("to", int64(onnx.Float16)))
		tokens = append(tokens, b.Op("Cast", []string{stored}, onnx.Int("to", int64(onnx.Float32))))
	}
	out, units, err := predict(b, tokens)
	if err != nil {
		return nil, nil, err
	}
	b.OpTo(responsesName, "Identity", []string{out})
	b.Output(responsesName, onnx.Float32, "n", units)
	if model, err = n.tappedBytes(b.Patch(), false); err != nil {
		return nil, nil, err
	}
	if len(model) > math.MaxInt32 {
		return nil, nil, fault.Inputf("the encoder would have %d bytes; an .onnx file has at most 2 GiB", len(model)).In("%s", n.Path).
			Remedy("export the network with external data, or fit fewer units")
	}
	parsed, err := onnx.Parse(readerAt(model), int64(len(model)))
	if err != nil {
		return nil, nil, err
	}
	return model, parsed.External, nil
}

// responsesName is an encoder's output.
const responsesName = onnx.Prefix + "responses"

// Predictor is an exported encoder that is open.
type Predictor struct {
	Units int               // responses of a picture
	Meta  map[string]string // of the file
	Card  models.Card

	path    string
	feed    *feed
	session *ort.Session
	batch   int
}

// predictBatch is how many pictures go through an encoder at once.
const predictBatch = 8

// OpenPredictor opens an encoder that [Network.Encoder] made; its card lies beside it. A model without
// EncoderKey in its metadata is a fault.
func OpenPredictor(rt *ort.Runtime, path string, threads int, device string) (*Predictor, error) {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if m.Meta[EncoderKey] == "" || len(m.Graph.Outputs) != 1 || len(m.Graph.Outputs[0].Dims) != 2 {
		return nil, fault.Inputf("%s is a network, not an encoder: it predicts no responses", path).
			Remedy("map it (`cortexmap run %s`), and export what was fitted (`cortexmap export`)", path)
	}
	image, err := imageInput(&m.Graph)
	if err != nil {
		return nil, err
	}
	p := &Predictor{Units: int(m.Graph.Outputs[0].Dims[1]), Meta: m.Meta, path: path, batch: predictBatch}
	p.Card, err = models.Find(path, "", m.Meta, models.Input{Name: image.Name, Dims: image.Dims, DType: int64(image.Type)})
	if err != nil {
		return nil, err
	}
	if p.feed, err = newFeed(&m.Graph, p.Card); err != nil {
		return nil, err
	}
	switch {
	case p.feed.frozen > 0:
		p.batch = int(p.feed.frozen)
	case quantisesBatch(m):
		p.batch = 1
	}
	p.session, err = rt.OpenFile(path, p.feed.names(), []string{m.Graph.Outputs[0].Name}, ort.Options{Threads: threads, Device: device})
	return p, err
}

// Close frees the session.
func (p *Predictor) Close() { p.session.Close() }

// Predict calls give with the responses [Units] of every picture of a set, in order. The slice is give's to
// read until it returns. Pictures that can't be decoded are faults.
func (p *Predictor) Predict(ctx context.Context, set *stimuli.Set, give func(i int, responses []float32) error) error {
	room := p.feed.room(p.batch)
	for from := 0; from < set.Len(); from += p.batch {
		n := min(p.batch, set.Len()-from)
		if err := p.decode(ctx, room, set, from, n); err != nil {
			return err
		}
		if err := p.run(ctx, room, n, func(i int, y []float32) error { return give(from+i, y) }); err != nil {
			return err
		}
	}
	return nil
}

func (p *Predictor) decode(ctx context.Context, room *pictures, set *stimuli.Set, from, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			img, err := set.Pixels(from + i)
			if err == nil {
				room.put(i, img)
			}
			return err
		})
	}
	return g.Wait()
}

// run is one batch; a frozen one is filled up with its last picture.
func (p *Predictor) run(ctx context.Context, room *pictures, n int, give func(i int, y []float32) error) error {
	full := n
	for ; full < int(p.feed.frozen); full++ {
		room.move(full, full-1)
	}
	in, err := room.tensors(full)
	if err != nil {
		return err
	}
	defer closeAll(in)
	out := make([]*ort.Tensor, 1)
	if err := p.session.Run(ctx, in, out); err != nil {
		return err
	}
	defer out[0].Close()
	y := out[0].F32()
	for i := range n {
		if err := give(i, y[i*p.Units:(i+1)*p.Units]); err != nil {
			return err
		}
	}
	return nil
}

// CopyExternal copies the network's files of weights named in external into a folder, under the same names.
func (n *Network) CopyExternal(external []string, folder string, copyFile func(from, to string) error) error {
	for _, name := range external {
		name = filepath.FromSlash(name)
		if err := copyFile(filepath.Join(filepath.Dir(n.Path), name), filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}
