package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"cortexmap/analyze/draw"
	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// The interactive cortex is three.js, the parts of it that viewer/entry.js names in one file, and viewer.js.
// To take another version of three.js, change the number in the two lines and run go generate where npm is.
//
//go:generate npm install --no-save --no-package-lock --prefix viewer three@0.187.0 esbuild@0.28.2
//go:generate sh -c "cd viewer && { printf '/*! three.js 0.187.0, the parts that entry.js names, bundled.\\n\\n'; sed 's/©/(c)/' node_modules/three/LICENSE; printf '*/\\n'; npx esbuild entry.js --bundle --minify --format=iife --global-name=THREE --legal-comments=inline --target=es2020; } > three.js && rm -r node_modules"

//go:embed viewer/three.js
var threeJS string

//go:embed viewer/viewer.js
var viewerJS string

//go:embed viewer/tables.js
var tablesJS string

// A nested surface (fsaverage6, 7) is shown interactively at the resolution of fsaverage5, which turns smoothly on
// any machine and keeps the page small; another one as it is if it is not too fine. The plates show every vertex.
const (
	nestedMost = 10242
	viewerMost = 45000
)

// script is a script of the page with the digest that the page's policy allows it by.
type script struct {
	Text   template.JS
	Digest string // base64 of SHA-256
}

func newScript(text string) script {
	text = strings.ReplaceAll(text, "</script", `<\/script`)
	sum := sha256.Sum256([]byte(text))
	return script{template.JS(text), base64.StdEncoding.EncodeToString(sum[:])}
}

// viewer is the interactive cortex's part of the page.
type viewer struct {
	Data  template.JS // JSON for viewer.js
	Note  string      // what is shown otherwise than on the plates
	Keys  string      // of the keyboard, for people
	Label string
	// LeftOut says what is missing for the page's size.
	LeftOut string
}

// viewerJSON is what viewer.js reads.
type viewerJSON struct {
	Blob  string       `json:"blob"`  // base64 of gzip of all numbers, little-endian
	View  string       `json:"view"`  // shown first
	Style draw.Style   `json:"style"` // shown first
	Hemis [2]hemiJSON  `json:"hemis"`
	Flat  []extentJSON `json:"flat,omitempty"`
	Runs  []runJSON    `json:"runs"`
	Maps  []mapJSON    `json:"maps"`
	// Beside are the two maps that a comparison shows first, side by side.
	Beside []int `json:"beside,omitempty"`
}

// ref is an array in the blob.
type ref struct {
	Type string `json:"type"`
	At   int    `json:"at"` // bytes from the beginning, a multiple of the numbers' size
	N    int    `json:"n"`
}

// hemiJSON: coordinates are hundredths of mm, int16 [N, 3], −32768 for none; curvature int8 in 1/400 per mm.
type hemiJSON struct {
	Name      string `json:"name"`
	N         int    `json:"n"`
	White     *ref   `json:"white,omitempty"`
	Inflated  *ref   `json:"inflated,omitempty"`
	Flat      *ref   `json:"flat,omitempty"`
	Faces     *ref   `json:"faces"`
	FlatFaces *ref   `json:"flatFaces,omitempty"`
	Curv      *ref   `json:"curv"`
	Edges     *ref   `json:"edges"` // of border segments, uint32 [S, 4]
	Along     *ref   `json:"along"` // where on the edges, uint8 [S, 2] of 255
}

// extentJSON is the part of a flat map that is shown first, mm.
type extentJSON struct {
	Lo [2]float64 `json:"lo"`
	Hi [2]float64 `json:"hi"`
}

// runJSON is a mapping: its numbers, a row a vertex.
type runJSON struct {
	Name      string       `json:"name"`
	Simulated bool         `json:"simulated"`
	Columns   []columnJSON `json:"columns"`
	At        *ref         `json:"at"`      // hemisphere·2^24 + vertex, uint32 [V]
	Numbers   *ref         `json:"numbers"` // float32 [V, columns]
	ROI       *ref         `json:"roi"`     // uint16 [V], place in Regions
	Regions   []string     `json:"regions"`
	R2        [2]*ref      `json:"r2"`  // float32 [N], gaps filled
	Top       float64      `json:"top"` // of the threshold's slider
}

