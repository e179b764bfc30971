package draw

import (
	"context"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Options say what a plate shows beside the map.
type Options struct {
	Network, Subject string    // printed under the title
	Focus            [2][]bool // the part of the flat map to show, with a margin; nil: all of it
	Outlines         []Outline // regions with border and name, the most important first
	Style            Style     // colours
	Width            float64   // logical pixels; the height follows
	Scale            float64   // device pixels a logical pixel
	Samples          int       // samples a device pixel, along each axis
	Labels           bool      // write the outlines' names
}

// DefaultOptions are those of the report: 1,120 logical pixels wide, 1.5 device pixels each, 2 × 2 samples.
func DefaultOptions() Options {
	return Options{Width: 1120, Scale: 1.5, Samples: 2, Labels: true}
}

// Plate is one finished picture of a map.
type Plate struct {
	Name          string // file stem: the map's name, then flat or views
	Title         string
	Alt           string // what a person who can't see the picture should know
	Width, Height float64
	sheet         *sheet
}

// Image paints the plate at its scale.
func (p *Plate) Image() *image.RGBA { return p.sheet.paint() }

// PNG is the plate as a PNG file.
func (p *Plate) PNG() ([]byte, error) { return encode(p.Image()) }

// SVG is the plate as an SVG file: surfaces embedded as PNG, lines and text as such.
func (p *Plate) SVG() ([]byte, error) { return p.sheet.svg(p.Title, p.Alt) }

// Write puts NAME.png and NAME.svg into dir.
func (p *Plate) Write(dir string) error {
	for ext, make := range map[string]func() ([]byte, error){".png": p.PNG, ".svg": p.SVG} {
		data, err := make()
		if err != nil {
			return err
		}
		if err := durable.WriteFile(filepath.Join(dir, p.Name+ext), data); err != nil {
			return err
		}
	}
	return nil
}

// Stage is a set of views of one cortex, rasterised once and painted with any number of maps.
type Stage struct {
	kind   string // flat, views
	o      Options
	g      *cortex.Geometry
	panels []*panel
	inset  bool     // with a small picture of where the panels lie
	legend float64  // x of the legend; the sheet ends a column later
	bottom float64  // of the lowest panel
	gaps   [2][]gap // between the vertices of the focus
}

// panel is one view of one hemisphere at a place on the sheet.
type panel struct {
	side    int
	name    string // of the view; "" for none
	surface *cortex.Surface
	normal  []vec // nil on flat maps
	camera  view
	centre  vec
	mm      float64 // logical pixels a mm
	x, y    float64
	w, h    float64
	frame   *frame
	borders [][][2]float64 // polylines in logical pixels of the sheet
	names   []name
}

// name is a word at a place, the middle of its baseline, and how wide what it names is there.
type name struct {
	text       string
	x, y, wide float64
}

const (
	margin  = 18.0
	column  = 200.0 // of the legend
	headers = 64.0  // title and its second line
	nearMM  = 1.5   // what lies this much behind the surface is still drawn: borders lie in it
	nameSz  = 12.0
)

// Flat prepares flat maps of both hemispheres, cut to o.Focus. It fails where the geometry has no flat map.
func Flat(ctx context.Context, g *cortex.Geometry, o Options) (*Stage, error) {
	for _, h := range g.Hemis {
		if h.Flat == nil {
			return nil, fault.Inputf("%s has no flat map of %s", g.Name, h.Name).Remedy("draw the inflated views instead")
		}
	}
	s := &Stage{kind: "flat", o: o, g: g}
	var lo, hi [2]vec
	for i, h := range g.Hemis {
		lo[i], hi[i] = extent(h.Flat, o.Focus[i])
	}
	bottom, top := math.Min(lo[0][1], lo[1][1]), math.Max(hi[0][1], hi[1][1])
	const gap = 22.0
	wide := hi[0][0] - lo[0][0] + hi[1][0] - lo[1][0]
	mm := math.Min((o.Width-column-2*margin-gap)/wide, 660/(top-bottom))
	x := margin
	for i, h := range g.Hemis {
		w := mm * (hi[i][0] - lo[i][0])
		s.panels = append(s.panels, &panel{side: i, surface: h.Flat, camera: flatView, mm: mm,
			centre: vec{(lo[i][0] + hi[i][0]) / 2, (top + bottom) / 2}, x: x, y: headers + 22, w: w, h: mm * (top - bottom)})
		x += w + gap
	}
	s.legend = x + 4
	s.inset = o.Focus[0] != nil || o.Focus[1] != nil
	return s, s.prepare(ctx)
}

// Views prepares lateral, medial, ventral and posterior views of both hemispheres at one scale: of the inflated
// surfaces, or of what a geometry without them has (cortex.Hemisphere.Shape). It fails where there is nothing to draw.
func Views(ctx context.Context, g *cortex.Geometry, o Options) (*Stage, error) {
	s := &Stage{kind: "views", o: o, g: g}
	const gap, air = 14.0, 1.04
	var widths, heights [4]float64
	var centre [2]vec
	for i, h := range g.Hemis {
		shape := h.Shape()
		if shape == nil {
			continue
		}
		lo, hi := extent(shape, nil)
		centre[i] = lo.add(hi).mul(0.5)
		size := hi.sub(lo)
		for k, v := range cameras(i) {
			widths[k] = math.Max(widths[k], air*math.Abs(size.dot(absolute(v.right))))
			heights[i] = math.Max(heights[i], air*math.Abs(size.dot(absolute(v.up))))
		}
	}
	total := widths[0] + widths[1] + widths[2] + widths[3]
	if total == 0 {
		return nil, fault.Inputf("%s has no surface to draw", g.Name)
	}
	mm := (o.Width - column - 2*margin - 34 - 3*gap) / total
	y := headers + 30
	for i, h := range g.Hemis {
		shape := h.Shape()
		if shape == nil {
			continue
		}
		x := margin + 34.0
		for k, v := range cameras(i) {
			s.panels = append(s.panels, &panel{side: i, name: v.name, surface: shape, camera: v,
				centre: centre[i], mm: mm, x: x, y: y, w: mm * widths[k], h: mm * heights[i]})
			x += mm*widths[k] + gap
		}
		y += mm*heights[i] + 10
		s.legend = x + 4
	}
	return s, s.prepare(ctx)
}

func absolute(v vec) vec { return vec{math.Abs(v[0]), math.Abs(v[1]), math.Abs(v[2])} }

// extent bounds the vertices of the surface's triangles, only those in focus if any is, with a margin.
func extent(s *cortex.Surface, focus []bool) (lo, hi vec) {
	const edge = 7 // mm around the focus
	in := func(i int32) bool { return true }
	if focus != nil && slices.ContainsFunc(s.Faces, func(t [3]int32) bool { return focus[t[0]] }) {
		in = func(i int32) bool { return focus[i] }
	}
	whole, part := newBounds(), newBounds()
	for _, t := range s.Faces {
		for _, i := range t {
			whole.add(vecOf(s.Points[i]))
			if in(i) {
				part.add(vecOf(s.Points[i]))
			}
		}
	}
	for k := range lo {
		lo[k] = math.Max(part.lo[k]-edge, whole.lo[k])
		hi[k] = math.Min(part.hi[k]+edge, whole.hi[k])
	}
	return lo, hi
}

type bounds struct{ lo, hi vec }

func newBounds() *bounds {
	inf := math.Inf(1)
	return &bounds{vec{inf, inf, inf}, vec{-inf, -inf, -inf}}
}

func (b *bounds) add(p vec) {
	for k := range p {
		b.lo[k], b.hi[k] = math.Min(b.lo[k], p[k]), math.Max(b.hi[k], p[k])
	}
}

// shape is what the panels of one hemisphere share.
type shape struct {
	around [][]int32 // neighbours of every vertex on the uncut mesh
	rim    []bool
	normal []vec // nil on flat maps
	region []region
}

// region is an outline on one hemisphere; its zero value is of one that has nothing there.
type region struct {
	inside  []int32 // its vertices, ascending
	field   []float64
	crossed [][3]int32 // the triangles that its border runs through
}

// prepare readies the outlines and rasterises every panel, on all cores.
func (s *Stage) prepare(ctx context.Context) error {
	var shapes [2]shape
	err := each(ctx, len(shapes), func(side int) { shapes[side] = s.shape(side) })
	if err != nil {
		return err
	}
	n := len(s.o.Outlines)
	if err := each(ctx, 2*n, func(i int) { s.region(&shapes[i/n], i/n, i%n) }); err != nil {
		return err
	}
	for _, p := range s.panels {
		s.bottom = math.Max(s.bottom, p.y+p.h)
	}
	return each(ctx, len(s.panels), func(i int) { s.panels[i].prepare(s.o, &shapes[s.panels[i].side]) })
}

func (s *Stage) shape(side int) shape {
	h := s.g.Hemis[side]
	out := shape{around: h.Neighbours(), region: make([]region, len(s.o.Outlines))}
	var outlined [][]bool
	for _, o := range s.o.Outlines {
		outlined = append(outlined, o.In[side])
	}
	s.gaps[side] = gaps(s.o.Focus[side], outlined, out.around)
	surface := s.drawn(side)
	if surface == nil {
		return out // a hemisphere without vertices
	}
	if s.kind == "views" {
		out.normal = normals(surface)
	}
	out.rim = rim(surface)
	return out
}

// drawn is the surface that the panels of a hemisphere show; nil for one without vertices.
func (s *Stage) drawn(side int) *cortex.Surface {
	if s.kind == "flat" {
		return s.g.Hemis[side].Flat
	}
	return s.g.Hemis[side].Shape()
}

// region readies the k-th outline on one hemisphere.
func (s *Stage) region(h *shape, side, k int) {
	in := s.o.Outlines[k].In[side]
	surface := s.drawn(side)
	if in == nil || surface == nil {
		return
	}
	r := &h.region[k]
	in = closed(in, s.gaps[side])
	for i, yes := range in {
		if yes {
			r.inside = append(r.inside, int32(i))
		}
	}
	r.field = field(in, h.around)
	r.crossed = crossed(surface.Faces, r.field)
}

// each runs f on 0..n-1 with as many goroutines as there are cores, until the context ends.
func each(ctx context.Context, n int, f func(int)) error {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return ctx.Err()
}

func (p *panel) prepare(o Options, h *shape) {
	ss := float64(o.Samples)
	w, height := int(math.Round(p.w*o.Scale))*o.Samples, int(math.Round(p.h*o.Scale))*o.Samples
	perMM := p.mm * o.Scale * ss
	p.normal = h.normal
	points := project(p.surface.Points, p.camera, p.centre, perMM, w, height)
	p.frame = rasterise(p.surface.Faces, points, p.normal, p.camera.toward, w, height)
	visible := p.visible(points, nearMM*perMM)
	sheetXY := func(q vec) [2]float64 {
		return [2]float64{p.x + q[0]/(ss*o.Scale), p.y + q[1]/(ss*o.Scale)}
	}
	for k, r := range h.region {
		for _, line := range border(r.crossed, points, r.field, p.normal, p.camera.toward, p.frame, nearMM*perMM) {
			flat := make([][2]float64, len(line))
			for i, q := range line {
				flat[i] = sheetXY(q)
			}
			p.borders = append(p.borders, flat)
		}
		if at, wide, ok := anchor(r.inside, visible, h.rim, h.around, points); ok {
			q := sheetXY(at)
			p.names = append(p.names, name{o.Outlines[k].Name, q[0], q[1] + nameSz*0.36, wide / (ss * o.Scale)})
		}
	}
}

// visible marks the vertices that can be seen and are turned to the viewer enough to be written on.
func (p *panel) visible(points []vec, bias float64) []bool {
	out := make([]bool, len(points))
	for i, q := range points {
		turned := p.normal == nil || p.normal[i].dot(p.camera.toward) > 0.25
		out[i] = turned && p.frame.seen(q, bias)
	}
	return out
}

// Draw paints a map on the stage.
func (s *Stage) Draw(ctx context.Context, m *cortex.Map) (*Plate, error) {
	for i, h := range s.g.Hemis {
		if len(m.Values[i]) != h.N() {
			panic(fmt.Sprintf("draw: map %s has %d values for %d vertices of %s", m.Name, len(m.Values[i]), h.N(), h.Name))
		}
	}
	whole, filled := fill(m, s.gaps)
	paint := newPainter(whole, s.o.Style)
	sh := &sheet{w: s.legend + column, scale: s.o.Scale}
	s.header(sh, m)
	pictures, err := s.pictures(ctx, paint)
	if err != nil {
		return nil, err
	}
	for i, p := range s.panels {
		sh.picture(pictures[i], p.x, p.y)
	}
	s.lines(sh)
	s.sides(sh)
	x := s.legend
	y := sh.legend(paint, x, headers+22, column-margin)
	if s.inset {
		y = math.Max(y+10, s.bottom-110)
		s.drawInset(sh, x, y)
		y += 106
	}
	note := m.Note
	if filled > 0 {
		note += fmt.Sprintf(" %s between the mapping's are drawn as %s of their neighbours.", vertices(filled), Joined(m))
	}
	sh.h = s.footer(sh, note, math.Max(y, s.bottom)+10)
	return &Plate{Name: m.Name + "_" + s.kind, Title: m.Title, Alt: s.alt(m), Width: sh.w, Height: sh.h, sheet: sh}, nil
}

// pictures paints the panels in strips, so that two large panels still use all cores.
func (s *Stage) pictures(ctx context.Context, paint *painter) ([]*image.RGBA, error) {
	const strip = 32 // rows
	type job struct{ panel, y0, y1 int }
	var jobs []job
	out := make([]*image.RGBA, len(s.panels))
	for i, p := range s.panels {
		w, h := p.frame.w/s.o.Samples, p.frame.h/s.o.Samples
		out[i] = image.NewRGBA(image.Rect(0, 0, w, h))
		for y := 0; y < h; y += strip {
			jobs = append(jobs, job{i, y, min(y+strip, h)})
		}
	}
	err := each(ctx, len(jobs), func(k int) {
		j := jobs[k]
		p := s.panels[j.panel]
		curv := s.g.Hemis[p.side].Curv
		p.frame.paint(out[j.panel], s.o.Samples, j.y0, j.y1, func(n int32, w [3]float64) RGB {
			t := p.surface.Faces[n]
			if c, ok := paint.at(p.side, t, w); ok {
				return c
			}
			return underlay(curv, t, w)
		})
	})
	return out, err
}

// header writes the title, and below it whose map it is.
func (s *Stage) header(sh *sheet, m *cortex.Map) {
	sh.text(sh.typ.fit(m.Title, 19, true, sh.w-2*margin), margin, 30, 19, start, ink, true)
	x := margin
	put := func(t string, c RGB, bold bool) {
		if t == "" {
			return
		}
		sh.text(t, x, 51, textSize, start, c, bold)
		x += sh.typ.width(t, textSize, bold)
	}
	if m.Simulated {
		put("simulated responses", alarm, true)
		put("  ·  ", faint, false)
	}
	line := s.o.Network
	for _, part := range []string{s.o.Subject, s.g.Name, vertices(count(m)) + " with data"} {
		if part != "" {
			if line != "" {
				line += "  ·  "
			}
			line += part
		}
	}
	put(sh.typ.fit(line, textSize, false, sh.w-margin-x), faint, false)
}

// lines draws all borders (halo first) and as many names as fit without touching each other.
func (s *Stage) lines(sh *sheet) {
	thick := 1.2
	if s.kind == "views" {
		thick = 0.8
	}
	for _, p := range s.panels {
		for _, line := range p.borders {
			sh.line(line, 2.4*thick, white)
		}
		for _, line := range p.borders {
			sh.line(line, thick, RGB{})
		}
	}
	if !s.o.Labels {
		return
	}
	for _, p := range s.panels {
		var taken [][4]float64
		for _, n := range p.names {
			if p.normal != nil && sh.typ.width(n.text, nameSz, true) > n.wide {
				continue // a small region on a small view: its name would cover it
			}
			if at, ok := p.place(sh, n, taken); ok {
				sh.ops = append(sh.ops, op{text: n.text, x: at[0], y: at[1], size: nameSz, anchor: middle, colour: RGB{}, bold: true, halo: true})
				taken = append(taken, around(sh, n.text, at))
			}
		}
	}
}

// place finds a free place for a name near its anchor, inside the panel.
func (p *panel) place(sh *sheet, n name, taken [][4]float64) (at [2]float64, ok bool) {
	for _, d := range [][2]float64{{0, 0}, {0, -9}, {0, 9}, {-10, 0}, {10, 0}, {-10, -9}, {10, -9}, {-10, 9}, {10, 9}} {
		at = [2]float64{n.x + d[0], n.y + d[1]}
		r := around(sh, n.text, at)
		if r[0] < p.x {
			at[0] += p.x - r[0]
		}
		if r[2] > p.x+p.w {
			at[0] -= r[2] - p.x - p.w
		}
		r = around(sh, n.text, at)
		inside := r[1] >= p.y && r[3] <= p.y+p.h
		if inside && !slices.ContainsFunc(taken, func(q [4]float64) bool {
			return r[0] < q[2] && q[0] < r[2] && r[1] < q[3] && q[1] < r[3]
		}) {
			return at, true
		}
	}
	return at, false
}

// around is the box of a name, with a little air.
func around(sh *sheet, t string, at [2]float64) [4]float64 {
	w := sh.typ.width(t, nameSz, true)/2 + 2
	return [4]float64{at[0] - w, at[1] - nameSz, at[0] + w, at[1] + 4}
}

// sides says which hemisphere and view is which.
func (s *Stage) sides(sh *sheet) {
	words := [2]string{"left hemisphere", "right hemisphere"}
	for _, p := range s.panels {
		switch {
		case s.kind == "flat":
			sh.text(words[p.side], p.x+p.w/2, p.y-7, textSize, middle, faint, false)
		default:
			if p.side == s.panels[0].side {
				sh.text(p.name, p.x+p.w/2, headers+22, textSize, middle, faint, false)
			}
			if p.name == "lateral" {
				sh.text([2]string{"lh", "rh"}[p.side], margin, p.y+p.h/2+5, textSize, start, faint, true)
			}
		}
	}
}

// footer writes the note and returns the sheet's height.
func (s *Stage) footer(sh *sheet, note string, y float64) float64 {
	for _, line := range sh.typ.wrap(note, smallSize, sh.w-2*margin) {
		sh.text(line, margin, y+smallSize, smallSize, start, faint, false)
		y += smallSize + 5
	}
	return y + 12
}

// alt tells the plate in words and numbers.
func (s *Stage) alt(m *cortex.Map) string {
	what := "Flat maps of both hemispheres, left on the left"
	if s.kind == "views" {
		what = "Lateral, medial, ventral and posterior views of the hemispheres"
	}
	text := fmt.Sprintf("%s, coloured by %s, on %s.", what, m.Title, vertices(count(m)))
	if m.Simulated {
		text += " The responses are simulated."
	}
	if m.Rule == cortex.RuleCategories || m.Rule == cortex.RuleSpace {
		return text
	}
	for i, v := range m.Values {
		if q, ok := quartiles(v); ok {
			text += fmt.Sprintf(" %s: median %.3g, middle half %.3g to %.3g.", [2]string{"Left", "Right"}[i], q[1], q[0], q[2])
		}
	}
	return text
}

func quartiles(v []float64) (q [3]float64, ok bool) {
	var x []float64
	for _, a := range v {
		if !math.IsNaN(a) {
			x = append(x, a)
		}
	}
	if len(x) == 0 {
		return q, false
	}
	slices.Sort(x)
	for i := range q {
		q[i] = x[(len(x)-1)*(i+1)/4]
	}
	return q, true
}

// count is the number of vertices with data.
func count(m *cortex.Map) int {
	n := 0
	for _, side := range m.Values {
		for _, v := range side {
			if !math.IsNaN(v) {
				n++
			}
		}
	}
	return n
}

// thousands writes 2790 as 2,790.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func vertices(n int) string {
	if n == 1 {
		return "1 vertex"
	}
	return thousands(n) + " vertices"
}
