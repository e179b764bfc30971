package analyze

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"cortexmap/internal/store"
)

// TopChannel is one of the shared channels that a region's vertices read most, in the layer that they read most, and
// the photographs that drive it. In the letters of package fit, with s_v the part of global tokens, the mean response of
// the region R to the local tokens of layer l is Σ_c a_c z_c plus what does not depend on them, wherever its vertices look:
//
//	l    the layer with the largest mean share of the prediction's variance over R
//	z_c  = Σ_d K_lcd (X_d − κ_ld)                       channel c at a cell of the layer's own grid (5)
//	a_c  = α/|R| Σ_{v∈R} p_vl (1 − s_v) w_vc            its readout (6); α = 1/C where the readout is a mean, else 1
//	σ_c  the standard deviation of z_c, m_c its mean, over all cells of all pictures given
//	weight = a_c σ_c                                    response, in its own unit, for one SD of the channel
//	heat   = sign(a_c) (z_c − m_c)/σ_c                  SDs; more of it, more response
//
// weight and heat don't change when a channel is made larger and its readout smaller. Channels are ranked by |weight|,
// photographs by the largest heat of any cell, the peak.
//
// The publication shows the same tokens through its three principal directions of the readouts, mixed over layers
// (paper.md 1.9); single channels of one layer can be named, counted and compared. A channel is one of the bottleneck's
// C, not one of the network's: fits with other seeds have others, and only what a channel shows can be compared.
type TopChannel struct {
	ROI       string
	NVertices int // fitted
	Layer     int
	Name      string
	Share     float64 // of that layer, mean over the region
	Rank      int     // from 1
	Channel   int     // 0-based, of the bottleneck
	Weight    float64
	Peaks     []Peak // the photographs that drive it most, the best first
}

// Peak is a picture and where a channel is strongest in it.
type Peak struct {
	Picture Shown
	Value   float64   // heat there, SDs
	Cell    int       // row by row from the top left
	X, Y    float64   // its centre; −1 left, top … 1 right, bottom of what the network sees
	Heat    []float64 // [H·W] of all cells
	Grid    [2]int    // H, W
}

// Shown is a picture whose tokens are stored natively.
type Shown struct {
	Index int    // in the image set
	Photo string // which photograph: of its windows only the best one counts
	File  string
	Name  string // the file and its window, for people
}

const (
	topRegions  = 8 // regions that have top channels
	topChannels = 2 // channels a region
	topPhotos   = 4 // photographs a channel
)

// FindTopChannels ranks the channels of eight of the hierarchy's regions (of the first regions of rois.csv without one),
// some of each level, over the pictures of a store of native grids; shown are its rows. The text says why there are none.
func FindTopChannels(ctx context.Context, in Input, native *store.Features, shown []Shown) ([]TopChannel, string, error) {
	photos := map[string]bool{}
	for _, s := range shown {
		photos[s.Photo] = true
	}
	if len(photos) < leastPhotos {
		return nil, fmt.Sprintf("native grids of %d photographs are stored: the largest of so few says little, %d are needed", len(photos), leastPhotos), nil
	}
	t := &channelFinder{in: in, native: native, shown: shown, layers: map[int]*channelLayer{}}
	if t.w = in.Mapping.Tensor("readout.weight"); t.w == nil || in.Mapping.Selector == nil || len(t.w.Shape) != 2 || !finite(t.w.Data) {
		return nil, "the mapping has no channels that its vertices share", nil
	}
	var out []TopChannel
	for _, name := range shownRegions(in) {
		found, reason, err := t.region(ctx, name)
		if err != nil || reason != "" {
			return nil, reason, err
		}
		out = append(out, found...)
	}
	if out == nil {
		return nil, "no region has fitted vertices that read local tokens", nil
	}
	return out, "", nil
}

// channelFinder holds what the regions share.
type channelFinder struct {
	in     Input
	native *store.Features
	shown  []Shown
	w      *store.Tensor // [fitted vertices, C]
	layers map[int]*channelLayer
}

// shownRegions are the names of the regions that stand for all, in the order of rois.csv: the first with fitted vertices
// of each level, then the second of each, and so on, so that late levels have some too.
func shownRegions(in Input) []string {
	fitted := slices.DeleteFunc(roiNames(in.Mapping, in.Hierarchy), func(name string) bool { return len(fittedIn(in.Mapping, name)) == 0 })
	var levels [][]string
	for _, l := range in.Hierarchy.Levels {
		levels = append(levels, slices.DeleteFunc(slices.Clone(fitted), func(name string) bool {
			return !slices.ContainsFunc(l.ROIs, func(roi string) bool { return named(name, roi) })
		}))
	}
	if levels == nil {
		levels = [][]string{fitted}
	}
	chosen := map[string]bool{}
	for place, more := 0, true; more; place++ {
		more = false
		for _, names := range levels {
			if place < len(names) && len(chosen) < topRegions {
				more, chosen[names[place]] = true, true
			}
		}
	}
	return slices.DeleteFunc(fitted, func(name string) bool { return !chosen[name] })
}