type columnJSON struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Digits int    `json:"digits"` // 0: whole numbers
}

// mapJSON is a map. Places in its table are uint16: 0..60000 for −0.05..1, 65535 for no data.
type mapJSON struct {
	Run        int        `json:"run"`
	Title      string     `json:"title"`
	Unit       string     `json:"unit"`
	Note       string     `json:"note"`
	Show       []string   `json:"show"`   // columns that the map is about
	Tables     [2]*ref    `json:"tables"` // by style: accessible, paper
	Width      int        `json:"width"`
	Height     int        `json:"height"`
	Steps      bool       `json:"steps"`
	Below      *draw.RGB  `json:"below,omitempty"`
	Negative   bool       `json:"negative"` // there are values below 0
	X          [2]float64 `json:"x"`
	Legend     string     `json:"legend"`
	Categories []string   `json:"categories,omitempty"`
	Found      []bool     `json:"found,omitempty"` // which of them occur
	U          [2]*ref    `json:"u"`
	V          *[2]*ref   `json:"v,omitempty"`
}

// newViewer prepares the interactive cortex of all runs on the first run's surface, nil if there is none. Those that
// would need more than budget bytes are left out.
func newViewer(in Input, budget int) (*viewer, error) {
	var full *cortex.Geometry
	for _, r := range in.Runs {
		if full == nil && r.Geometry != nil && len(r.Results.Maps) > 0 && r.Geometry.Hemis[0].Inflated != nil && r.Geometry.Hemis[1].Inflated != nil {
			full = r.Geometry
		}
	}
	if full == nil {
		return nil, nil
	}
	g := full.Coarse(nestedMost)
	if g.Hemis[0].N() > viewerMost || g.Hemis[1].N() > viewerMost {
		return nil, nil // a subject's own fine surface: the plates show it
	}
	items := slices.DeleteFunc(viewerItems(in), func(i viewerItem) bool { return i.Geometry != full || len(i.Results.Maps) == 0 })
	p, data := &packer{}, viewerJSON{Style: in.Style}
	shown, borders, err := p.items(&data, g, items, budget)
	if err != nil {
		return nil, err
	}
	out := &viewer{Keys: "arrows turn, Shift and arrows step from vertex to vertex, Enter selects a vertex, + and − zoom, 1 to 5 are the views, 0 resets, m is the next map"}
	if shown < len(items) {
		out.LeftOut = fmt.Sprintf("For the page’s size, it has the maps of %s of %s mappings and comparisons; plates/ and maps/ have all.", count(shown), count(len(items)))
	}
	f := focus(g, items[0].Mapping)
	data.View, data.Flat = view(g, f), flatExtents(g, f)
	if in.Comparing {
		data.Beside = firstPair(data.Maps, items)
	}
	for i, h := range g.Hemis {
		data.Hemis[i] = p.hemi(h, borders[i])
	}
	if g != full {
		out.Note = fmt.Sprintf("Shown at the resolution of %s, %s vertices a hemisphere; the plates show all.", g.Name, count(g.Hemis[0].N()))
	}
	out.Label = fmt.Sprintf("Interactive cortex: two hemispheres of %s, left and right, coloured by the chosen map. Keys: %s. The tables below hold the regions’ means.", g.Name, out.Keys)
	if data.Blob, err = p.pack(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(data) // escapes <, > and &
	out.Data = template.JS(text)
	return out, err
}

// viewerItem is a mapping, or a comparison.
type viewerItem struct {
	Run
	compared *Comparison
}

// viewerItems are in the order of their importance: where comparisons are what the page is about, each stands behind
// the second network of its own, as far as there are.
func viewerItems(in Input) (out []viewerItem) {
	done := 0
	for i, r := range in.Runs {
		out = append(out, viewerItem{Run: r})
		if in.Comparing && i > 0 && done < len(in.Comparisons) {
			c := &in.Comparisons[done]
			out = append(out, viewerItem{c.run(), c})
			done++
		}
	}
	for done < len(in.Comparisons) {
		c := &in.Comparisons[done]
		out = append(out, viewerItem{c.run(), c})
		done++
	}
	return out
}

// items adds as many of them as budget bytes hold, at least one. Borders are the first one's.
func (p *packer) items(data *viewerJSON, g *cortex.Geometry, items []viewerItem, budget int) (shown int, borders [2][]draw.Segment, err error) {
	size := 0
	for i, item := range items {
		d := draw.NewDrape(g, draw.Options{Outlines: coarseOutlines(runOutlines(item.Run), g), Focus: focus(g, item.Mapping)})
		mark, runs, maps := p.Len(), len(data.Runs), len(data.Maps)
		if item.compared == nil {
			p.run(data, g, d, item.Run)
		} else {
			p.comparison(data, g, d, item.Run, *item.compared)
		}
		n, err := packedSize(p.Bytes()[mark:])
		if err != nil {
			return 0, borders, err
		}
		if size += n; i > 0 && size > budget {
			p.Truncate(mark)
			data.Runs, data.Maps = data.Runs[:runs], data.Maps[:maps]
			return i, borders, nil
		}
		if i == 0 {
			borders = d.Borders
		}
	}
	return len(items), borders, nil
}

// firstPair are the first map of the first network and the same of the next; nil without.
func firstPair(all []mapJSON, items []viewerItem) []int {
	model := func(m mapJSON) string { return items[m.Run].Mapping.Info.Model }
	for i, m := range all {
		if model(m) != model(all[0]) && m.Title == all[0].Title {
			return []int{0, i}
		}
	}
	return nil
}

// run adds a mapping and its maps.
func (p *packer) run(data *viewerJSON, g *cortex.Geometry, d *draw.Drape, r Run) {
	out := runJSON{Name: heading(r), Simulated: r.Mapping.Info.Simulated}
	p.numbers(&out, g, r)
	for _, m := range r.Results.Maps {
		c := coarseMap(m, g)
		if m.Name == "r2" {
			out.Top = m.Hi
			for side, x := range d.Fill(c).Values {
				out.R2[side] = p.f32(x)
			}
		}
		data.Maps = append(data.Maps, p.mapOf(len(data.Runs), c, d.Skin(c)))
	}
	for side, h := range g.Hemis {
		if out.R2[side] == nil {
			out.R2[side] = p.f32(cortex.NoData(h.N()))
		}
	}
	data.Runs = append(data.Runs, out)
}

// comparison adds the difference maps, with the differences as a click's numbers.
func (p *packer) comparison(data *viewerJSON, g *cortex.Geometry, d *draw.Drape, r Run, c Comparison) {
	out := runJSON{Name: c.After.Info.Model + " − " + c.Before.Info.Model, Simulated: c.simulated()}
	columns := []column{{columnJSON{"r2_change", "change of R²", 2}, c.Vertices.R2}, {columnJSON{"r2_q", "q of no change of R²", 2}, c.Vertices.Q}}
	for _, m := range c.Maps {
		if m.Name == "depth_change" {
			columns = append(columns, column{columnJSON{"depth_change", "change of depth", 2}, ofVertices(r.Mapping, m)})
		}
		coarse := coarseMap(m, g)
		data.Maps = append(data.Maps, p.mapOf(len(data.Runs), coarse, d.Skin(coarse)))
	}
	p.rows(&out, g, r.Mapping, columns)
	for side, h := range g.Hemis { // no threshold: a difference has no R² of its own
		out.R2[side] = p.f32(cortex.NoData(h.N()))
	}
	data.Runs = append(data.Runs, out)
}

// ofVertices reads a map at the mapping's vertices.
func ofVertices(m *store.Mapping, from *cortex.Map) []float64 {
	out := make([]float64, len(m.Vertices))
	for i := range m.Vertices {
		out[i] = math.NaN()
		if side := cortex.Side(m.Vertices[i].Hemi); side >= 0 {
			out[i] = from.Values[side][m.Vertices[i].Vertex]
		}
	}
	return out
}

// column is a number of every unit of a mapping [V].
type column struct {
	columnJSON
	values []float64
}

// viewerColumns are the numbers that a click shows.
var viewerColumns = []struct {
	columnJSON
	get func(*store.Vertex) float64
}{
	{columnJSON{"r2", "R²", 2}, func(v *store.Vertex) float64 { return float64(v.R2) }},
	{columnJSON{"r2_norm", "R² / noise ceiling", 2}, func(v *store.Vertex) float64 { return float64(v.R2Norm) }},
	{columnJSON{"ceiling", "noise ceiling", 2}, func(v *store.Vertex) float64 { return float64(v.Ceiling) }},
	{columnJSON{"r", "r", 2}, func(v *store.Vertex) float64 { return float64(v.R) }},
	{columnJSON{"depth", "depth (0 first, 1 last layer)", 2}, func(v *store.Vertex) float64 { return float64(v.Depth) }},
	{columnJSON{"layer", "expected layer (index)", 2}, func(v *store.Vertex) float64 { return float64(v.LayerExpected) }},
	{columnJSON{"entropy", "entropy of the layer selector (0..1)", 2}, func(v *store.Vertex) float64 { return float64(v.LayerEntropy) }},
	{columnJSON{"scale", "scale (0 local, 1 global)", 2}, func(v *store.Vertex) float64 { return float64(v.Scale) }},
	{columnJSON{"local", "local share (0..1)", 2}, func(v *store.Vertex) float64 { return float64(v.LocalShare) }},
	{columnJSON{"x", "image x (−1..1, right)", 2}, func(v *store.Vertex) float64 { return float64(v.SpaceX) }},
	{columnJSON{"y", "image y (−1..1, down)", 2}, func(v *store.Vertex) float64 { return float64(v.SpaceY) }},
	{columnJSON{"ecc", "eccentricity (°)", 2}, func(v *store.Vertex) float64 { return float64(v.EccDeg) }},
	{columnJSON{"angle", "polar angle (°)", 0}, func(v *store.Vertex) float64 { return float64(v.AngleDeg) }},
}

// about says which numbers a map shows.
var about = map[string][]string{"layer": {"depth", "entropy"}, "space": {"x", "y"}, "scale": {"scale", "local"}, "r2": {"r2"}, "r2_norm": {"r2_norm"}, "clusters": {"cluster"},
	"depth_change": {"depth_change"}, "r2_change": {"r2_change", "r2_q"}, "r2_change_called": {"r2_change", "r2_q"}}

// numbers adds what a click shows: the columns that any vertex has, the category of every map of categories,
// and the regions' names.
func (p *packer) numbers(out *runJSON, g *cortex.Geometry, r Run) {
	var columns []column
	add := func(c columnJSON, get func(*store.Vertex) float64) {
		x := make([]float64, len(r.Mapping.Vertices))
		known := false
		for i := range x {
			x[i] = get(&r.Mapping.Vertices[i])
			known = known || !math.IsNaN(x[i])
		}
		if known {
			columns = append(columns, column{c, x})
		}
	}
	for _, c := range viewerColumns {
		add(c.columnJSON, c.get)
	}
	for _, m := range r.Results.Maps {
		if m.Name == "clusters" {
			add(columnJSON{"cluster", "channel cluster", 0}, func(v *store.Vertex) float64 {
				if side := cortex.Side(v.Hemi); side >= 0 {
					return m.Values[side][v.Vertex] + 1
				}
				return math.NaN()
			})
		}
	}
	p.rows(out, g, r.Mapping, columns)
}

// rows adds the columns' numbers and the regions' names, a row a vertex that the shown surface has.
func (p *packer) rows(out *runJSON, g *cortex.Geometry, m *store.Mapping, columns []column) {
	for _, c := range columns {
		out.Columns = append(out.Columns, c.columnJSON)
	}
	var at []uint32
	var numbers []float64
	var roi []uint16
	place := map[string]int{}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		side := cortex.Side(v.Hemi)
		if side < 0 || int(v.Vertex) >= g.Hemis[side].N() {
			continue
		}
		at = append(at, uint32(side)<<24|uint32(v.Vertex))
		for _, x := range columns {
			numbers = append(numbers, x.values[i])
		}
		names := regionNames(v)
		k, ok := place[names]
		if !ok {
			k = len(out.Regions)
			place[names] = k
			out.Regions = append(out.Regions, names)
		}
		roi = append(roi, uint16(min(k, math.MaxUint16)))
	}
	out.At, out.Numbers, out.ROI = packed(p, "u32", at), p.f32(numbers), packed(p, "u16", roi)
}

