package report

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
)

// plates are n pictures of smooth colours with some noise, as maps are.
func plates(t *testing.T, n int) (out []figure, size int) {
	t.Helper()
	img, noise := image.NewRGBA(image.Rect(0, 0, 240, 160)), rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(i/960 + noise.IntN(20))
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	for range n {
		out = append(out, figure{file: b.Bytes()})
	}
	return out, b.Len()
}

// TestPictures: pictures lose colours, then pixels, then go, the last maps of the last mappings first, until a budget
// holds them.
func TestPictures(t *testing.T) {
	_, size := plates(t, 1)
	for _, c := range []struct {
		budget, least, most int
		reduced             bool
	}{{6 * size, 6, 6, false}, {4 * size, 6, 6, true}, {size / 4, 1, 5, true}, {1, 0, 0, true}} {
		d := &drawn{compared: make([]comparisonFigures, 1)}
		d.compared[0].Differences, _ = plates(t, 1)
		for range 2 {
			two, _ := plates(t, 2)
			d.runs = append(d.runs, runFigures{Plates: two})
		}
		one, _ := plates(t, 1)
		d.sections = []section{{Figures: []*figure{&one[0], {SVG: "a chart"}}}}
		if err := d.fitPictures(t.Context(), c.budget); err != nil {
			t.Fatal(err)
		}
		shown := append(append(d.compared[0].Differences, d.runs[0].Plates...), d.runs[1].Plates...)
		bytes, left := 0, d.compared[0].LeftOut+d.runs[0].LeftOut+d.runs[1].LeftOut+d.sections[0].LeftOut
		for _, f := range d.sections[0].Figures {
			if f.SVG == "" {
				shown = append(shown, *f)
			}
		}
		for _, f := range shown {
			bytes += len(f.PNG) * 3 / 4
		}
		if n := len(shown); n < c.least || n > c.most || bytes > c.budget+100*n || left != 6-n || d.reduced != c.reduced {
			t.Errorf("a budget of %d (one picture has %d) leaves %d pictures of %d bytes, %d out, reduced %v; want %d to %d", c.budget, size, n, bytes, left, d.reduced, c.least, c.most)
		}
		if len(shown) > 0 && len(d.compared[0].Differences) == 0 || len(d.runs[0].Plates) < len(d.runs[1].Plates) {
			t.Error("a later picture stayed where an earlier one went")
		}
		if last := d.sections[0].Figures; last[len(last)-1].SVG == "" {
			t.Error("a chart went")
		}
	}
}

// TestManyMappings: a page of 40 mappings stays below 15 MB, says what it left out and where that lies, leads from the
// table of all to each part, and folds the parts. Plates and tables are there for every mapping.
func TestManyMappings(t *testing.T) {
	r := sampleRun(t, 6)
	var runs []Run
	for i := range 40 {
		one, m := r, *r.Mapping
		m.Info.Seed, m.Info.Key, m.Info.Curve = i, fmt.Sprintf("%012d", i), nil
		one.Mapping, one.Results = &m, &analyze.Results{ROIs: r.Results.ROIs, Tables: r.Results.Tables}
		if i == 0 || i == 30 { // drawing takes the time, and how the page holds pictures is TestPictures'
			one.Results.Maps = r.Results.Maps[:1]
		} else {
			one.Geometry = nil
		}
		runs = append(runs, one)
	}
	dir := t.TempDir()
	html := write(t, dir, sampleInput(t, runs...))
	offline(t, "many", html)
	for _, want := range []string{"the first 24 of 40 mappings", `<a href="#run24">`, `<details class="part">`, `id="overview"`} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(html, `href="#run25"`) {
		t.Error("the table leads to a part that is not there")
	}
	if n := strings.Count(html, `<th scope="row"><a href="#run`); n != 24 {
		t.Errorf("%d rows lead to parts, want 24", n)
	}
	plates, err := filepath.Glob(filepath.Join(dir, "plates", "*seed30_layer_flat.png"))
	if err != nil || len(plates) != 1 {
		t.Errorf("plates of a mapping beyond the page's: %v, %v", plates, err)
	}
}

