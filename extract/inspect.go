package extract

import (
	"context"
	"encoding/hex"
	"math"
	"runtime/debug"
	"time"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// Report is what `inspect --json` prints; other programs read it.
type Report struct {
	Model         ReportModel     `json:"model"`
	Layers        []store.Layer   `json:"layers"` // what would be mapped, in data order
	Found         []ReportFound   `json:"found"`  // everything that could be named in extract.layers
	Preprocessing map[string]any  `json:"preprocessing"`
	Estimate      Estimate        `json:"estimate"`
	Warnings      []store.Warning `json:"warnings"`
}

// ReportModel is the file's head.
type ReportModel struct {
	Path       string        `json:"path"`
	SHA256     string        `json:"sha256"`
	Bytes      int64         `json:"bytes"` // of the file itself, external weights not counted
	Opset      int64         `json:"opset"`
	IR         int64         `json:"ir"`
	Producer   string        `json:"producer"`
	Parameters int64         `json:"parameters"`
	Nodes      int           `json:"nodes"`
	External   []string      `json:"external,omitempty"` // files that hold its weights
	Inputs     []ReportInput `json:"inputs"`
}

// ReportInput is one input; dims hold numbers, or names where they are free.
type ReportInput struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Dims []any  `json:"dims"`
}

// ReportFound is a tensor that could be mapped.
type ReportFound struct {
	Name   string `json:"name"`
	Tensor string `json:"tensor"`
	Kind   string `json:"kind"`
	Why    string `json:"why"`
}

// Estimate says what extracting so many images takes.
type Estimate struct {
	Images         int     `json:"images"`
	BytesAnImage   int64   `json:"bytes_an_image"`             // of the feature store, not compressed
	Bytes          int64   `json:"bytes"`                      // for all images
	Batch          int     `json:"batch,omitempty"`            // that was chosen, measured and timed
	Sessions       int     `json:"sessions,omitempty"`         // that run side by side
	SecondsAnImage float64 `json:"seconds_an_image,omitempty"` // of the network with its taps, decoding apart; 0: not run
	Seconds        float64 `json:"seconds,omitempty"`          // for all images
	Memory         int64   `json:"memory_bytes,omitempty"`     // the most that the process has at once
	OneByOne       float64 `json:"one_by_one,omitempty"`       // of a network quantised over the batch: an image's time at batch 1 over that in batches of 4
}

// Inspect tells what is known about the network, and measures batches of noise for the estimate, as extraction does
// before it starts. memory is as RunOptions'. With rt nil nothing is run, and neither time nor memory is told.
func (n *Network) Inspect(ctx context.Context, rt *ort.Runtime, images int, memory int64) (Report, error) {
	r := Report{Model: n.reportModel(), Layers: n.Layers, Preprocessing: describeCard(n.Card), Warnings: n.Warnings}
	if r.Warnings == nil {
		r.Warnings = []store.Warning{}
	}
	for _, c := range n.Found {
		r.Found = append(r.Found, ReportFound{c.Name, c.Tensor, c.Kind, c.Why})
	}
	var err error
	r.Estimate, err = n.Estimate(ctx, rt, images, 0, memory)
	return r, err
}

// Estimate says what extracting so many images will take, in batches of the given size; 0: as extraction chooses. memory
// is as RunOptions'. With rt nil nothing is run, and neither time nor memory is told.
func (n *Network) Estimate(ctx context.Context, rt *ort.Runtime, images, batch int, memory int64) (Estimate, error) {
	e := Estimate{Images: images, BytesAnImage: bytesAnImage(n.Layers, FitGrid)}
	e.Bytes = e.BytesAnImage * int64(images)
	if rt == nil {
		return e, nil
	}
	return e, n.placed(n.measure(ctx, rt, &e, batch, ort.MemoryBudget(memory)))
}

func (n *Network) reportModel() ReportModel {
	m := n.Model
	r := ReportModel{Path: n.Path, SHA256: hex.EncodeToString(n.SHA256[:]), Bytes: m.Size, Opset: m.Opset(), IR: m.IR,
		Producer: n.Ref("").Producer, Parameters: m.Parameters, Nodes: len(m.Graph.Nodes), External: m.External}
	for _, v := range m.Graph.RuntimeInputs() {
		r.Inputs = append(r.Inputs, reportInput(v))
	}
	return r
}

func reportInput(v onnx.Value) ReportInput {
	in := ReportInput{Name: v.Name, Type: v.Type.String(), Dims: []any{}}
	for i, d := range v.Dims {
		switch {
		case d >= 0:
			in.Dims = append(in.Dims, d)
		case v.Symbols[i] != "":
			in.Dims = append(in.Dims, v.Symbols[i])
		default:
			in.Dims = append(in.Dims, "?")
		}
	}
	return in
}

// measure plans an extraction and times batches of noise: the shortest of those after the first, which warms caches
// up and counts only where one takes seconds.
func (n *Network) measure(ctx context.Context, rt *ort.Runtime, e *Estimate, batch int, budget int64) error {
	x := &extraction{net: n, rt: rt, feed: n.feed, layers: n.Layers}
	b := onnx.NewBuilder(n.Model.Opset())
	taps, own := x.taps(b), ownOutputs(b, &n.Model.Graph)
	debug.FreeOSMemory() // an extraction begins without what was read and thrown away here
	started := ort.Memory()
	try := func(s *ort.Session, batch int) error {
		x.stream = &stream{feed: n.feed, batch: batch, outputs: x.outputs()}
		_, _, err := x.runOnce(ctx, s, n.feed.noise(batch), batch, true, len(own))
		return err
	}
	p, s, err := n.plan(rt, b, append(taps, own...), planOptions{batch: batch, threads: ort.Threads(n.threads), grid: FitGrid, images: e.Images, budget: budget, try: try})
	if err != nil {
		return err
	}
	defer s.Close()
	best, err := shortest(p.seconds, func() error { return try(s, p.batch) })
	if err != nil {
		return err
	}
	e.Batch, e.Sessions = p.batch, p.sessions
	e.SecondsAnImage = best / float64(p.batch*p.sessions)
	e.Seconds = e.SecondsAnImage * float64(e.Images)
	e.Memory = started + p.memory(n, FitGrid, e.Images)
	if n.dynamic && n.feed.frozen == 0 {
		together, err := shortest(math.Inf(1), func() error { return try(s, usualBatch) })
		if err != nil {
			return err
		}
		e.OneByOne = best / (together / usualBatch)
	}
	return nil
}

// shortest is the shortest time in seconds of up to three runs within a second, and of one that was measured before.
func shortest(before float64, run func() error) (float64, error) {
	for again, begun := 0, time.Now(); again < 3 && time.Since(begun) < time.Second; again++ {
		t := time.Now()
		if err := run(); err != nil {
			return 0, err
		}
		before = min(before, time.Since(t).Seconds())
	}
	return before, nil
}