// regionNames are a vertex's regions without their families.
func regionNames(v *store.Vertex) string {
	var names []string
	for _, full := range v.ROIs {
		names = append(names, last(full))
	}
	return strings.Join(names, ", ")
}

func (p *packer) mapOf(run int, m *cortex.Map, s *draw.Skin) mapJSON {
	out := mapJSON{Run: run, Title: m.Title, Unit: m.Unit, Note: m.Note, Show: about[m.Name], Tables: [2]*ref{packed(p, "u8", s.Pix[draw.Accessible]), packed(p, "u8", s.Pix[draw.Paper])}, Width: s.Width, Height: s.Height,
		Steps: s.Steps, Below: s.Below, X: [2]float64{s.X.Lo, s.X.Hi}, Categories: m.Categories}
	if s.Filled > 0 {
		out.Note = strings.TrimSpace(out.Note + fmt.Sprintf(" %s vertices between the mapping’s are drawn as %s of their neighbours.", count(s.Filled), draw.Joined(m)))
	}
	if out.Show == nil {
		out.Show = []string{}
	}
	switch m.Rule {
	case cortex.RuleLayer:
		out.Legend = "upwards: how sure the layer selector is"
	case cortex.RuleSpace:
		out.Legend = "the image: right to the right, its top at the top"
	case cortex.RuleScale:
		out.Legend = "0 local tokens, 1 the global token"
	}
	if m.Rule == cortex.RuleCategories {
		out.Found = make([]bool, len(m.Categories))
	}
	var v [2]*ref
	for side := range s.U {
		for _, x := range m.Values[side] {
			out.Negative = out.Negative || x < 0
			if out.Found != nil && x >= 0 && int(x) < len(out.Found) {
				out.Found[int(x)] = true
			}
		}
		out.U[side] = p.places(s.U[side])
		if s.Height > 1 {
			v[side] = p.places(s.V[side])
		}
	}
	if s.Height > 1 {
		out.V = &v
	}
	return out
}