// region finds one region's channels.
func (t *channelFinder) region(ctx context.Context, name string) ([]TopChannel, string, error) {
	units := fittedIn(t.in.Mapping, name)
	layer, share := t.mostRead(units)
	l, reason, err := t.layer(ctx, layer)
	if err != nil || reason != "" {
		return nil, reason, err
	}
	weight := t.readout(units, layer)
	order := make([]int, len(weight))
	for c := range weight {
		order[c] = c
		weight[c] *= l.sd[c]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(math.Abs(weight[b]), math.Abs(weight[a])) })
	var out []TopChannel
	for k, c := range order[:min(topChannels, len(order))] {
		if weight[c] == 0 {
			break // all that is left is never read
		}
		top := TopChannel{ROI: name, NVertices: len(units), Layer: layer, Name: t.in.Mapping.Info.Layers[layer].Name, Share: share, Rank: k + 1, Channel: c, Weight: weight[c]}
		if top.Peaks, err = t.peaks(ctx, l, c, weight[c] < 0); err != nil {
			return nil, "", err
		}
		out = append(out, top)
	}
	return out, "", nil
}

// mostRead is the layer with the largest mean share of some units, by the selector where shares are unknown.
func (t *channelFinder) mostRead(units []int) (layer int, share float64) {
	m := t.in.Mapping
	of := m.Share
	if of == nil {
		of = m.Selector
	}
	n, share := len(m.Info.Layers), math.Inf(-1)
	for l := range n {
		x := 0.0
		for _, v := range units {
			x += float64(of[v*n+l]) / float64(len(units))
		}
		if x > share { // never of NaN
			layer, share = l, x
		}
	}
	return layer, share
}

// readout is a_c of the region's units.
func (t *channelFinder) readout(units []int, layer int) []float64 {
	m, channels := t.in.Mapping, int(t.w.Shape[1])
	row := make([]int, len(m.Vertices)) // of the weights
	fitted := 0
	for v := range m.Vertices {
		row[v] = fitted
		if m.Vertices[v].Fitted {
			fitted++
		}
	}
	scale := 1 / float64(len(units))
	if m.Info.Readout == "mean" {
		scale /= float64(channels)
	}
	out := make([]float64, channels)
	for _, v := range units {
		reads := scale * float64(m.Selector[v*len(m.Info.Layers)+layer]) * (1 - float64(m.Vertices[v].Scale))
		for c, w := range t.w.Data[row[v]*channels : (row[v]+1)*channels] {
			out[c] += reads * float64(w)
		}
	}
	return out
}

// channelLayer is what a layer's channels do over all pictures.
type channelLayer struct {
	at       int
	cells    int
	k        blas64.General // K [C, D]
	centre   []float32      // κ [D]
	mean, sd []float64      // [C]
	least    []extreme      // [pictures, C]
	most     []extreme
}

// extreme is a cell's value.
type extreme struct {
	value float64
	cell  int
}

// layer measures a layer once.
func (t *channelFinder) layer(ctx context.Context, at int) (*channelLayer, string, error) {
	if l := t.layers[at]; l != nil {
		return l, "", nil
	}
	m, channels := t.in.Mapping, int(t.w.Shape[1])
	k, centre := m.Tensor(fmt.Sprintf("local.%d.weight", at)), m.Tensor(fmt.Sprintf("local.%d.centre", at))
	if k == nil || centre == nil || !finite(k.Data) || at >= len(t.native.Layers) {
		return nil, "the mapping has no bottleneck of a layer", nil
	}
	width := t.native.Layers[at].Width
	if len(k.Data) != channels*width || len(centre.Data) != width {
		return nil, "the fit read something else than the layers' own channels (extract.components): native tokens don't fit it", nil
	}
	l := &channelLayer{at: at, cells: t.native.Tokens(at) - 1, centre: centre.Data, k: blas64.General{Rows: channels, Cols: width, Stride: width, Data: make([]float64, len(k.Data))}}
	for i, x := range k.Data {
		l.k.Data[i] = float64(x)
	}
	if err := t.measure(ctx, l); err != nil {
		return nil, "", err
	}
	t.layers[at] = l
	return l, "", nil
}

// channels are z [cells, C] of one picture.
func (t *channelFinder) channels(ctx context.Context, l *channelLayer, picture int) (blas64.General, error) {
	width := l.k.Cols
	half := make([]uint16, t.native.RowLen(l.at))
	if err := t.native.Read(ctx, l.at, []int{picture}, half); err != nil {
		return blas64.General{}, err
	}
	x := blas64.General{Rows: l.cells, Cols: width, Stride: width, Data: make([]float64, l.cells*width)}
	for i := range x.Data { // without the global token, which comes last
		x.Data[i] = float64(store.Float(half[i])) - float64(l.centre[i%width])
	}
	z := blas64.General{Rows: l.cells, Cols: l.k.Rows, Stride: l.k.Rows, Data: make([]float64, l.cells*l.k.Rows)}
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, x, l.k, 0, z)
	return z, nil
}

