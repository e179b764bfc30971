package bench

import (
	"context"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cortexmap/extract"
	"cortexmap/fit"
	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/ort"
	"cortexmap/internal/pipeline"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
	"cortexmap/internal/synth"
)

// Planted says which simulated subjects a comparison fits. A seed draws everything anew: what the units read,
// their noise, the split of the photographs, and the fit's own choices. The windows are the same for all.
type Planted struct {
	Network  string // path of the network that answers and is fitted; "": the embedded one
	Photos   string // a folder of photographs; "": the embedded ones
	Data     string // where tokens and responses are kept for the next time; "": nowhere
	Seeds    []int
	Windows  int // of each photograph
	Vertices int // of 2,790
	Images   int // training windows at most; 0: all
}

// Seeds and windows are not those of the demo (1), nor those by which the settings were chosen (0 to 2).
const windowSeed = 21

// DefaultSeeds are those of the comparisons unless others are given.
var DefaultSeeds = []int{11, 12, 13}

// stage is what is there for all seeds: a network's tokens, and subjects that wait for their responses.
type stage struct {
	Options
	Planted
	rt       *ort.Runtime
	net      *extract.Network
	name     string
	sub      *subject.Subject
	geometry *cortex.Geometry
	dir      string
	temp     bool
	features *store.Features
	answers  map[int]answer
}

// answer is one seed's.
type answer struct {
	truth     *store.Truth
	responses []float32
}

func (o Options) stage(ctx context.Context, p Planted) (_ *stage, err error) {
	s := &stage{Options: o, Planted: p, dir: p.Data, answers: map[int]answer{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.rt, err = o.Start(ctx); err != nil {
		return nil, err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "cortexmap-bench-"); err != nil {
			return nil, durable.Explain(err, os.TempDir())
		}
		s.temp = true
	} else if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return nil, durable.Explain(err, s.dir)
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.extract(ctx); err != nil {
		return nil, err
	}
	return s, s.answer(ctx)
}

func (s *stage) close() {
	if s.features != nil {
		s.features.Close()
	}
	if s.rt != nil {
		s.rt.Close()
	}
	if s.temp {
		os.RemoveAll(s.dir)
	}
}

// open reads the network and lays out the subject.
func (s *stage) open(ctx context.Context) (err error) {
	const embedded = "lite0"
	o := extract.NetworkOptions{Threads: s.Threads, Log: s.Log}
	path := s.Network
	if path == "" {
		path = embedded + ".onnx"
		if o.Bytes, err = fs.ReadFile(s.Demo, path); err != nil {
			return err
		}
	}
	if s.net, err = extract.OpenNetwork(ctx, s.rt, path, o); err != nil {
		return err
	}
	s.name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	so := subject.SimOptions{Seed: windowSeed, MaxVertices: s.Vertices, PerPhoto: s.Windows}
	if s.Photos != "" {
		so.Pictures = os.DirFS(s.Photos)
	}
	s.sub, s.geometry, err = subject.Simulated(s.Demo, so)
	return err
}

// extract stores the network's tokens, or opens them.
func (s *stage) extract(ctx context.Context) error {
	weights, err := s.net.Weights()
	if err != nil {
		return err
	}
	images := s.sub.Images.Digest()
	key := store.Key("bench features", weights, hex.EncodeToString(images[:]))
	final := filepath.Join(s.dir, "features-"+store.SafeName(s.name)+"-"+key)
	err = once(final, func(dir string) error {
		_, err := extract.Run(ctx, s.rt, s.net, s.sub.Images, dir, extract.RunOptions{Key: key, Name: s.name, Threads: s.Threads,
			Log: s.Log, Progress: s.step("extract " + s.name)})
		return err
	})
	if err != nil {
		return err
	}
	s.features, err = store.OpenFeatures(final)
	return err
}

// answer makes the responses of all seeds that have none yet, in one pass of the network.
func (s *stage) answer(ctx context.Context) error {
	var missing []synth.Options
	for _, seed := range s.Seeds {
		if !durable.Exists(s.folder(seed)) {
			missing = append(missing, synth.Options{Seed: uint64(seed), Generator: s.name})
		}
	}
	if len(missing) > 0 {
		made, err := pipeline.Plant(ctx, s.rt, s.net, s.sub, s.geometry, missing, s.step("simulate "+s.name))
		if err != nil {
			return err
		}
		for i, m := range made {
			err := once(s.folder(int(missing[i].Seed)), func(dir string) error {
				if err := m.Truth().Write(filepath.Join(dir, store.TruthName)); err != nil {
					return err
				}
				return store.WriteMatrix(filepath.Join(dir, answersName), s.sub.Images.Len(), s.sub.Units, m.Responses)
			})
			if err != nil {
				return err
			}
		}
	}
	for _, seed := range s.Seeds {
		truth, err := store.ReadTruth(filepath.Join(s.folder(seed), store.TruthName))
		if err != nil {
			return err
		}
		_, _, y, err := store.ReadMatrix(filepath.Join(s.folder(seed), answersName))
		if err != nil {
			return err
		}
		s.answers[seed] = answer{truth, y}
	}
	return nil
}

const answersName = "responses.npy"

// folder is where one seed's responses lie. Its name says everything that they depend on.
func (s *stage) folder(seed int) string {
	return filepath.Join(s.dir, "planted-"+store.SafeName(s.name)+"-"+store.Key(s.features.Manifest.Key, hex.EncodeToString(s.sub.Digest[:]), seed))
}

// once makes the folder at final unless it is there.
func once(final string, fill func(dir string) error) error {
	if durable.Exists(final) {
		return nil
	}
	dir, err := durable.OpenDir(final)
	if err != nil {
		return err
	}
	if err := fill(dir.Path); err != nil {
		dir.DiscardEmpty()
		return err
	}
	return dir.Commit()
}

func (s *stage) step(name string) func(done, total int) {
	return func(done, total int) { s.Progress(name, done, total) }
}

// input is one seed's subject, split by photograph: a tenth to watch, a tenth to test.
func (s *stage) input(seed int) (fit.Input, error) {
	a := s.answers[seed]
	sub := *s.sub
	sub.Responses, sub.Ceiling = a.responses, make([]float32, len(a.truth.Ceiling))
	for i, c := range a.truth.Ceiling {
		sub.Ceiling[i] = float32(c)
	}
	in := fit.Input{Features: s.features, Subject: &sub}
	var err error
	in.Train, in.Val, in.Test, err = subject.Splits(&sub, subject.SplitOptions{By: "photo", Val: 0.1, Test: 0.1, Seed: uint64(seed)})
	if s.Images > 0 && s.Images < len(in.Train) {
		in.Train = spread(in.Train, s.Images)
	}
	return in, err
}

// spread is n of some things, evenly over their order.
func spread(x []int, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = x[i*len(x)/n]
	}
	return out
}
