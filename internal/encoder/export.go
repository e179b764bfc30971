package encoder

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cortexmap/extract"
	"cortexmap/fit"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// demoPrefix marks a network that is embedded rather than a file.
const demoPrefix = "demo:"

// ExportOptions are what an export starts from.
type ExportOptions struct {
	Run     string // a run's folder, or one mapping's
	Choice  Choice
	Network string // path of the network's .onnx; "": where it was when it was mapped
	To      string // the encoder's path; "": MODEL-SUBJECT.onnx in Folder
	Folder  string // "": the present one
	Demo    fs.FS  // the embedded demo folder
	Threads int
	Log     *slog.Logger
}

// Exported is what an export made.
type Exported struct {
	Encoder   string  `json:"encoder"`
	Card      string  `json:"card"`
	Units     string  `json:"units"`
	Model     string  `json:"model"`
	Subject   string  `json:"subject"`
	Columns   int     `json:"columns"`   // responses of a picture
	Bytes     int64   `json:"bytes"`     // of the encoder
	Images    int     `json:"images"`    // of the test images, used for the check
	WorstSD   float64 `json:"worst_sd"`  // largest difference from the mapping's own predictions, in SD of a unit's predictions
	External  int     `json:"external"`  // files of weights beside it
	R2Mean    float64 `json:"r2_mean"`   // of the mapping, on its test images
	Simulated bool    `json:"simulated"` // the responses are
}

const (
	checkImages = 16   // test images that the check predicts
	tolerance   = 1e-4 // of a unit's SD: float32 against float64 is at 1e-6, a wrong weight at 1e-1
)