// TestPageBound: whatever the mappings carry, the page stays below its bound.
func TestPageBound(t *testing.T) {
	r := ridgeRun(t)
	r.Difficulty = strings.Repeat("A very long description. ", 100_000) // 2.5 MB
	var runs []Run
	for i := range 12 {
		one, m := r, *r.Mapping
		m.Info.Seed = i
		one.Mapping = &m
		runs = append(runs, one)
	}
	html := write(t, t.TempDir(), Input{Runs: runs})
	if len(html) > pageMost {
		t.Errorf("the page has %d bytes", len(html))
	}
	if !regexp.MustCompile(`only the first \d+ of 12 mappings have a part of their own`).MatchString(html) {
		t.Error("the page does not say what it left out")
	}
}

// TestCortexBudget: the interactive cortex keeps the first mappings and says so.
func TestCortexBudget(t *testing.T) {
	r := sampleRun(t, 8)
	r.Results.Maps = r.Results.Maps[:2]
	in := sampleInput(t, r, r, r)
	all, err := newViewer(in, cortexMost)
	if err != nil {
		t.Fatal(err)
	}
	some, err := newViewer(in, 1)
	if err != nil {
		t.Fatal(err)
	}
	if all.LeftOut != "" || !strings.Contains(some.LeftOut, "the maps of 1 of 3 mappings") || len(some.Data) >= len(all.Data) {
		t.Errorf("%q; with a small budget %q, %d bytes of %d", all.LeftOut, some.LeftOut, len(some.Data), len(all.Data))
	}
}

// TestHostileNames: names and texts from data are text on the page, whatever stands in them.
func TestHostileNames(t *testing.T) {
	const evil = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&`
	r := sampleRun(t, 8)
	m := *r.Mapping
	m.Info.Model, m.Info.Subject, m.Info.Licence, m.Info.Attribution = evil+"model", evil+"subject", evil, evil
	m.Info.Settings = map[string]any{evil: evil}
	for l := range m.Info.Layers {
		m.Info.Layers[l].Name = fmt.Sprint(evil, l)
	}
	for i := range m.Vertices {
		m.Vertices[i].ROIs = []string{"family/" + evil}
	}
	r.Mapping, r.Outlines = &m, []draw.Outline{{Name: evil, In: focus(r.Geometry, &m)}}
	r.Hierarchy.Name = evil
	for k := range r.Hierarchy.Levels {
		r.Hierarchy.Levels[k].Name = evil
	}
	var err error
	if r.Results, err = analyze.Run(t.Context(), analyze.Input{Mapping: &m, Geometry: r.Geometry, Hierarchy: r.Hierarchy, R2Top: math.NaN()}); err != nil {
		t.Fatal(err)
	}
	r.Results.Maps = append(r.Results.Maps[:1], r.Results.Maps[len(r.Results.Maps)-1]) // layers, and the names of clusters
	in := sampleInput(t, r)
	in.Provenance.Command, in.Provenance.Config = "cortexmap "+evil, evil
	in.Sources = []Source{{evil, evil, evil}}
	dir := t.TempDir()
	html := write(t, dir, in)
	offline(t, "hostile", html)
	own := scripts.ReplaceAllString(html, "")
	for _, bad := range []string{"<script>alert", "<img src=x", "onerror=alert(2)>"} {
		if strings.Contains(own, bad) {
			t.Errorf("the page holds %q as markup", bad)
		}
	}
	if n := strings.Count(html, "alert(1)"); n < 10 {
		t.Errorf("the names are on the page only %d times", n)
	}
	if n := strings.Count(html, "<script"); n != 4 { // data, three.js, viewer, tables
		t.Errorf("%d scripts, want 4", n)
	}
	svgs, err := filepath.Glob(filepath.Join(dir, "plates", "*.svg"))
	if err != nil || len(svgs) == 0 {
		t.Fatalf("plates %v, %v", svgs, err)
	}
	for _, path := range svgs {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "<script") || strings.Contains(string(data), "<img src") {
			t.Errorf("%s holds a name as markup", path)
		}
	}
	t.Run("chromium", func(t *testing.T) { // nothing of it runs, and the viewer's lists hold it as text
		p := openCortex(t, dir)
		if got := p.text(`document.querySelectorAll("img[src=x]").length + " " + document.querySelector("#cortex").textContent.includes("alert(1)")`); got != "0 true" {
			t.Errorf("pictures of a name's making, and the name on the page: %s", got)
		}
		p.quiet()
	})
}
