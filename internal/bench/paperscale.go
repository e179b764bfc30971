package bench

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"cortexmap/extract"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// The paper's scale: nine windows of each of a thousand photographs through a ViT-B/16, and as many vertices
// as one of its subjects has.
const (
	PaperVertices = 37984
	paperWindows  = 9
	paperSeed     = 1
)

// paperScale is a folder of data of the paper's scale. What is there is used again:
//
//	vit_b16_random.onnx + .yaml   345 MB, random weights
//	subject/                      a plain subject folder: photographs, windows, places, simulated responses (1.4 GB)
//	features/                     the feature store, 1.2 MB an image
//
// all of which `cortexmap run` reads as it reads anybody's.
type paperScale struct {
	Options
	dir string
	rt  *ort.Runtime

	net    *extract.Network
	images *stimuli.Set
}

func (p *paperScale) path(names ...string) string {
	return filepath.Join(append([]string{p.dir}, names...)...)
}

func (p *paperScale) network(ctx context.Context) error {
	path := p.path("vit_b16_random.onnx")
	if !durable.Exists(path) {
		if err := os.MkdirAll(p.dir, 0o777); err != nil {
			return durable.Explain(err, p.dir)
		}
		card := "name: ViT-B/16, random weights\nfamily: vit\nsize: 224\nresize: crop\nkernel: bicubic\nmean: [0.5, 0.5, 0.5]\nstd: [0.5, 0.5, 0.5]\n"
		if err := durable.WriteFile(p.path("vit_b16_random.yaml"), []byte(card)); err != nil {
			return err
		}
		if err := durable.WriteFile(path, randomViT(paperSeed)); err != nil {
			return err
		}
	}
	var err error
	p.net, err = extract.OpenNetwork(ctx, p.rt, path, extract.NetworkOptions{Threads: p.Threads, Log: p.Log})
	if err != nil {
		return err
	}
	if n := len(p.net.Layers); n != vitDepth {
		return fault.New(fault.Bug, "%d layers were found in a ViT-B/16, it has %d", n, vitDepth)
	}
	return nil
}

// pictures copies the photographs and lists their windows, as a lab would: images/ and images.csv.
func (p *paperScale) pictures(ctx context.Context, photos string) error {
	list := p.path("subject", "images.csv")
	if !durable.Exists(list) {
		if photos == "" {
			return fault.Inputf("%s has no pictures yet", p.dir).Remedy("name a folder of about 1,000 photographs with --images")
		}
		if err := p.cutWindows(ctx, photos, list); err != nil {
			return err
		}
	}
	file, err := os.Open(list)
	if err != nil {
		return durable.Explain(err, list)
	}
	defer file.Close()
	rows, err := stimuli.ReadList(list, file)
	if err != nil {
		return err
	}
	p.images, err = stimuli.List(ctx, os.DirFS(p.path("subject")), "images", rows, stimuli.Options{Name: "paper-scale"})
	return err
}

func (p *paperScale) cutWindows(ctx context.Context, photos, list string) error {
	from := os.DirFS(photos)
	set, err := stimuli.Folder(ctx, from, ".", stimuli.Options{Where: photos})
	if err != nil {
		return err
	}
	windows, err := stimuli.Windows(set, paperSeed, paperWindows)
	if err != nil {
		return err
	}
	for _, s := range set.Stimuli {
		data, err := fs.ReadFile(from, s.Name)
		if err != nil {
			return durable.Explain(err, photos)
		}
		to := p.path("subject", "images", filepath.FromSlash(s.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return durable.Explain(err, to)
		}
		if err := durable.WriteFile(to, data); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	lines := [][]string{{"file", "x", "y", "w", "h", "mirror"}}
	for _, s := range windows.Stimuli {
		r, mirror := s.Window, "0"
		if r.Mirror {
			mirror = "1"
		}
		lines = append(lines, []string{s.Name, strconv.Itoa(r.X), strconv.Itoa(r.Y), strconv.Itoa(r.W), strconv.Itoa(r.H), mirror})
	}
	if err := w.WriteAll(lines); err != nil {
		return err
	}
	return durable.WriteFile(list, text.Bytes())
}

// extract fills the feature store, from where it stopped.
func (p *paperScale) extract(ctx context.Context) (*store.Features, error) {
	final := p.path("features")
	if !durable.Exists(final) {
		digest := p.images.Digest()
		dir, err := durable.OpenDir(final)
		if err != nil {
			return nil, err
		}
		_, err = extract.Run(ctx, p.rt, p.net, p.images, dir.Path, extract.RunOptions{
			Key:  store.Key("paper scale", 1, hex.EncodeToString(p.net.SHA256[:]), hex.EncodeToString(digest[:])),
			Name: "vit_b16_random", PartRows: 256, Threads: p.Threads, Log: p.Log,
			Progress: func(done, total int) { p.Progress(fmt.Sprintf("extract ViT-B/16, %d layers", vitDepth), done, total) },
		})
		if err != nil {
			return nil, err
		}
		if err := dir.Commit(); err != nil {
			return nil, err
		}
	}
	return store.OpenFeatures(final)
}
