package fit

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// problem is the input of a fit brought together: images matched, units sorted out, responses scaled.
type problem struct {
	Input
	set      Settings
	seed     int
	memory   int64 // Options.Memory
	e        *engine
	report   *reporter
	keeper   *keeper // nil: nothing is kept
	warnings []store.Warning

	L, C, G, V int
	widths     []int
	rows       []int     // [N] subject's image → row of the store, -1 where it has none
	units      []int     // [V] fitted units: columns of the responses
	mean, inv  []float64 // [V] of the training responses; inv is 1/SD. 0 and 1 in protocol paper
	missing    bool      // some fitted unit lacks some response

	waits atomic.Int64 // nanoseconds that workers have waited for the store
}

// newProblem checks and joins, for Run and for Ridge.
func newProblem(rt *ort.Runtime, in Input, o Options) (*problem, error) {
	set, err := settingsOf(o)
	if err != nil {
		return nil, err
	}
	p := &problem{Input: in, set: set, seed: o.Seed, memory: o.Memory, report: newReporter(o), L: len(in.Features.Layers)}
	for _, l := range in.Features.Layers {
		p.widths = append(p.widths, l.Width)
	}
	p.G = int(math.Round(math.Sqrt(float64(in.Features.Tokens(0) - 1))))
	for l := range p.L {
		if in.Features.Tokens(l) != p.G*p.G+1 {
			return nil, fault.Inputf("layer %s has %d tokens an image, a square fit grid and a global token are needed",
				in.Features.Layers[l].Name, in.Features.Tokens(l)).Remedy("extract with a fit grid (extract.grid: 8)")
		}
	}
	if err := p.join(); err != nil {
		return nil, err
	}
	if o.shuffled {
		p.shuffle()
	}
	if err := p.sortUnits(); err != nil {
		return nil, err
	}
	p.e = newEngine(rt, o.Threads)
	p.e.device = o.Device
	return p, nil
}

func settingsOf(o Options) (Settings, error) {
	if o.Settings == nil {
		return Defaults(o.Protocol)
	}
	return *o.Settings, o.Settings.check()
}

// channels is C: with few images a readout of 128 numbers a vertex learns noise.
func (p *problem) channels() int {
	if !p.set.sound() {
		return p.set.Channels
	}
	few := max(16, len(p.Train)/6/16*16)
	if few < p.set.Channels {
		p.warn("few-images", "%d training images can't carry %d channels: %d are fitted", len(p.Train), p.set.Channels, few)
	}
	return min(p.set.Channels, few)
}

func (p *problem) warn(id, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.warnings = append(p.warnings, store.Warning{ID: id, Text: text})
	p.report.log.Warn(text, "id", id)
}

// join matches the subject's images with the store's rows by digest.
func (p *problem) join() error {
	stimuli := p.Subject.Images.Stimuli
	if want := len(stimuli) * p.Subject.Units; len(p.Subject.Responses) != want {
		return fault.New(fault.Bug, "subject %s has %d responses, %d images of %d units need %d",
			p.Subject.Name, len(p.Subject.Responses), len(stimuli), p.Subject.Units, want)
	}
	at := make(map[store.Digest]int, p.Features.Len())
	for i, d := range p.Features.Images {
		at[d] = i
	}
	p.rows = make([]int, len(stimuli))
	for i, s := range stimuli {
		p.rows[i] = -1
		if row, ok := at[s.Digest]; ok {
			p.rows[i] = row
		}
	}
	for _, side := range [][]int{p.Train, p.Val, p.Test} {
		for _, i := range side {
			if i < 0 || i >= len(stimuli) {
				return fault.New(fault.Bug, "image %d of %d in a split", i, len(stimuli))
			}
			if p.rows[i] < 0 {
				return p.lacking(side)
			}
		}
	}
	if len(p.Train) < 2 || len(p.Test) < 2 {
		return fault.Inputf("%d training and %d test images are too few to fit and to score", len(p.Train), len(p.Test)).
			Remedy("give more images, or another fit.split")
	}
	return nil
}

// shuffle gives the training responses to other pictures.
func (p *problem) shuffle() {
	rows := slices.Clone(p.rows)
	for k, other := range stream(p.seed, streamShuffle).Perm(len(p.Train)) {
		p.rows[p.Train[k]] = rows[p.Train[other]]
	}
}

func (p *problem) lacking(side []int) error {
	n, first := 0, ""
	for _, i := range side {
		if p.rows[i] < 0 {
			if n == 0 {
				first = p.Subject.Images.Stimuli[i].Name
			}
			n++
		}
	}
	return fault.Inputf("the feature store lacks %d of the subject's images, the first is %s", n, first).
		In("%s", p.Features.Dir()).Remedy("extract the subject's own image set with this network")
}

