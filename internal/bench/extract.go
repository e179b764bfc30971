package bench

import (
	"context"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"cortexmap/analyze"
	"cortexmap/extract"
	"cortexmap/internal/durable"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// ExtractOptions say what Extract measures.
type ExtractOptions struct {
	Models   []string // paths; none: the demo's EfficientNet-Lite0, and a ViT-B/16 with random weights at batch 8
	Pictures string   // a folder; "": the demo's photographs
	Images   int      // that a round extracts; 0: as many as take about 15 s
	Rounds   int
	Batch    int // 0: chosen, as extraction does
	Spin     bool
}

// Extract compares extraction with the bare library, a row a network. In every round they take turns: the bare
// library with the layers' own tensors as outputs, the same batch and the same number of threads; extraction,
// with decoding, preprocessing, our nodes, its checks and writing; then each part of its work alone, for its CPU
// time. Other work on the machine so meets all of them.
func Extract(ctx context.Context, o Options, e ExtractOptions) ([]*analyze.Table, error) {
	rt, err := o.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	set, err := e.pictures(ctx, o)
	if err != nil {
		return nil, err
	}
	networks, done, err := e.networks(ctx, o, rt)
	if err != nil {
		return nil, err
	}
	defer done()
	t := speedTable()
	for _, n := range networks {
		s, err := measure(ctx, o, rt, n, set, e)
		if err != nil {
			return nil, err
		}
		s.add(t, n.name)
	}
	return []*analyze.Table{t}, nil
}

func (e ExtractOptions) pictures(ctx context.Context, o Options) (*stimuli.Set, error) {
	if e.Pictures == "" {
		photos, err := fs.Sub(o.Demo, "photos")
		if err != nil {
			return nil, err
		}
		return stimuli.Folder(ctx, photos, ".", stimuli.Options{Name: "demo", Forget: true})
	}
	return stimuli.Folder(ctx, os.DirFS(e.Pictures), ".", stimuli.Options{Where: e.Pictures, Forget: true})
}

// measured is a network that is to be measured.
type measured struct {
	name string
	*extract.Network
	batch int
}

// networks opens what is to be measured; done removes what was made for it.
func (e ExtractOptions) networks(ctx context.Context, o Options, rt *ort.Runtime) (all []measured, done func(), err error) {
	done = func() {}
	open := func(path string, n extract.NetworkOptions, batch int) error {
		n.Threads = o.Threads
		net, err := extract.OpenNetwork(ctx, rt, path, n)
		if err == nil {
			all = append(all, measured{net.Ref("").Name, net, batch})
		}
		return err
	}
	for _, path := range e.Models {
		if err := open(path, extract.NetworkOptions{}, e.Batch); err != nil {
			return nil, done, err
		}
	}
	if len(e.Models) > 0 {
		return all, done, nil
	}
	lite, err := fs.ReadFile(o.Demo, "lite0.onnx")
	if err != nil {
		return nil, done, err
	}
	if err := open("demo:lite0", extract.NetworkOptions{Bytes: lite}, e.Batch); err != nil {
		return nil, done, err
	}
	// As a file, as people's networks are: 347 MB are mapped rather than held twice.
	dir, err := os.MkdirTemp("", "cortexmap-bench-")
	if err != nil {
		return nil, done, err
	}
	done = func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "clip-vit-b16-shaped.onnx")
	if err = os.WriteFile(path, randomViT(6), 0o666); err == nil {
		batch := e.Batch
		if batch == 0 {
			batch = 8
		}
		err = open(path, extract.NetworkOptions{}, batch)
	}
	if err != nil {
		done()
	}
	return all, done, err
}

// speeds are sums over rounds.
type speeds struct {
	rounds, images, batch, threads int
	bare, whole, steady            time.Duration // wall
	inference, decoding, writing   time.Duration // CPU, each alone
	process                        time.Duration // CPU of the whole extractions
	peak, written                  int64
	said                           extract.Estimate
}

