// Package maps writes a mapping's maps in the formats that brain software opens, named as BIDS derivatives.
//
// # What is written
//
//	DIR/dataset_description.json, .bidsignore
//	DIR/MODEL/PROTOCOL-seedS/sub-S_hemi-L_space-fsaverage_den-10k_stat-r2_statmap.func.gii   a file a number and hemisphere
//	                         sub-S_hemi-L_space-fsaverage_den-10k_stat-r2_statmap.mgz        the same for FreeSurfer
//	                         sub-S_space-fsaverage_den-10k_statmap.dscalar.nii               all numbers, both hemispheres, for Workbench
//	                         sub-S_hemi-L_space-fsaverage_den-10k_seg-clusters_dseg.label.gii and .annot, dseg.tsv
//	                         *.json beside every kind: description, unit, space, what it was made from
//
// A second mapping of the same network, protocol, seed and subject, with other settings, gets its key behind the
// folder's name: PROTOCOL-seedS-KEY.
//
// Entities come in the order of the BIDS specification 1.11; den is 10k, 41k and 164k for fsaverage5, 6 and 7
// and absent on a subject's own surface (space-fsnative). stat and statmap are common practice but not in the
// specification, so .bidsignore names them. Labels are letters and digits: what else stands in a name is left
// out.
//
// # Numbers
//
// A value stands at its own vertex of the full surface; on other surfaces, asked for by name, each vertex has the value
// of one vertex (cortex.Geometry.Onto). NaN is no data, in every format but label.gii and
// annot, where key 0 and no label are. Nothing is interpolated between the mapping's vertices, unlike on
// plates. Whole numbers (the layer of the largest selector) are indices from 0, clusters count from 1.
package maps

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/neuroio/cifti"
	"cortexmap/internal/neuroio/freesurfer"
	"cortexmap/internal/neuroio/gifti"
	"cortexmap/internal/neuroio/mgh"
	"cortexmap/internal/store"
)

// Input is a mapping and where its vertices lie.
type Input struct {
	Mapping  *store.Mapping
	Geometry *cortex.Geometry   // nil: the units have no place on a surface, and nothing is written
	Spaces   []*cortex.Geometry // also on these surfaces, as Geometry.Onto gives the values
	Clusters *analyze.Clusters  // nil: no cluster files
	Style    draw.Style         // of the clusters' colours
	Version  string             // of cortexmap
}

// stat is one number a vertex.
type stat struct {
	name, title, unit string
	get               func(*store.Vertex) float32
}

// stats are the numbers written, each as a map; those that no vertex has are left out.
var stats = []stat{
	{"r2", "R² on test images, 1 − SSE/SST around their mean", "fraction of variance", func(v *store.Vertex) float32 { return v.R2 }},
	{"r", "Pearson correlation of predicted and recorded responses on test images", "", func(v *store.Vertex) float32 { return v.R }},
	{"ceiling", "noise ceiling", "fraction of variance", func(v *store.Vertex) float32 { return v.Ceiling }},
	{"r2norm", "R² divided by the noise ceiling, never clipped", "", func(v *store.Vertex) float32 { return v.R2Norm }},
	{"depth", "mean depth of the layers' shares, 0 first layer, 1 last", "", func(v *store.Vertex) float32 { return v.Depth }},
	{"layerexpected", "expected layer of the layer selector", "layer index from 0", func(v *store.Vertex) float32 { return v.LayerExpected }},
	{"layerargmax", "layer with the largest selector", "layer index from 0", func(v *store.Vertex) float32 {
		if v.LayerArgmax < 0 {
			return float32(math.NaN())
		}
		return float32(v.LayerArgmax)
	}},
	{"layerentropy", "entropy of the layer selector divided by the logarithm of the number of layers", "", func(v *store.Vertex) float32 { return v.LayerEntropy }},
	{"scale", "scale selector, 0 local tokens, 1 the global token", "", func(v *store.Vertex) float32 { return v.Scale }},
	{"localshare", "share of local tokens in the prediction's variance", "fraction of variance", func(v *store.Vertex) float32 { return v.LocalShare }},
	{"spacex", "image point of the space selector, −1 left edge, 1 right edge", "", func(v *store.Vertex) float32 { return v.SpaceX }},
	{"spacey", "image point of the space selector, −1 top edge, 1 bottom edge", "", func(v *store.Vertex) float32 { return v.SpaceY }},
	{"eccentricity", "eccentricity of the image point", "degree of visual angle", func(v *store.Vertex) float32 { return v.EccDeg }},
	{"angle", "polar angle of the image point, counter-clockwise from the right", "degree", func(v *store.Vertex) float32 { return v.AngleDeg }},
}

