package extract

import (
	"context"
	"encoding/hex"
	"slices"
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
	Images          int     `json:"images"`
	BytesAnImage    int64   `json:"bytes_an_image"`             // of the feature store
	Bytes           int64   `json:"bytes"`                      // for all images
	Batch           int     `json:"batch,omitempty"`            // that was timed
	SecondsAnImage  float64 `json:"seconds_an_image,omitempty"` // of the network with its taps, decoding apart; 0: not run
	Seconds         float64 `json:"seconds,omitempty"`          // for all images
	BuffersAndModel int64   `json:"memory_bytes,omitempty"`     // model, batches and results in memory, ONNX Runtime's own apart
}

// Inspect tells what is known about the network, and times two batches of noise for the estimate. With rt nil
// nothing is run and no time is told.
func (n *Network) Inspect(ctx context.Context, rt *ort.Runtime, images int) (Report, error) {
	r := Report{Model: n.reportModel(), Layers: n.Layers, Preprocessing: describeCard(n.Card), Warnings: n.Warnings}
	if r.Warnings == nil {
		r.Warnings = []store.Warning{}
	}
	for _, c := range n.Found {
		r.Found = append(r.Found, ReportFound{c.Name, c.Tensor, c.Kind, c.Why})
	}
	e := &r.Estimate
	e.Images = images
	for _, l := range n.Layers {
		e.BytesAnImage += int64(store.Tokens * l.Width * 2)
	}
	e.Bytes = e.BytesAnImage * int64(images)
	if rt == nil {
		return r, nil
	}
	e.Batch = n.batch(0)
	if err := n.timeBatches(ctx, rt, e); err != nil {
		return r, n.placed(err)
	}
	e.Seconds = e.SecondsAnImage * float64(images)
	return r, nil
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

// timeBatches times batches of noise on one of the sessions that would run side by side: the shortest of
// those after the first, which warms caches up and counts only where one takes seconds.
func (n *Network) timeBatches(ctx context.Context, rt *ort.Runtime, e *Estimate) error {
	x := &extraction{net: n, rt: rt, feed: n.feed, batch: e.Batch, threads: ort.Threads(n.threads)}
	x.stream = &stream{feed: n.feed, batch: e.Batch}
	if err := x.tapped(); err != nil {
		return err
	}
	defer x.stream.close()
	room := n.feed.room(e.Batch)
	var times []float64
	for started := time.Now(); len(times) == 0 || len(times) < 3 && time.Since(started) < time.Second; {
		t := time.Now()
		if _, _, err := x.runOnce(ctx, x.stream.sessions[0], room, e.Batch, true); err != nil {
			return err
		}
		times = append(times, time.Since(t).Seconds())
	}
	best := slices.Min(times[min(1, len(times)-1):])
	sessions := len(x.stream.sessions)
	e.SecondsAnImage = best / float64(e.Batch*sessions)
	buffers := int64(sessions+2)*int64(4*n.feed.numbers()) + int64(sessions+1)*e.BytesAnImage
	e.BuffersAndModel = int64(sessions)*n.Model.Size + int64(e.Batch)*buffers
	return nil
}