func (p *packer) hemi(h *cortex.Hemisphere, borders []draw.Segment) hemiJSON {
	out := hemiJSON{Name: h.Name, N: h.N(), Faces: p.faces(h.Inflated.Faces)}
	out.White, out.Inflated = p.points(h.White), p.points(h.Inflated)
	if h.Flat != nil {
		out.Flat, out.FlatFaces = p.points(h.Flat), p.faces(h.Flat.Faces)
	}
	curv := make([]int8, h.N())
	for i := range h.Curv {
		curv[i] = int8(math.Round(math.Max(-127, math.Min(127, 400*float64(h.Curv[i])))))
	}
	out.Curv = packed(p, "i8", curv)
	var edges []uint32
	var along []uint8
	for _, s := range borders {
		edges = append(edges, uint32(s.A[0]), uint32(s.A[1]), uint32(s.B[0]), uint32(s.B[1]))
		along = append(along, uint8(math.Round(255*s.At)), uint8(math.Round(255*s.Bt)))
	}
	out.Edges, out.Along = packed(p, "u32", edges), packed(p, "u8", along)
	return out
}

// packer lays arrays one behind the other.
type packer struct{ bytes.Buffer }

// packed appends numbers at a multiple of four bytes.
func packed[T any](p *packer, kind string, x []T) *ref {
	for p.Len()%4 != 0 {
		p.WriteByte(0)
	}
	at := p.Len()
	binary.Write(p, binary.LittleEndian, x) // writing to a buffer can't fail, and T has a fixed size
	return &ref{kind, at, len(x)}
}