// sortUnits finds the units that can be fitted: with a place (where the subject has places), and with
// training responses that vary.
func (p *problem) sortUnits() error {
	n := p.Subject.Units
	sum, sq, count := make([]float64, n), make([]float64, n), make([]int, n)
	gaps := make([]bool, n)
	for _, i := range p.Train {
		for u, y := range p.Subject.Responses[i*n : (i+1)*n] {
			if y != y {
				gaps[u] = true
				continue
			}
			sum[u] += float64(y)
			count[u]++
		}
	}
	for _, i := range p.Train {
		for u, y := range p.Subject.Responses[i*n : (i+1)*n] {
			if y == y {
				d := float64(y) - sum[u]/float64(count[u])
				sq[u] += d * d
			}
		}
	}
	var dead []string
	for u := range n {
		placed := !p.topology() || finite3(p.Subject.Positions[u])
		sd := math.Sqrt(sq[u] / float64(max(count[u], 1)))
		if !placed || count[u] < 2 || !(sd > 0) || math.IsInf(sd, 0) {
			dead = append(dead, p.unitName(u))
			continue
		}
		p.units = append(p.units, u)
		p.missing = p.missing || gaps[u]
		if p.set.sound() {
			p.mean, p.inv = append(p.mean, sum[u]/float64(count[u])), append(p.inv, 1/sd)
		} else {
			p.mean, p.inv = append(p.mean, 0), append(p.inv, 1)
		}
	}
	p.V = len(p.units)
	if len(dead) > 0 {
		p.warn("dead-units", "%d of %d units have no data, no variance over the training images, or no place, and are not fitted: %s", len(dead), n, firstNames(dead))
	}
	if p.V == 0 {
		return fault.Inputf("none of the %d units of %s can be fitted: no data or no variance over the training images", n, p.Subject.Name)
	}
	return nil
}

// targets writes the responses of some units to some images, [units, images].
func (p *problem) targets(dst []float32, units []int32, images []int) {
	n := len(images)
	at := make([]int, n)
	for b, i := range images {
		at[b] = i * p.Subject.Units
	}
	for j, v := range units {
		row := dst[j*n : (j+1)*n]
		unit, mean, inv := p.units[v], p.mean[v], p.inv[v]
		for b, from := range at {
			row[b] = float32((float64(p.Subject.Responses[from+unit]) - mean) * inv)
		}
	}
}

// responses is targets for many images: an image's row of all units is passed through once.
func (p *problem) responses(dst []float32, units []int32, images []int) {
	n := len(images)
	column, mean, inv := make([]int, len(units)), make([]float64, len(units)), make([]float64, len(units))
	for j, v := range units {
		column[j], mean[j], inv[j] = p.units[v], p.mean[v], p.inv[v]
	}
	for b, i := range images {
		row := p.Subject.Responses[i*p.Subject.Units : (i+1)*p.Subject.Units]
		for j, u := range column {
			dst[j*n+b] = float32((float64(row[u]) - mean[j]) * inv[j])
		}
	}
}

// noPredictions is room for those of n images.
func (p *problem) noPredictions(n int) *store.Predictions {
	return &store.Predictions{Images: n, Values: make([]float32, p.V*n)}
}

// note writes down the prediction y of the i-th image for unit v, on the scale of targets, in the responses' own unit.
func (p *problem) note(to *store.Predictions, v, i int, y float64) {
	to.Values[v*to.Images+i] = float32(y/p.inv[v] + p.mean[v])
}

// read puts a layer's stored tokens of the subject's images into dst, float16 [images, G²+1, D]; the worker
// that calls it waits.
func (p *problem) read(ctx context.Context, layer int, images []int, dst []uint16) error {
	start := time.Now()
	defer func() { p.waits.Add(int64(time.Since(start))) }()
	return p.readAhead(ctx, layer, images, dst)
}

// readAhead is read for what nobody waits for yet.
func (p *problem) readAhead(ctx context.Context, layer int, images []int, dst []uint16) error {
	rows := make([]int, len(images))
	for k, i := range images {
		rows[k] = p.rows[i]
	}
	return p.Features.Read(ctx, layer, rows, dst)
}

// waited is the part of the fit's time so far that its workers have waited for the store.
func (p *problem) waited() float64 {
	var all float64
	for _, s := range p.report.seconds {
		all += s
	}
	return time.Duration(p.waits.Load()).Seconds() / max(all*float64(p.e.workers), 1e-9)
}

// topology says whether the selectors are functions of a place.
func (p *problem) topology() bool { return p.Subject.Positions != nil && p.set.Ablation != NoTopology }

func (p *problem) tokens() int { return p.G*p.G + 1 }

// sample draws n of the images at random, ascending; all of them if there are no more.
func sample(images []int, n, seed int, purpose uint64) []int {
	if n >= len(images) {
		return slices.Sorted(slices.Values(images))
	}
	order := stream(seed, purpose).Perm(len(images))[:n]
	out := make([]int, n)
	for k, i := range order {
		out[k] = images[i]
	}
	slices.Sort(out)
	return out
}

// sampleUnits draws n of v units, ascending.
func sampleUnits(v, n, seed int, purpose uint64) []int32 {
	some := sample(upTo[int](v), n, seed, purpose)
	out := make([]int32, len(some))
	for k, i := range some {
		out[k] = int32(i)
	}
	return out
}