// Export writes the encoder of one mapping, its card and the table of its columns. Everything is made and
// checked before the first file is written.
func Export(ctx context.Context, rt *ort.Runtime, o ExportOptions) (*Exported, error) {
	dir, err := choose(o.Run, o.Choice)
	if err != nil {
		return nil, err
	}
	m, err := store.ReadMapping(dir)
	if err != nil {
		return nil, err
	}
	folder, err := features(dir, m.Info.FeaturesKey)
	if err != nil {
		return nil, err
	}
	f, err := store.OpenFeatures(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x := &export{ExportOptions: o, rt: rt, mapping: m, features: f}
	x.out = Exported{Encoder: o.To, Model: m.Info.Model, Subject: m.Info.Subject, Columns: len(m.Vertices),
		R2Mean: m.Info.Scores["r2_mean"], Simulated: m.Info.Simulated}
	if o.To == "" {
		x.out.Encoder = filepath.Join(o.Folder, store.SafeName(m.Info.Model)+"-"+store.SafeName(m.Info.Subject)+".onnx")
	}
	if filepath.Ext(x.out.Encoder) != ".onnx" {
		return nil, fault.Inputf("an encoder's name must end in .onnx: %s", x.out.Encoder)
	}
	stem := strings.TrimSuffix(x.out.Encoder, ".onnx")
	x.out.Card, x.out.Units = stem+".yaml", stem+".units.csv"
	if err := x.check(ctx); err != nil {
		return nil, err
	}
	return &x.out, x.write(ctx)
}

// export is one Export on its way.
type export struct {
	ExportOptions
	rt       *ort.Runtime
	mapping  *store.Mapping
	features *store.Features
	out      Exported
}

// check runs the encoder's last part on stored tokens of test images and compares it with plain loops.
func (x *export) check(ctx context.Context) error {
	rows := x.testRows()
	tokens, got, err := x.lastPart(ctx, rows)
	if err != nil {
		return err
	}
	want, err := fit.Predict(x.mapping, tokens, len(rows))
	if err != nil {
		return err
	}
	x.out.Images = len(rows)
	x.out.WorstSD = worst(got, want, len(x.mapping.Vertices))
	if !(x.out.WorstSD <= tolerance) {
		return fmt.Errorf("the encoder's responses differ by up to %.1e SD from the mapping's own predictions on %d test images", x.out.WorstSD, len(rows))
	}
	return nil
}

// testRows are rows of the store: test images of the mapping, or any where it has none.
func (x *export) testRows() []int {
	test := map[string]bool{}
	for _, d := range x.mapping.Info.Split.Test {
		test[d] = true
	}
	var rows []int
	for i, d := range x.features.Images {
		if len(rows) < checkImages && (len(test) == 0 || test[hex.EncodeToString(d[:])]) {
			rows = append(rows, i)
		}
	}
	return rows
}

// lastPart predicts from stored tokens with the nodes that the encoder will have behind its taps.
func (x *export) lastPart(ctx context.Context, rows []int) (tokens [][]uint16, responses []float32, err error) {
	layers := x.mapping.Info.Layers
	tokens = make([][]uint16, len(layers))
	b := onnx.NewBuilder(max(fit.EncoderOpset, 13)) // 13: a graph of our own, for any library
	names, read := make([]string, len(layers)), make([]string, len(layers))
	var in []*ort.Tensor
	defer func() {
		for _, t := range in {
			t.Close()
		}
	}()
	for l, layer := range layers {
		tokens[l] = make([]uint16, len(rows)*x.features.RowLen(l))
		if err := x.features.Read(ctx, l, rows, tokens[l]); err != nil {
			return nil, nil, err
		}
		names[l] = fmt.Sprintf("tokens.%d", l)
		b.Input(names[l], onnx.Float16, "n", x.features.Tokens(l), layer.Width)
		read[l] = b.Op("Cast", []string{names[l]}, onnx.Int("to", int64(onnx.Float32)))
		t, err := ort.NewF16(tokens[l], int64(len(rows)), int64(x.features.Tokens(l)), int64(layer.Width))
		if err != nil {
			return nil, nil, err
		}
		in = append(in, t)
	}
	out, err := fit.Encode(b, x.mapping, read)
	if err != nil {
		return nil, nil, err
	}
	b.Output(out, onnx.Float32, "n", len(x.mapping.Vertices))
	s, err := x.rt.Open(b.Model(), names, []string{out}, ort.Options{Threads: x.Threads})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	y := make([]*ort.Tensor, 1)
	if err := s.Run(ctx, in, y); err != nil {
		return nil, nil, err
	}
	defer y[0].Close()
	return tokens, slices.Clone(y[0].F32()), nil
}

// worst is the largest |got − want| of any unit in SD of its predictions, or of the median unit's where its
// own are smaller: a unit that is predicted as a constant has none.
func worst(got []float32, want []float64, units int) float64 {
	n := len(want) / units
	sd := make([]float64, 0, units)
	off := make([]float64, 0, units)
	for v := range units {
		var s, ss, d float64
		for i := range n {
			y := want[i*units+v]
			s, ss, d = s+y, ss+y*y, math.Max(d, math.Abs(float64(got[i*units+v])-y))
		}
		if s != s { // not fitted: both must be empty
			if got[v] == got[v] {
				return math.Inf(1)
			}
			continue
		}
		mean := s / float64(n)
		sd, off = append(sd, math.Sqrt(math.Max(0, ss/float64(n)-mean*mean))), append(off, d)
	}
	if len(sd) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(sd)
	slices.Sort(sorted)
	least, most := sorted[len(sorted)/2], 0.0
	for v, d := range off {
		most = math.Max(most, d/math.Max(sd[v], least))
	}
	return most
}

// write makes the whole encoder and puts it beside its card and table, itself last.
func (x *export) write(ctx context.Context) error {
	card, err := x.card()
	if err != nil {
		return err
	}
	net, err := x.network(ctx, card)
	if err != nil {
		return err
	}
	model, external, err := net.Encoder(x.features, fit.EncoderOpset, func(b *onnx.Builder, tokens []string) (string, int, error) {
		out, err := fit.Encode(b, x.mapping, tokens)
		return out, len(x.mapping.Vertices), err
	})
	if err != nil {
		return err
	}
	model = append(model, x.metadata()...)
	table, err := x.units()
	if err != nil {
		return err
	}
	x.out.Bytes, x.out.External = int64(len(model)), len(external)
	if err := net.CopyExternal(external, filepath.Dir(x.out.Encoder), copyFile); err != nil {
		return err
	}
	heading := fmt.Sprintf("How %s wants its pictures; from the run that mapped %s.", filepath.Base(x.out.Encoder), x.mapping.Info.Model)
	for _, f := range []struct {
		path string
		data []byte
	}{{x.out.Card, card.YAML(heading)}, {x.out.Units, table}, {x.out.Encoder, model}} {
		if err := durable.WriteFile(f.path, f.data); err != nil {
			return err
		}
	}
	return nil
}

// card is the preprocessing that the tokens were made with, as the manifest keeps it.
func (x *export) card() (models.Card, error) {
	var c models.Card
	p, err := json.Marshal(x.features.Manifest.Preprocessing)
	var said struct {
		Height, Width  int
		Resize, Kernel string
		CropRatio      float64 `json:"crop_ratio"`
		Scale          float64
		Mean, Std      [3]float64
		Order, Layout  string
		Inputs         map[string][]float64
	}
	if err == nil {
		err = json.Unmarshal(p, &said)
	}
	if err != nil || said.Height < 1 {
		return c, fault.Inputf("the store's manifest doesn't say how its pictures were prepared").In("%s", filepath.Join(x.features.Dir(), store.ManifestName))
	}
	ref := x.features.Manifest.Model
	c = models.Card{Name: ref.Name, Family: ref.Family, Licence: ref.Licence, Origin: ref.Origin, Size: said.Height, Resize: said.Resize,
		CropRatio: said.CropRatio, Kernel: said.Kernel, Scale: said.Scale, Mean: said.Mean, Std: said.Std, Order: said.Order,
		Layout: said.Layout, Inputs: said.Inputs}
	if said.Width != said.Height {
		c.Width = said.Width
	}
	return c, nil
}

// network opens the network that was mapped, with the same layers.
func (x *export) network(ctx context.Context, card models.Card) (*extract.Network, error) {
	info := &x.mapping.Info
	path := x.Network
	if path == "" {
		path = info.Network.Path
	}
	o := extract.NetworkOptions{Threads: x.Threads}
	if name, embedded := strings.CutPrefix(path, demoPrefix); embedded {
		data, err := fs.ReadFile(x.Demo, name+".onnx")
		if err != nil {
			return nil, fault.Inputf("no network is embedded under the name %q", name)
		}
		o.Bytes = data
	} else if !isFile(path) {
		return nil, fault.Inputf("the network is no longer at %s", path).Remedy("give its place with --network PATH")
	}
	for _, l := range info.Layers {
		o.Layers = append(o.Layers, l.Name)
	}
	temp, err := os.MkdirTemp("", "cortexmap-card")
	if err != nil {
		return nil, durable.Explain(err, os.TempDir())
	}
	defer os.RemoveAll(temp)
	o.Card = filepath.Join(temp, "card.yaml")
	if err := os.WriteFile(o.Card, card.YAML("of the run"), 0o600); err != nil {
		return nil, durable.Explain(err, o.Card)
	}
	net, err := extract.OpenNetwork(ctx, x.rt, path, o)
	if err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(net.SHA256[:]); got != info.Network.SHA256 {
		return nil, fault.Inputf("%s is not the network that was mapped: its SHA-256 is %.12s…, the mapping's %.12s…", path, got, info.Network.SHA256).
			Remedy("give the right file with --network PATH")
	}
	stored := net.Layers
	if c := x.features.Manifest.Components; c != nil {
		stored = extract.StoredLayers(stored, c.Number)
	}
	return net, sameLayers(stored, info.Layers, path)
}

func sameLayers(got, want []store.Layer, path string) error {
	same := func(a, b store.Layer) bool {
		return a.Tensor == b.Tensor && a.Width == b.Width && a.Grid == b.Grid && a.Prefix == b.Prefix && a.Layout == b.Layout
	}
	if !slices.EqualFunc(got, want, same) {
		return fault.Inputf("this version finds other layers in the network than the mapping has (%d, %d)", len(got), len(want)).In("%s", path).
			Remedy("map the network again, then export")
	}
	return nil
}

// metadata says in the file whose encoder it is.
func (x *export) metadata() []byte {
	i := &x.mapping.Info
	var b []byte
	for _, kv := range [][2]string{
		{extract.EncoderKey, i.Key}, {"cortexmap.model", i.Model}, {"cortexmap.subject", i.Subject},
		{"cortexmap.protocol", i.Protocol}, {"cortexmap.seed", strconv.Itoa(i.Seed)}, {"cortexmap.simulated", strconv.FormatBool(i.Simulated)},
		{"cortexmap.licence", i.Licence}, {"cortexmap.attribution", i.Attribution},
	} {
		b = append(b, onnx.Metadata(kv[0], kv[1])...)
	}
	return b
}

// units is the table of the encoder's columns.
func (x *export) units() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"column", "hemi", "vertex", "rois", "r2", "r", "ceiling", "fitted"}}
	for i, v := range x.mapping.Vertices {
		rows = append(rows, []string{strconv.Itoa(i), v.Hemi, strconv.Itoa(int(v.Vertex)), strings.Join(v.ROIs, " "),
			cell(v.R2), cell(v.R), cell(v.Ceiling), strconv.FormatBool(v.Fitted)})
	}
	err := w.WriteAll(rows)
	return b.Bytes(), err
}

// cell is a number, or nothing where there is none.
func cell(x float32) string {
	if x != x {
		return ""
	}
	return strconv.FormatFloat(float64(x), 'g', -1, 32)
}

// copyFile copies a file of weights, whole or not at all; one that is there already with the same bytes stays.
func copyFile(from, to string) error {
	if a, err := durable.Digest(from); err == nil {
		if b, err := durable.Digest(to); err == nil && a == b {
			return nil
		}
	}
	in, err := os.Open(from)
	if err != nil {
		return fault.Inputf("the network's weights can't be read: %w", err).In("%s", from)
	}
	defer in.Close()
	out, err := durable.Create(to)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Commit()
}