// Write writes the mapping's maps below dir, and says which files.
func Write(ctx context.Context, dir string, in Input) ([]string, error) {
	if !analyze.Placed(in.Geometry, in.Mapping) {
		return nil, nil
	}
	w := &writer{in: in, root: dir, dir: folder(dir, in.Mapping), stem: stem(in.Mapping), target: on(in.Mapping.Info.Surface, nil)}
	if durable.Exists(filepath.Join(w.dir, w.stem+w.space+together)) { // another mapping of this name
		w.dir += "-" + store.SafeName(in.Mapping.Info.Key)
	}
	if err := w.dataset(); err != nil {
		return nil, err
	}
	if err := w.all(ctx); err != nil {
		return nil, err
	}
	for _, to := range in.Spaces {
		if to.Name == in.Geometry.Name {
			continue
		}
		from, err := in.Geometry.Onto(to)
		if err != nil {
			return nil, err
		}
		w.target = on(to.Name, &from)
		if err := w.all(ctx); err != nil {
			return nil, err
		}
	}
	return w.files, nil
}

// all writes every map on the writer's surface.
func (w *writer) all(ctx context.Context) error {
	in := w.in
	var all []cifti.Map
	for _, s := range stats {
		if err := ctx.Err(); err != nil {
			return err
		}
		sides := w.take(spread(in, s.get))
		if !known(sides) {
			continue
		}
		all = append(all, cifti.Map{Name: s.name, Left: sides[0], Right: sides[1]})
		if err := w.stat(s, sides); err != nil {
			return err
		}
	}
	if len(all) > 0 {
		if err := w.file(w.stem+w.space+"_statmap.dscalar.nii", func(to io.Writer) error { return cifti.Write(to, cifti.Hemispheres(all...)) }); err != nil {
			return err
		}
		if err := w.sidecar(w.stem+w.space+together, "all numbers of the mapping, a map each", ""); err != nil {
			return err
		}
	}
	if c := in.Clusters; c != nil && len(c.Size) > 0 {
		if err := w.clusters(c); err != nil {
			return err
		}
	}
	return nil
}

// Derived are maps made of several mappings: differences, means of a group. Info says where they lie and is that of
// one of them.
type Derived struct {
	Info    store.FitInfo
	Sources []string // keys of the mappings
	Maps    []*cortex.Map
	Version string
}

// WriteMaps writes derived maps into dir, named as a mapping's own, and the data set's description two folders above.
// stat is the map's name without what a label can't hold.
func WriteMaps(ctx context.Context, dir string, d Derived) error {
	if len(d.Maps) == 0 {
		return nil
	}
	m := &store.Mapping{Info: d.Info}
	m.Info.Key = strings.Join(d.Sources, ", ")
	w := &writer{in: Input{Mapping: m, Version: d.Version}, root: filepath.Dir(filepath.Dir(dir)), dir: dir, stem: stem(m), target: on(d.Info.Surface, nil)}
	if err := w.dataset(); err != nil {
		return err
	}
	for _, x := range d.Maps {
		if err := ctx.Err(); err != nil {
			return err
		}
		var sides [2][]float32
		for side, values := range x.Values {
			sides[side] = make([]float32, len(values))
			for i, v := range values {
				sides[side][i] = float32(v)
			}
		}
		if err := w.stat(stat{name: alphanumeric(x.Name), title: x.Title + ". " + x.Note, unit: x.Unit}, sides); err != nil {
			return err
		}
	}
	return nil
}

