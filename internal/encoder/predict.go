package encoder

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cortexmap/extract"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
)

// PredictOptions are what a prediction starts from.
type PredictOptions struct {
	Encoder  string   // path of an exported encoder
	Images   []string // pictures, or folders of them
	Out      string   // folder for the result
	Threads  int
	Device   string
	Log      *slog.Logger
	Progress func(stage string, done, total int)
}

// Predicted is what a prediction made.
type Predicted struct {
	Responses string `json:"responses"` // .npy, float32 [pictures, columns]
	Images    string `json:"images"`    // .csv: the rows
	Units     string `json:"units"`     // .csv: the columns; "" where the encoder has lost its table
	Pictures  int    `json:"pictures"`
	Columns   int    `json:"columns"`
	Model     string `json:"model"`
	Subject   string `json:"subject"`
	Simulated bool   `json:"simulated"` // the responses that the encoder was fitted to are
}

// Names of the files in PredictOptions.Out.
const (
	responsesFile = "responses.npy"
	imagesFile    = "images.csv"
	unitsFile     = "units.csv"
)

// Predict writes the responses of an encoder to new pictures: rows in the order of the arguments, a folder's
// pictures in byte order of their names. Nothing is written before all pictures are known to be there; the
// responses come under their name when all are computed.
func Predict(ctx context.Context, rt *ort.Runtime, o PredictOptions) (*Predicted, error) {
	p, err := extract.OpenPredictor(rt, o.Encoder, o.Threads, o.Device)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	sets, total, err := pictures(ctx, o.Images)
	if err != nil {
		return nil, err
	}
	out := &Predicted{Responses: filepath.Join(o.Out, responsesFile), Images: filepath.Join(o.Out, imagesFile),
		Pictures: total, Columns: p.Units, Model: p.Meta["cortexmap.model"], Subject: p.Meta["cortexmap.subject"], Simulated: p.Meta["cortexmap.simulated"] == "true"}
	if durable.Exists(out.Responses) {
		return nil, fault.Inputf("%s exists already", out.Responses).Remedy("choose another folder with --out")
	}
	f, err := durable.Create(out.Responses)
	if err != nil {
		return nil, err
	}
	defer f.Abort()
	if err := npy.WriteHeader[float32](f, total, p.Units); err != nil {
		return nil, err
	}
	done := 0
	for _, set := range sets {
		err := p.Predict(ctx, set, func(_ int, y []float32) error {
			done++
			o.Progress("predict", done, total)
			return npy.WriteElements(f, y)
		})
		if err != nil {
			return nil, err
		}
	}
	if err := durable.WriteFile(out.Images, rows(sets)); err != nil {
		return nil, err
	}
	table := strings.TrimSuffix(o.Encoder, ".onnx") + ".units.csv"
	if data, err := os.ReadFile(table); err == nil {
		out.Units = filepath.Join(o.Out, unitsFile)
		if err := durable.WriteFile(out.Units, data); err != nil {
			return nil, err
		}
	} else {
		o.Log.Warn("the encoder's table of units is missing: what the columns are is not known", "path", table)
	}
	return out, f.Commit()
}

// pictures opens what the arguments name.
func pictures(ctx context.Context, paths []string) (sets []*stimuli.Set, total int, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, 0, fault.Inputf("there is no picture or folder %s", path).Remedy("check the path")
		}
		var set *stimuli.Set
		if info.IsDir() {
			set, err = stimuli.Folder(ctx, os.DirFS(path), ".", stimuli.Options{Where: path})
		} else {
			set, err = one(ctx, path)
		}
		if err != nil {
			return nil, 0, err
		}
		sets, total = append(sets, set), total+set.Len()
	}
	return sets, total, nil
}

// one is a set of one picture.
func one(ctx context.Context, path string) (*stimuli.Set, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	var fsys fs.FS = os.DirFS(dir)
	return stimuli.List(ctx, fsys, ".", []stimuli.Row{{File: name}}, stimuli.Options{Where: dir})
}

// rows is the table of the result's rows.
func rows(sets []*stimuli.Set) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"row", "file", "sha256"}) // a bytes.Buffer takes everything
	n := 0
	for _, set := range sets {
		for _, s := range set.Stimuli {
			w.Write([]string{strconv.Itoa(n), s.Name, hex.EncodeToString(s.Digest[:])})
			n++
		}
	}
	w.Flush()
	return b.Bytes()
}
