package fit

import (
	"context"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/torch"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// Published reads the weights that the paper's authors published, a PyTorch state dict, as a mapping that can
// be compared with fits of one's own.
//
//	local_token_bottleneck.<l>.weight [C, D, 1, 1]      K_l of (5)        weight [V, C], bias [V]   readout
//	global_token_bottleneck.<l>.weight [C, D]           H_l
//	space_selector_mlp.{1,3,5}.weight, .{1,3}.bias      M0, M1, M2 and m0, m1 of (2); layer_ and scale_ alike
//
// (paper.md 1.12; names may have a common prefix.) The state has neither coordinates nor names of layers: like
// is a mapping of the same subject that has them, with as many placed vertices as the state, in the same order
// (lh first). Layers are like's where their number is the same, else numbered. Scores, shares and depth stay
// empty: they need responses. All weights must be there, with shapes that fit together; anything else in the
// state is passed over.
func Published(ctx context.Context, rt *ort.Runtime, r io.ReaderAt, size int64, like *store.Mapping, threads int) (*store.Mapping, error) {
	state, err := torch.Read(r, size)
	if err != nil {
		return nil, err
	}
	p := &published{state: state, like: like}
	if err := p.read(); err != nil {
		return nil, err
	}
	return p.mapping(ctx, rt, threads)
}

// published is a state that is being read.
type published struct {
	state  map[string]torch.Tensor
	like   *store.Mapping
	prefix string

	widths  []int
	C, V    int
	weights []store.Tensor
	units   []int // rows of like that have a place
}

// read names the state's tensors as mappings do, and checks that they belong together.
func (p *published) read() error {
	const marker = "local_token_bottleneck.0.weight"
	for _, name := range sortedNames(p.state) {
		if before, is := strings.CutSuffix(name, marker); is {
			p.prefix = before
			break
		}
	}
	first, ok := p.state[p.prefix+marker]
	if !ok {
		return fault.Inputf("the checkpoint has no %s: it is no state of FactorTopy; it has %s", marker, some(p.state))
	}
	p.C = first.Shape[0]
	p.V = len(p.state[p.prefix+"bias"].Data)
	for l := 0; ; l++ {
		t, ok := p.state[p.prefix+"local_token_bottleneck."+strconv.Itoa(l)+".weight"]
		if !ok {
			break
		}
		d := len(t.Data) / max(p.C, 1)
		p.widths = append(p.widths, d)
		for _, path := range []string{"local", "global"} {
			if err := p.take(fmt.Sprintf("%s.%d.weight", path, l), fmt.Sprintf("%s_token_bottleneck.%d.weight", path, l), p.C, d); err != nil {
				return err
			}
			p.weights = append(p.weights, store.Tensor{Name: fmt.Sprintf("%s.%d.centre", path, l), Shape: []int64{int64(d)}, Data: make([]float32, d)})
		}
	}
	for _, h := range allHeads(len(p.widths)) {
		for i, shape := range [][2]int{{hidden, codeWidth}, {hidden, hidden}, {h.width, hidden}} {
			theirs := fmt.Sprintf("%s_selector_mlp.%d", h.name, 2*i+1)
			if err := p.take(fmt.Sprintf("%s.%d.weight", h.name, i), theirs+".weight", shape[0], shape[1]); err != nil {
				return err
			}
			if i == 2 {
				continue
			}
			if err := p.take(fmt.Sprintf("%s.%d.bias", h.name, i), theirs+".bias", hidden); err != nil {
				return err
			}
		}
	}
	if err := p.take("readout.weight", "weight", p.V, p.C); err != nil {
		return err
	}
	return p.take("readout.bias", "bias", p.V)
}

// take renames one tensor; dimensions of 1 at the end of a convolution's don't count.
func (p *published) take(ours, theirs string, shape ...int) error {
	t, ok := p.state[p.prefix+theirs]
	got := t.Shape
	for len(got) > len(shape) && got[len(got)-1] == 1 {
		got = got[:len(got)-1]
	}
	if !ok || fmt.Sprint(got) != fmt.Sprint(shape) {
		return fault.Inputf("the checkpoint's %s%s has shape %v, %v is needed", p.prefix, theirs, t.Shape, shape)
	}
	p.weights = append(p.weights, store.Tensor{Name: ours, Shape: dims64(shape), Data: t.Data})
	return nil
}

// mapping puts the picks of the state's networks at the places of like.
func (p *published) mapping(ctx context.Context, rt *ort.Runtime, threads int) (*store.Mapping, error) {
	var positions [][3]float32
	for i, v := range p.like.Vertices {
		if at := [3]float32{v.X, v.Y, v.Z}; finite3(at) {
			p.units, positions = append(p.units, i), append(positions, at)
		}
	}
	if len(positions) != p.V {
		return nil, fault.Inputf("the checkpoint has %d vertices, %s has %d with a place", p.V, p.like.Info.Subject, len(positions)).
			Remedy("give a mapping of the subject that the checkpoint was fitted to")
	}
	e := newEngine(rt, threads)
	defer e.close()
	net, err := newNetwork(e, allHeads(len(p.widths)))
	if err != nil {
		return nil, err
	}
	m := &store.Mapping{Weights: p.weights, Info: p.info()}
	for i, name := range net.params.names {
		copy(net.params.part(net.params.data, i), m.Tensor(name).Data)
	}
	f := frameOf(positions)
	m.Weights = append(m.Weights, store.Tensor{Name: "position.low", Shape: []int64{3}, Data: f.low[:]},
		store.Tensor{Name: "position.range", Shape: []int64{1}, Data: []float32{f.extent}})
	sel := newSelection(p.V, len(p.widths), fitGrid)
	if err := net.look(ctx, reduced(positionCode(positions, f)), sel, make([]float32, p.V*sel.heads()), false); err != nil {
		return nil, err
	}
	p.rows(m, sel)
	return m, nil
}

// rows are like's vertices with the picks.
func (p *published) rows(m *store.Mapping, sel *selection) {
	n := len(p.like.Vertices) * len(p.widths)
	m.Selector, m.Share = filled(n, nan32()), filled(n, nan32())
	for _, v := range p.like.Vertices {
		row := store.NewVertex(v.Hemi, v.Vertex)
		row.X, row.Y, row.Z, row.ROIs, row.Ceiling = v.X, v.Y, v.Z, v.ROIs, v.Ceiling
		m.Vertices = append(m.Vertices, row)
	}
	degrees := math.NaN()
	if d := m.Info.Degrees; d != nil {
		degrees = *d
	}
	for v, u := range p.units {
		m.Vertices[u].Fitted = true
		sel.picks(&m.Vertices[u], v, degrees)
		copy(m.Selector[u*sel.L:(u+1)*sel.L], sel.layer[v*sel.L:(v+1)*sel.L])
	}
}

func (p *published) info() store.FitInfo {
	like := &p.like.Info
	info := store.FitInfo{Model: "published", Subject: like.Subject, SubjectKind: like.SubjectKind, Licence: like.Licence, Attribution: like.Attribution,
		Simulated: like.Simulated, Surface: like.Surface, Degrees: like.Degrees, Protocol: "paper", Method: "factortopy", Readout: "mean"}
	for _, t := range p.weights {
		if !strings.HasSuffix(t.Name, ".centre") {
			info.Parameters += int64(len(t.Data))
		}
	}
	for l, d := range p.widths {
		layer := store.Layer{Index: l, Name: fmt.Sprintf("layer %d", l), Width: d}
		if len(like.Layers) == len(p.widths) {
			layer.Name = like.Layers[l].Name
		}
		info.Layers = append(info.Layers, layer)
	}
	info.Warnings = []store.Warning{{ID: "published-weights", Text: "weights read from a published checkpoint: it has no scores and no shares, and its vertices are taken to be " +
		like.Subject + "'s, in the same order"}}
	return info
}

func sortedNames(state map[string]torch.Tensor) []string {
	var names []string
	for name := range state {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// some are a few names of a state, for a message.
func some(state map[string]torch.Tensor) string {
	names := sortedNames(state)
	if len(names) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	return strings.Join(names, ", ")
}