// together ends the name of the sidecar of the file that holds all numbers.
const together = "_statmap.json"

// folder is where a mapping's files lie.
func folder(dir string, m *store.Mapping) string {
	return filepath.Join(dir, store.SafeName(m.Info.Model), store.SafeName(fmt.Sprintf("%s-seed%d", m.Info.Protocol, m.Info.Seed)))
}

// stem begins the names of a mapping's files.
func stem(m *store.Mapping) string { return "sub-" + alphanumeric(m.Info.Subject) }

// on makes the target of a surface: the words that its files' names have, and where its values come from.
func on(surface string, from *[2][]int32) target {
	density := map[string]string{"fsaverage5": "10k", "fsaverage6": "41k", "fsaverage7": "164k", "fsaverage": "164k"}[surface]
	t := target{surface: surface, density: density, space: "_space-fsnative", from: from}
	if density != "" {
		t.space = "_space-fsaverage_den-" + density
	}
	return t
}

// alphanumeric leaves out what a BIDS label can't hold; "x" if that leaves nothing.
func alphanumeric(s string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
	if out == "" {
		return "x"
	}
	return out
}

// spread puts one number a fitted unit onto the surfaces, NaN elsewhere.
func spread(in Input, get func(*store.Vertex) float32) (sides [2][]float32) {
	for side, h := range in.Geometry.Hemis {
		sides[side] = make([]float32, h.N())
		for i := range sides[side] {
			sides[side][i] = float32(math.NaN())
		}
	}
	for i := range in.Mapping.Vertices {
		v := &in.Mapping.Vertices[i]
		if !v.Fitted {
			continue
		}
		sides[cortex.Side(v.Hemi)][v.Vertex] = get(v)
	}
	return sides
}

// known says whether any vertex has a number.
func known(sides [2][]float32) bool {
	for _, side := range sides {
		for _, x := range side {
			if !math.IsNaN(float64(x)) {
				return true
			}
		}
	}
	return false
}

// writer writes one mapping's files.
type writer struct {
	in        Input
	root, dir string
	stem      string // sub-S
	target
	files []string
}

// target is the surface that is written to.
type target struct {
	surface, space, density string
	from                    *[2][]int32 // the mapping's vertex for each of the surface's, −1 for none; nil: its own surface
}

// take gives the target's vertices their values.
func (w *writer) take(sides [2][]float32) [2][]float32 {
	return [2][]float32{taken(w.from, 0, sides[0], float32(math.NaN())), taken(w.from, 1, sides[1], float32(math.NaN()))}
}

// taken are the values of a hemisphere at the target's vertices.
func taken[T any](from *[2][]int32, side int, values []T, none T) []T {
	if from == nil {
		return values
	}
	out := make([]T, len(from[side]))
	for v, k := range from[side] {
		if out[v] = none; k >= 0 {
			out[v] = values[k]
		}
	}
	return out
}

var hemis = [2]string{"_hemi-L", "_hemi-R"}

func (w *writer) file(name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	path := filepath.Join(w.dir, name)
	w.files = append(w.files, path)
	return durable.WriteFile(path, b.Bytes())
}

func (w *writer) stat(s stat, sides [2][]float32) error {
	for side, x := range sides {
		if len(x) == 0 {
			continue // a surface of one hemisphere
		}
		name := w.stem + hemis[side] + w.space + "_stat-" + s.name + "_statmap"
		if err := w.file(name+".func.gii", func(to io.Writer) error {
			return gifti.Write(to, gifti.Func(cortex.Sides[side], gifti.Named{Name: s.name, Values: x}))
		}); err != nil {
			return err
		}
		if err := w.file(name+".mgz", func(to io.Writer) error { return mgh.WriteZ(to, x) }); err != nil {
			return err
		}
		if err := w.sidecar(name+".json", s.title, s.unit); err != nil {
			return err
		}
	}
	return nil
}

