package fit

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

// Input is what a fit starts from.
type Input struct {
	Features *store.Features
	Subject  *subject.Subject
	// Indices into Subject.Images, each image on one side only. Weights come from Train, choices and the
	// learning curve from Val (which may be empty), scores from Test.
	Train, Val, Test []int
}

// Options say how to fit. The zero value is protocol sound with its default settings, seed 0, on all cores.
type Options struct {
	Protocol string    // "sound" (also "") or "paper"; ignored where Settings are given
	Settings *Settings // nil: Defaults(Protocol)
	Seed     int       // of every random choice
	Threads  int       // workers; 0: all cores that this process may use
	Memory   int64     // bytes that the process may have; 0: ort.MemoryBudget(0). It limits no_factorisation only
	Device   string    // of the products: ort.CPU (also "") or ort.CUDA
	// Progress is called from one goroutine at a time, with the phase's name and how far it is.
	Progress func(phase string, done, total int)
	Watch    func(store.CurvePoint) // called for every point of the learning curve when it is there; may be nil
	Log      *slog.Logger           // nil: silent
	// Checkpoint is a folder for the file CheckpointName, from which a Run that was interrupted goes on and
	// ends with the bytes of one that was not (given the same number of threads). A checkpoint of another fit
	// or a damaged one is not taken: the fit starts over and says so. "": nothing is kept.
	Checkpoint string
	Key        string // the caller's digest of what determines the fit: features, responses, settings

	// Control fits once more with the training pictures shuffled, and puts the median r over units of that on
	// the test pictures into Info.Scores as r_shuffled_median: 0 but for noise.
	Control bool

	shuffled  bool
	everyStep bool // of the descent that can be kept is kept
}

// Settings are the hyper-parameters. Get them from Defaults and change what must be changed; the equation
// numbers are those of the package comment.
type Settings struct {
	Protocol string `yaml:"protocol" json:"protocol"`
	Channels int    `yaml:"channels" json:"channels"` // C; with few images sound lowers it to a sixth of their number

	Ablation string `yaml:"ablation" json:"ablation,omitempty"` // "", or a word of the constants from NoAblation on

	// Initialisation, sound only.
	StatisticsImages int     `yaml:"statistics_images" json:"statistics_images,omitempty"` // (16), local tokens
	InitImages       int     `yaml:"init_images" json:"init_images,omitempty"`             // (16) global tokens, (17)-(20)
	InitVertices     int     `yaml:"init_vertices" json:"init_vertices,omitempty"`         // (17)
	EvidenceVertices int     `yaml:"evidence_vertices" json:"evidence_vertices,omitempty"` // (19) Σ, (20)
	SelectorSteps    int     `yaml:"selector_steps" json:"selector_steps,omitempty"`       // AdamW steps that fit the networks to (17), (20)
	SelectorRate     float64 `yaml:"selector_rate" json:"selector_rate,omitempty"`         // their rate

	// Descent (21), or the whole of protocol paper.
	Images           int     `yaml:"joint_images" json:"joint_images"` // images shown in all, at most; 0: no limit but Epochs
	Epochs           float64 `yaml:"epochs" json:"epochs"`             // passes over the training images, at most; 0: no descent
	Batch            int     `yaml:"batch" json:"batch"`
	SelectorsEvery   int     `yaml:"selectors_every" json:"selectors_every"`     // steps between two steps of the selectors
	BottlenecksEvery int     `yaml:"bottlenecks_every" json:"bottlenecks_every"` // steps between two steps of the bottlenecks
	LayerTrace       float64 `yaml:"layer_trace" json:"layer_trace"`             // of a vertex's layers that a step may leave out; 0: none
	RateReadout      float64 `yaml:"rate_readout" json:"rate_readout"`
	RateBias         float64 `yaml:"rate_bias" json:"rate_bias"`
	RateBottleneck   float64 `yaml:"rate_bottleneck" json:"rate_bottleneck"`
	RateSelectors    float64 `yaml:"rate_selectors" json:"rate_selectors"`
	Warmup           int     `yaml:"warmup" json:"warmup,omitempty"` // steps
	Cosine           bool    `yaml:"cosine" json:"cosine"`           // rates fall to 1 %; otherwise they are constant
	Decay            float64 `yaml:"weight_decay" json:"weight_decay"`
	Clip             float64 `yaml:"clip" json:"clip"`                           // of the norm of all gradients; 0: none
	SmoothL1         float64 `yaml:"smooth_l1" json:"smooth_l1"`                 // δ of (8); 0: squared error
	Mean             bool    `yaml:"mean" json:"mean"`                           // α of (6) is 1/C
	Regulariser      float64 `yaml:"regulariser" json:"regulariser"`             // λ of (9)
	RegSteps         int     `yaml:"regulariser_steps" json:"regulariser_steps"` // it is 0 from there on
	LastReadout      bool    `yaml:"last_readout" json:"last_readout"`           // end with (19) on all training images
	CurvePoints      int     `yaml:"curve_points" json:"curve_points"`           // how often validation R² is taken on the way
	CurveImages      int     `yaml:"curve_images" json:"curve_images"`           // on at most so many validation images
}