func (p *packer) f32(x []float64) *ref {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return packed(p, "f32", out)
}

// places are 0..60000 for −0.05..1, 65535 for no data.
func (p *packer) places(x []float64) *ref {
	out := make([]uint16, len(x))
	for i, v := range x {
		out[i] = math.MaxUint16
		if !math.IsNaN(v) {
			out[i] = uint16(math.Round((math.Max(-0.05, math.Min(1, v)) + 0.05) / 1.05 * 60000))
		}
	}
	return packed(p, "u16", out)
}

func (p *packer) points(s *cortex.Surface) *ref {
	if s == nil {
		return nil
	}
	out := make([]int16, 0, 3*len(s.Points))
	for _, q := range s.Points {
		for _, x := range q {
			v := math.Round(100 * float64(x))
			if math.IsNaN(v) || math.Abs(v) > 32767 {
				v = -32768
			}
			out = append(out, int16(v))
		}
	}
	return packed(p, "i16", out)
}

func (p *packer) faces(faces [][3]int32) *ref {
	small := true
	for _, t := range faces {
		small = small && t[0] <= math.MaxUint16 && t[1] <= math.MaxUint16 && t[2] <= math.MaxUint16
	}
	if small {
		out := make([]uint16, 0, 3*len(faces))
		for _, t := range faces {
			out = append(out, uint16(t[0]), uint16(t[1]), uint16(t[2]))
		}
		return packed(p, "u16", out)
	}
	out := make([]uint32, 0, 3*len(faces))
	for _, t := range faces {
		out = append(out, uint32(t[0]), uint32(t[1]), uint32(t[2]))
	}
	return packed(p, "u32", out)
}