// clusters writes label.gii, annot and the table of the channel clusters.
func (w *writer) clusters(c *analyze.Clusters) error {
	table := make([]gifti.Label, len(c.Size))
	regions := make([]freesurfer.Region, len(c.Size)) // numbered from 0: nibabel takes the place in the table for the number
	var tsv bytes.Buffer
	tsv.WriteString("index\tname\tcolor\n")
	for k := range c.Size {
		colour := w.in.Style.Category(k).RGBA()
		name := clusterName(c, k)
		table[k] = gifti.Label{Key: int32(k + 1), Name: name, Red: float32(colour.R) / 255, Green: float32(colour.G) / 255, Blue: float32(colour.B) / 255, Alpha: 1}
		regions[k] = freesurfer.Region{Number: int32(k), Name: name, R: colour.R, G: colour.G, B: colour.B}
		fmt.Fprintf(&tsv, "%d\t%s\t#%02x%02x%02x\n", k+1, name, colour.R, colour.G, colour.B)
	}
	for side, h := range w.in.Geometry.Hemis {
		if h.N() == 0 {
			continue
		}
		keys, labels := make([]int32, h.N()), make([]int32, h.N())
		for i := range labels {
			labels[i] = -1
		}
		for i, k := range c.Of {
			if v := &w.in.Mapping.Vertices[i]; k >= 0 && cortex.Side(v.Hemi) == side {
				keys[v.Vertex], labels[v.Vertex] = int32(k+1), int32(k)
			}
		}
		keys, labels = taken(w.from, side, keys, 0), taken(w.from, side, labels, -1)
		name := w.stem + hemis[side] + w.space + "_seg-clusters_dseg"
		if err := w.file(name+".label.gii", func(to io.Writer) error {
			return gifti.Write(to, gifti.LabelFile(cortex.Sides[side], "channel clusters", keys, table))
		}); err != nil {
			return err
		}
		if err := w.file(name+".annot", func(to io.Writer) error {
			return freesurfer.WriteAnnot(to, &freesurfer.Annot{Label: labels, Regions: regions}, "clusters")
		}); err != nil {
			return err
		}
	}
	name := w.stem + w.space + "_seg-clusters_dseg"
	if err := w.file(name+".tsv", func(to io.Writer) error { _, err := to.Write(tsv.Bytes()); return err }); err != nil {
		return err
	}
	return w.sidecar(name+".json", "groups of vertices whose readout weights are alike, the largest is 1", "")
}

// clusterName is the number and, where there is one, the region that shares most with it.
func clusterName(c *analyze.Clusters, k int) string {
	name := fmt.Sprintf("cluster%02d", k+1)
	if best := c.Best(k); best.ROI != "" {
		name += "-" + best.ROI[strings.LastIndex(best.ROI, "/")+1:]
	}
	return name
}

// sidecar writes the JSON that BIDS wants beside a file.
func (w *writer) sidecar(name, description, unit string) error {
	i := &w.in.Mapping.Info
	if i.Simulated {
		description = "Simulated responses: " + description
	}
	if w.from != nil {
		description += ". Every vertex has the value of one vertex of " + i.Surface
	}
	m := map[string]any{
		"Description": description, "SpatialReference": w.surface, "Sources": []string{"network " + i.Model, "mapping " + i.Key}, "Simulated": i.Simulated,
		"GeneratedBy": []map[string]string{{"Name": "cortexmap", "Version": w.in.Version}},
	}
	if unit != "" {
		m["Units"] = unit
	}
	if w.density != "" {
		m["Density"] = w.density
	}
	return w.file(name, func(to io.Writer) error { return writeJSON(to, m) })
}

// dataset writes the root's description; every mapping writes the same.
func (w *writer) dataset() error {
	var b bytes.Buffer
	if err := writeJSON(&b, map[string]any{
		"Name": "cortexmap: maps of networks onto the cortex", "BIDSVersion": "1.11.1", "DatasetType": "derivative",
		"GeneratedBy": []map[string]string{{"Name": "cortexmap", "Version": w.in.Version}},
	}); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(w.root, "dataset_description.json"), b.Bytes()); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(w.root, ".bidsignore"), []byte("*_stat-*\n*_statmap.*\n"))
}

func writeJSON(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