// Defaults are the settings of a protocol: "sound", or "paper" as published. "" is sound. Any other name
// is a fault.
func Defaults(protocol string) (Settings, error) {
	switch protocol {
	case "", "sound":
		return Settings{
			Protocol: "sound", Channels: 128,
			StatisticsImages: 600, InitImages: 2400, InitVertices: 1500, EvidenceVertices: 500,
			SelectorSteps: 400, SelectorRate: 3e-3,
			Images: 7200, Epochs: 1, Batch: 16, SelectorsEvery: 8, BottlenecksEvery: 2, LayerTrace: 0.01,
			RateReadout: 3e-4, RateBias: 1e-3, RateBottleneck: 1e-3, RateSelectors: 2e-3,
			Warmup: 50, Cosine: true, LastReadout: true, CurvePoints: 4, CurveImages: 300,
		}, nil
	case "paper":
		// The configuration file of the published code names a weight decay of 3e-4, which its code never
		// reads: 0.01 is what ran.
		return Settings{
			Protocol: "paper", Channels: 128,
			Epochs: 10, Batch: 8, SelectorsEvery: 1, BottlenecksEvery: 1,
			RateReadout: 1e-3, RateBias: 1e-3, RateBottleneck: 1e-3, RateSelectors: 1e-3,
			Decay: 0.01, Clip: 0.5, SmoothL1: 0.1, Mean: true, Regulariser: 0.1, RegSteps: 2000,
			CurvePoints: 10, CurveImages: 300,
		}, nil
	}
	return Settings{}, fault.Inputf("unknown protocol %q; there are sound and paper", protocol)
}

func (s Settings) sound() bool { return s.Protocol == "sound" }

// check refuses settings that can't be meant.
func (s Settings) check() error {
	bad := func(name string, v any) error {
		return fault.Inputf("fit setting %s can't be %v", name, v)
	}
	switch {
	case s.Protocol != "sound" && s.Protocol != "paper":
		return bad("protocol", s.Protocol)
	case s.Channels < 1:
		return bad("channels", s.Channels)
	case s.Batch < 1:
		return bad("batch", s.Batch)
	case s.SelectorsEvery < 1:
		return bad("selectors_every", s.SelectorsEvery)
	case s.BottlenecksEvery < 1:
		return bad("bottlenecks_every", s.BottlenecksEvery)
	case !(s.LayerTrace >= 0 && s.LayerTrace < 1):
		return bad("layer_trace", s.LayerTrace)
	case s.Epochs < 0:
		return bad("epochs", s.Epochs)
	case s.sound() && (s.StatisticsImages < 2 || s.InitImages < 2 || s.InitVertices < 1 || s.EvidenceVertices < 1 || s.SelectorSteps < 1):
		return fault.Inputf("fit settings of the initialisation must be positive")
	}
	return nil
}

// reporter passes on what a fit is doing.
type reporter struct {
	progress func(string, int, int)
	watch    func(store.CurvePoint)
	log      *slog.Logger
	seconds  map[string]float64 // of phases
	parts    map[string]float64 // of the descent's parts
}

func newReporter(o Options) *reporter {
	r := &reporter{log: o.Log, watch: o.Watch, seconds: map[string]float64{}, parts: map[string]float64{}}
	if r.watch == nil {
		r.watch = func(store.CurvePoint) {}
	}
	if r.log == nil {
		r.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	var mu sync.Mutex
	r.progress = func(phase string, done, total int) {
		if o.Progress != nil {
			mu.Lock()
			defer mu.Unlock()
			o.Progress(phase, done, total)
		}
	}
	return r
}

// phase runs f, counts its seconds under a name, and says how long it took.
func (r *reporter) phase(ctx context.Context, name string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	start := time.Now()
	err := f()
	d := time.Since(start).Seconds()
	r.seconds[name] += d
	if err == nil {
		r.log.Debug("fit phase", "phase", name, "seconds", d)
	}
	return err
}

// laps gives a watch: each call adds the seconds since the last one to a part's.
func (r *reporter) laps() func(part string) {
	last := time.Now()
	return func(part string) {
		now := time.Now()
		r.parts[part] += now.Sub(last).Seconds()
		last = now
	}
}