func measure(ctx context.Context, o Options, rt *ort.Runtime, n measured, set *stimuli.Set, e ExtractOptions) (*speeds, error) {
	bare, err := extract.NewBare(ctx, rt, n.Network, set, extract.BareOptions{Batch: n.batch, Threads: o.Threads, Spin: e.Spin})
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	s := &speeds{batch: bare.Batch(), threads: ort.Threads(o.Threads)}
	alone, err := sideBySide(ctx, rt, n, set, s.threads)
	if err != nil {
		return nil, err
	}
	defer alone.Close()
	images := e.Images
	if images <= 0 {
		t := time.Now()
		if err := bare.Run(ctx, s.batch); err != nil {
			return nil, err
		}
		images = int(15 / time.Since(t).Seconds() * float64(s.batch))
	}
	images = max(1, images/s.batch) * s.batch
	for round := range max(1, e.Rounds) {
		o.Progress(n.name, round, max(1, e.Rounds))
		if err := s.round(ctx, rt, n, part(set, round*images, images), bare, alone); err != nil {
			return nil, err
		}
	}
	o.Progress(n.name, max(1, e.Rounds), max(1, e.Rounds))
	return s, nil
}

// part are n pictures of the set from a place on, which begins anew where it ends.
func part(set *stimuli.Set, from, n int) *stimuli.Set {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = (from + i) % set.Len()
	}
	return set.Subset(rows)
}

func (s *speeds) round(ctx context.Context, rt *ort.Runtime, n measured, set *stimuli.Set, bare *extract.Bare, alone together) error {
	var err error
	s.rounds++
	s.images += set.Len()
	s.bare += wall(func() { err = bare.Run(ctx, set.Len()) })
	if err != nil {
		return err
	}
	if err := s.extraction(ctx, rt, n, set); err != nil {
		return err
	}
	s.inference += cpu(func() { err = alone.Run(ctx, set.Len()) })
	if err != nil {
		return err
	}
	s.decoding += cpu(func() { err = decode(set, n) })
	if err != nil {
		return err
	}
	s.writing += cpu(func() { err = write(n, set) })
	return err
}