// pack is base64 of gzip of everything; without a time, so that the same report has the same bytes.
func (p *packer) pack() (string, error) {
	var out bytes.Buffer
	err := zip(&out, p.Bytes())
	return base64.StdEncoding.EncodeToString(out.Bytes()), err
}

// packedSize is how many bytes numbers take on the page.
func packedSize(x []byte) (int, error) {
	var out bytes.Buffer
	err := zip(&out, x)
	return base64.StdEncoding.EncodedLen(out.Len()), err
}

func zip(out *bytes.Buffer, x []byte) error {
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(x); err != nil {
		return err
	}
	return z.Close()
}

// coarseMap is a map of those vertices that a coarser geometry has.
func coarseMap(m *cortex.Map, g *cortex.Geometry) *cortex.Map {
	out := *m
	for side, h := range g.Hemis {
		for _, x := range []*[]float64{&out.Values[side], &out.Second[side], &out.Certainty[side]} {
			*x = (*x)[:min(h.N(), len(*x))]
			if len(*x) == 0 {
				*x = nil
			}
		}
	}
	return &out
}

func coarseOutlines(all []draw.Outline, g *cortex.Geometry) []draw.Outline {
	out := slices.Clone(all)
	for i := range out {
		for side, h := range g.Hemis {
			if in := out[i].In[side]; in != nil {
				out[i].In[side] = in[:min(len(in), h.N())]
			}
		}
	}
	return out
}

// view is the one that shows most of what has data: the back of the head, or its side.
func view(g *cortex.Geometry, focus [2][]bool) string {
	sum, n := 0.0, 0
	for side, h := range g.Hemis {
		for i, in := range focus[side] {
			if in {
				sum += float64(h.Inflated.Points[i][1])
				n++
			}
		}
	}
	if n > 0 && sum/float64(n) < -30 {
		return "posterior"
	}
	return "lateral"
}

// flatExtents bound what has data on the flat maps, with a margin; nil without flat maps.
func flatExtents(g *cortex.Geometry, focus [2][]bool) []extentJSON {
	const margin = 8 // mm
	out := make([]extentJSON, 2)
	for side, h := range g.Hemis {
		if h.Flat == nil {
			return nil
		}
		e := extentJSON{Lo: [2]float64{math.Inf(1), math.Inf(1)}, Hi: [2]float64{math.Inf(-1), math.Inf(-1)}}
		whole := e
		for _, t := range h.Flat.Faces {
			for _, i := range t {
				for k := range 2 {
					x := float64(h.Flat.Points[i][k])
					whole.Lo[k], whole.Hi[k] = math.Min(whole.Lo[k], x), math.Max(whole.Hi[k], x)
					if focus[side][i] {
						e.Lo[k], e.Hi[k] = math.Min(e.Lo[k], x-margin), math.Max(e.Hi[k], x+margin)
					}
				}
			}
		}
		for k := range 2 {
			if math.IsInf(e.Lo[k], 0) {
				e.Lo[k], e.Hi[k] = whole.Lo[k], whole.Hi[k]
			}
		}
		out[side] = e
	}
	return out
}

// runOutlines are the regions drawn for a run.
func runOutlines(r Run) []draw.Outline {
	if r.Outlines != nil {
		return r.Outlines
	}
	return Outlines(r.Geometry, r.Mapping, r.Hierarchy)
}