// measure fills a layer's moments and extremes, a picture at a time: native grids of many would fill the memory.
func (t *channelFinder) measure(ctx context.Context, l *channelLayer) error {
	channels := l.k.Rows
	l.mean, l.sd = make([]float64, channels), make([]float64, channels)
	n := 0.0
	for p := range t.shown {
		z, err := t.channels(ctx, l, p)
		if err != nil {
			return err
		}
		least, most := make([]extreme, channels), make([]extreme, channels)
		for cell := range l.cells {
			n++
			for c, x := range z.Data[cell*channels : (cell+1)*channels] {
				d := x - l.mean[c] // Welford: sums of squares would cancel
				l.mean[c] += d / n
				l.sd[c] += d * (x - l.mean[c])
				if cell == 0 || x < least[c].value {
					least[c] = extreme{x, cell}
				}
				if cell == 0 || x > most[c].value {
					most[c] = extreme{x, cell}
				}
			}
		}
		l.least, l.most = append(l.least, least...), append(l.most, most...)
	}
	for c := range l.sd {
		l.sd[c] = math.Sqrt(l.sd[c] / n)
	}
	return nil
}

// peaks are the photographs that drive a channel most, upwards or downwards.
func (t *channelFinder) peaks(ctx context.Context, l *channelLayer, c int, downwards bool) ([]Peak, error) {
	sign, of := 1.0, l.most
	if downwards {
		sign, of = -1, l.least
	}
	heat := func(z float64) float64 { return sign * (z - l.mean[c]) / l.sd[c] }
	order := make([]int, len(t.shown))
	for p := range order {
		order[p] = p
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(heat(of[b*l.k.Rows+c].value), heat(of[a*l.k.Rows+c].value))
	})
	var out []Peak
	seen := map[string]bool{}
	for _, p := range order {
		if seen[t.shown[p].Photo] {
			continue
		}
		if len(out) == topPhotos {
			break
		}
		seen[t.shown[p].Photo] = true
		z, err := t.channels(ctx, l, p)
		if err != nil {
			return nil, err
		}
		top := of[p*l.k.Rows+c]
		peak := Peak{Picture: t.shown[p], Value: heat(top.value), Cell: top.cell, Grid: t.native.Layers[l.at].Grid}
		h, w := peak.Grid[0], peak.Grid[1]
		peak.X, peak.Y = 2*(float64(top.cell%w)+0.5)/float64(w)-1, 2*(float64(top.cell/w)+0.5)/float64(h)-1
		for cell := range l.cells {
			peak.Heat = append(peak.Heat, heat(z.Data[cell*l.k.Rows+c]))
		}
		out = append(out, peak)
	}
	return out, nil
}

// TopChannelTable is top_channels.csv: a row a region, channel and photograph.
func TopChannelTable(m *store.Mapping, all []TopChannel, pictures int) *Table {
	i := &m.Info
	t := &Table{Name: "top_channels", Title: "Channels that regions read most, and the photographs that drive them",
		Note: "In the layer with the region's largest share. A channel is one of the bottleneck's, and another fit has others: only what it shows can be compared. Heat is the channel's standard score over all cells of all pictures stored on native grids, its sign such that more heat is more response.",
		Columns: fitColumns([]Column{
			{"roi", "region, FAMILY/NAME"}, {"n_vertices", "fitted units in it"}, {"layer", "0-based index"}, {"name", "of the layer"}, {"share", "of the layer, mean over the region"},
			{"rank", "of the channel in the region, by |weight|, from 1"}, {"channel", "0-based, of the bottleneck"}, {"weight", "mean readout of the region × SD of the channel: response for one SD"},
			{"place", "of the photograph, by peak, from 1"}, {"picture", "file, and its window"}, {"peak", "largest heat of any cell, SDs"},
			{"x", "of that cell, −1 left edge … 1 right edge"}, {"y", "−1 top edge … 1 bottom edge"}, {"rows", "of the layer's grid"}, {"columns", ""}, {"n_pictures", "stored on native grids"}, simulatedColumn,
		})}
	for _, c := range all {
		for k, p := range c.Peaks {
			t.Add(fitCells(i, c.ROI, c.NVertices, c.Layer, c.Name, c.Share, c.Rank, c.Channel, c.Weight,
				k+1, p.Picture.Name, p.Value, p.X, p.Y, p.Grid[0], p.Grid[1], pictures, i.Simulated)...)
		}
	}
	return t
}