func (s *speeds) extraction(ctx context.Context, rt *ort.Runtime, n measured, set *stimuli.Set) error {
	dir, err := os.MkdirTemp("", "cortexmap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	said, err := n.Estimate(ctx, rt, set.Len(), n.batch, 0)
	if err != nil {
		return err
	}
	p := pace{skip: s.threads / n.ThreadsEach(s.threads)}
	ort.ForgetPeak()
	s.process += cpu(func() {
		s.whole += wall(func() {
			_, err = extract.Run(ctx, rt, n.Network, set, dir, extract.RunOptions{Key: "bench", Batch: n.batch, Threads: s.threads, Progress: p.step})
		})
	})
	if err != nil {
		return err
	}
	s.peak = max(s.peak, ort.PeakMemory())
	s.steady += p.each() * time.Duration(set.Len())
	s.said.Seconds += said.Seconds
	s.said.Memory = max(s.said.Memory, said.Memory)
	s.said.Bytes += said.Bytes
	written, err := durable.Size(dir)
	s.written += written
	return err
}

// pace is when the first batches, one a session, were written and when the last one was, and how many images by then.
type pace struct {
	skip         int // batches before the first
	began, ended time.Time
	first, last  int
}

func (p *pace) step(done, _ int) {
	if p.skip--; p.skip >= 0 {
		return
	}
	p.ended, p.last = time.Now(), done
	if p.began.IsZero() {
		p.began, p.first = p.ended, done
	}
}

// each is the time an image takes between the two.
func (p *pace) each() time.Duration {
	return p.ended.Sub(p.began) / time.Duration(max(1, p.last-p.first))
}

// together are sessions of one thread with our nodes, as many as there are threads, or one where they are too large:
// as extraction has them.
type together []*extract.Bare

func sideBySide(ctx context.Context, rt *ort.Runtime, n measured, set *stimuli.Set, threads int) (t together, err error) {
	each := n.ThreadsEach(threads)
	for range threads / each {
		b, err := extract.NewBare(ctx, rt, n.Network, set, extract.BareOptions{Batch: n.batch, Threads: each, Tapped: true})
		if err != nil {
			t.Close()
			return nil, err
		}
		t = append(t, b)
	}
	return t, nil
}

func (t together) Run(ctx context.Context, images int) error {
	var g errgroup.Group
	for _, b := range t {
		g.Go(func() error { return b.Run(ctx, images/len(t)) })
	}
	return g.Wait()
}

func (t together) Close() {
	for _, b := range t {
		b.Close()
	}
}

// decode decodes and preprocesses every picture, as extraction's workers do.
func decode(set *stimuli.Set, n measured) error {
	h, w := n.Card.Sides()
	dst := make([]float32, 3*h*w)
	for i := range set.Len() {
		img, err := set.Pixels(i)
		if err != nil {
			return err
		}
		extract.Preprocess(dst, img, n.Card)
	}
	return nil
}

// write writes as many rows as the set has, of every layer.
func write(n measured, set *stimuli.Set) error {
	dir, err := os.MkdirTemp("", "cortexmap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, l := range n.Layers {
		w, err := store.NewFeatureWriter(store.PartPath(dir, l, len(n.Layers), 0), store.FeatureMeta{Layer: l, Tokens: store.Tokens})
		if err != nil {
			return err
		}
		row := make([]byte, store.Tokens*l.Width*2)
		for i := range set.Len() {
			if err := w.Append(set.Stimuli[i].Digest, int64(i), row); err != nil {
				w.Abort()
				return err
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

func wall(do func()) time.Duration {
	t := time.Now()
	do()
	return time.Since(t)
}

func cpu(do func()) time.Duration {
	t := ort.CPUTime()
	do()
	return ort.CPUTime() - t
}

func speedTable() *analyze.Table {
	return &analyze.Table{Name: "extract", Title: "Extraction beside the bare library",
		Note: "ratio: extraction's images a second over those of ONNX Runtime alone, with the same layers as outputs, the same batch and threads; wall_over_work: extraction's time times cores, over the CPU time of its parts measured alone. Once: what an extraction does once, however many images follow (sessions, checks).",
		Columns: []analyze.Column{
			{Name: "model", Doc: "network"},
			{Name: "images", Doc: "extracted, over all rounds"},
			{Name: "batch", Doc: "images in a batch"},
			{Name: "threads", Doc: "of each side"},
			{Name: "bare_images_s", Doc: "images a second of the library alone"},
			{Name: "images_s", Doc: "of extraction, from when every session has done a batch to the end of the last"},
			{Name: "ratio", Doc: "images_s / bare_images_s"},
			{Name: "once_s", Doc: "seconds that an extraction spends once"},
			{Name: "ratio_all", Doc: "ratio, those seconds counted"},
			{Name: "library_ms", Doc: "CPU an image: the network with our nodes, on all cores, alone"},
			{Name: "decode_ms", Doc: "CPU an image: decoding and preprocessing, alone"},
			{Name: "write_ms", Doc: "CPU an image: writing, alone"},
			{Name: "wall_over_work", Doc: "time · cores / CPU of the parts, over the same stretch"},
			{Name: "cpu_ms", Doc: "CPU an image of the whole extractions"},
			{Name: "peak_gb", Doc: "most memory at once, GB, this comparison's own sessions included"},
			{Name: "time_said", Doc: "seconds that were estimated before (the network's, decoding apart) / measured"},
			{Name: "memory_said", Doc: "memory that was estimated / measured"},
			{Name: "disk_said", Doc: "disk that was estimated / measured"},
		}}
}

func (s *speeds) add(t *analyze.Table, name string) {
	n := float64(s.images)
	milli := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 / n }
	bare, steady := n/s.bare.Seconds(), n/s.steady.Seconds()
	work := (s.inference + s.decoding + s.writing).Seconds()
	peak, memory := math.NaN(), math.NaN()
	if s.peak > 0 {
		peak, memory = float64(s.peak)/1e9, float64(s.said.Memory)/float64(s.peak)
	}
	t.Add(name, s.images, s.batch, s.threads, bare, steady, steady/bare, (s.whole-s.steady).Seconds()/float64(s.rounds), n/s.whole.Seconds()/bare,
		milli(s.inference), milli(s.decoding), milli(s.writing), s.steady.Seconds()*float64(s.threads)/work, milli(s.process), peak, s.said.Seconds/s.steady.Seconds(), memory, float64(s.said.Bytes)/float64(s.written))
}
