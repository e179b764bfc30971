package report

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	stdhtml "html"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cortexmap/analyze"
	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// ridgeRun is a mapping of units without places, layer by layer, of recorded responses.
func ridgeRun(t *testing.T) Run {
	t.Helper()
	m := &store.Mapping{Info: sampleInfo()}
	m.Info.Subject, m.Info.SubjectKind, m.Info.Simulated, m.Info.Generator = "monkey-pe", "plain", false, ""
	m.Info.Method, m.Info.Surface, m.Info.Curve, m.Info.Warnings = "ridge_layers", "", nil, nil
	m.Info.Licence, m.Info.Attribution = "GPL-3.0", "Cowley et al."
	for u := range 89 {
		v := store.NewVertex("", int32(u))
		v.ROIs, v.Fitted, v.R2, v.R = []string{"V4"}, true, 0.3, 0.55
		m.Vertices = append(m.Vertices, v)
	}
	for l := range 16 {
		r := 0.6 - 0.004*math.Pow(float64(l-7), 2)
		m.Info.LayerScores = append(m.Info.LayerScores, store.LayerScore{Layer: l, Scores: store.Scores{"r_median": r, "r_mean": r - 0.03, "r_val_median": r + 0.01, "r_shuffled_median": 0.01, "r2_mean": r * r, "penalty": 0.1}})
	}
	in := analyze.Input{Mapping: m, R2Top: math.NaN()}
	res, err := analyze.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return Run{Mapping: m, Results: res}
}

// write writes a report and returns its page.
func write(t *testing.T, dir string, in Input) string {
	t.Helper()
	out, err := Write(t.Context(), dir, in)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out.HTML)
	if err != nil {
		t.Fatal(err)
	}
	if out.Bytes != len(data) || len(data) > 15<<20 {
		t.Errorf("the page has %d bytes, Output says %d; 15 MB are allowed", len(data), out.Bytes)
	}
	for name, path := range out.Tables {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("table %s: %v", name, err)
		}
	}
	return string(data)
}

var (
	outlineTags = regexp.MustCompile(`(?s)<(h1|h2|h3|caption|figcaption|dt|th scope="col")[^>]*>(.*?)</(?:h1|h2|h3|caption|figcaption|dt|th)>`)
	tags        = regexp.MustCompile(`<[^>]*>`)
	pictures    = regexp.MustCompile(`data:image/png;base64,(?:[A-Za-z0-9+/=]|&#43;)*`)
)

// outline is the page's skeleton: headings, captions, names of facts and columns, a line each.
func outline(html string) string {
	html = html[strings.Index(html, "<body>"):]
	var b strings.Builder
	for _, m := range outlineTags.FindAllStringSubmatch(html, -1) {
		text := strings.TrimSpace(tags.ReplaceAllString(m[2], ""))
		b.WriteString(strings.Fields(m[1])[0] + ": " + text + "\n")
	}
	return b.String()
}

// TestReport writes the report of a simulated mapping once and looks at it from all sides.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	r := sampleRun(t, 3)
	html := write(t, dir, sampleInput(t, r))
	t.Run("structure", func(t *testing.T) { structure(t, "simulated.txt", html) })
	t.Run("content", func(t *testing.T) { content(t, html) })
	t.Run("tables", func(t *testing.T) { checkCSVs(t, dir) })
	t.Run("chromium", func(t *testing.T) { inChromium(t, dir) })
	t.Run("cortex", func(t *testing.T) { cortexInChromium(t, dir, r.Mapping) })
	t.Run("without WebGL", func(t *testing.T) { withoutWebGL(t, dir, 6) })
	t.Run("readable", func(t *testing.T) {
		p := openCortex(t, dir)
		readable(t, p)
		firstScreen(t, p, "report")
	})
	t.Run("on paper", func(t *testing.T) { onPaper(t, dir) })
}

// TestSeveral: two mappings have an overview and a part each. The first is shown without its plates.
func TestSeveral(t *testing.T) {
	simulated := sampleRun(t, 5)
	simulated.Results.Maps = nil
	structure(t, "both.txt", write(t, t.TempDir(), sampleInput(t, simulated, ridgeRun(t))))
}

// structure compares a page's skeleton with the committed one; UPDATE_GOLDEN=1 writes it anew.
func structure(t *testing.T, name, html string) {
	t.Helper()
	got, path := outline(html), filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: the page's structure is now\n%s\nwant\n%s", name, got, want)
	}
	offline(t, name, html)
}

var references = regexp.MustCompile(`(?i)\b(src|href|action|srcset|poster|data)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import`)

var scripts = regexp.MustCompile(`(?s)<script([^>]*)>(.*?)</script>`)

// offline fails on anything that a browser would load, and on scripts that the page's policy does not name.
func offline(t *testing.T, name, html string) {
	t.Helper()
	for _, m := range references.FindAllStringSubmatch(scripts.ReplaceAllString(html, ""), -1) {
		if v := m[2]; !strings.HasPrefix(v, "#") && !strings.HasPrefix(v, "data:") {
			t.Errorf("%s refers to %.80q", name, m[0])
		}
	}
	policy := regexp.MustCompile(`content="(default-src 'none'; script-src[^"]*)"`).FindStringSubmatch(html)
	if policy == nil {
		t.Fatalf("%s has no content security policy", name)
	}
	for _, m := range scripts.FindAllStringSubmatch(html, -1) {
		sum := sha256.Sum256([]byte(m[2]))
		digest := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if m[1] == "" && !strings.Contains(stdhtml.UnescapeString(policy[1]), digest) {
			t.Errorf("%s: the policy does not allow the script %.60q", name, m[2])
		}
	}
	if strings.Contains(policy[1], "unsafe-eval") || regexp.MustCompile(`script-src[^;]*unsafe-inline`).MatchString(policy[1]) {
		t.Errorf("%s allows scripts without their digest: %s", name, policy[1])
	}
}

// content: what must stand on the page does, escaped, simulated marked, numbers with their meaning.
func content(t *testing.T, html string) {
	t.Helper()
	for _, want := range []string{
		"simulated responses</span></h1>", "describes a planted cortex, not a brain", "Something &lt;script&gt;alert(1)&lt;/script&gt; to know.",
		"&lt;b&gt;EfficientNet&lt;/b&gt; &amp; co", "Cloudinary (CID22 reference set); photographer not named in the set: 216, CC-BY-SA-4.0", "kodak_04.jpg",
		"cortexmap run pipeline.yaml --set", "arXiv 2312.01280", "FreeSurfer Software License", "12 s</td>", "Second paragraph.", strings.Repeat("cd", 32),
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(scripts.ReplaceAllString(pictures.ReplaceAllString(html, ""), ""), "NaN") {
		t.Error("the page shows a NaN")
	}
	if n := strings.Count(html, "<img "); n != strings.Count(html, `<img src="data:image/png;base64,`) || n != 6 {
		t.Errorf("%d pictures, want 6 as data", n)
	}
	for _, alt := range regexp.MustCompile(`<img [^>]*alt="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if len(alt[1]) < 60 {
			t.Errorf("a plate's alternative text is %q", alt[1])
		}
	}
}

// checkCSVs reads every CSV and finds each to be rectangular, without NaN, and marked as simulated.
func checkCSVs(t *testing.T, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "tables", "*.csv"))
	if err != nil || len(paths) != 8 {
		t.Fatalf("tables %v, %v; want 8", paths, err)
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		for _, row := range rows[1:] {
			if row[len(row)-1] != "true" || slices.Contains(row, "NaN") {
				t.Errorf("%s: row %v", p, row)
			}
		}
	}
	numbers, _ := filepath.Glob(filepath.Join(dir, "plates", "*_layer.csv"))
	plates, _ := filepath.Glob(filepath.Join(dir, "plates", "*_layer_*.png"))
	if len(numbers) != 1 || len(plates) != 2 {
		t.Errorf("plates %v with numbers %v", plates, numbers)
	}
}

// TestRidgePage: recorded responses aren't called simulated, and there is no empty section.
func TestRidgePage(t *testing.T) {
	html := write(t, t.TempDir(), Input{Runs: []Run{ridgeRun(t)}})
	structure(t, "macaque.txt", html)
	if strings.Contains(html, "simulated") {
		t.Error("recorded responses are called simulated")
	}
	for _, want := range []string{"best layer", "blockH", "median r over units", "GPL-3.0", "ridge regression"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(html, "FactorTopy") {
		t.Error("a ridge is called FactorTopy")
	}
}

// TestComponents: that tokens are principal components stands in the text, with the variance that they keep.
func TestComponents(t *testing.T) {
	run := ridgeRun(t)
	run.Features = &store.Manifest{Components: &store.Components{Number: 64, Images: 800, Layers: []store.ComponentShare{
		{Name: "blockA", Width: 16, Kept: 16, Local: 1, Global: 1}, {Name: "blockH", Width: 768, Kept: 64, Local: 0.8125, Global: 0.9375}}}}
	html := write(t, t.TempDir(), Input{Runs: []Run{run}})
	for _, want := range []string{"64 principal components of each layer at most, fitted on 800 training images", "blockH: 64 of 768, local 0.812, global 0.938"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestNothing: without a mapping there is a fault, and no file.
func TestNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := Write(t.Context(), dir, Input{})
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestParcellation: the hierarchy's regions as the annotation has them, with the counts of its README.
func TestParcellation(t *testing.T) {
	g, err := cortex.LoadDemo(os.DirFS(demo))
	if err != nil {
		t.Fatal(err)
	}
	h := analyze.Hierarchy{Levels: []analyze.Level{{Name: "a", ROIs: []string{"FFC", "glasser_360/V1"}}, {Name: "b", ROIs: []string{"V1", "nowhere"}}}}
	all, err := Parcellation(g, h, os.DirFS(demo), "rois/lh.glasser_360.annot", "rois/rh.glasser_360.annot")
	if err != nil {
		t.Fatal(err)
	}
	count := func(in []bool) (n int) {
		for _, yes := range in {
			if yes {
				n++
			}
		}
		return n
	}
	if len(all) != 2 || all[0].Name != "V1" || count(all[0].In[0]) != 284 || count(all[0].In[1]) != 299 || all[1].Name != "FFC" {
		t.Errorf("outlines %d, first %q", len(all), all[0].Name)
	}
	g.Hemis[0].White.Points = g.Hemis[0].White.Points[:100]
	if _, err := Parcellation(g, h, os.DirFS(demo), "rois/lh.glasser_360.annot", "rois/rh.glasser_360.annot"); fault.ClassOf(err) != fault.Input {
		t.Errorf("labels of another mesh: %v", err)
	}
}

func TestShort(t *testing.T) {
	for x, want := range map[float64]string{0.4123: "0.41", -0.05: "−0.050", 0.0996: "0.10", 12.34: "12.3", 1234567: "1,234,567", -0.0001: "0", 0: "0", 9.996: "10.0", math.Inf(1): none} {
		if got := short(x); got != want {
			t.Errorf("%v is written %q, want %q", x, got, want)
		}
	}
	if got := interval(analyze.Interval{Estimate: 0.4, Lo: -0.1, Hi: 0.9}); got != "0.40 [−0.10, 0.90]" {
		t.Errorf("interval %q", got)
	}
	for s, want := range map[float64]string{3.21: "3.2 s", 61: "61 s", 125: "2 min 05 s", 8000: "2.2 h"} {
		if got := seconds(s); got != want {
			t.Errorf("%v s is written %q, want %q", s, got, want)
		}
	}
}

func TestReadCredits(t *testing.T) {
	good := "file,author,title,source,licence,changes,sha256\na.jpg,A,T,S,CC0-1.0,none,00\nb.jpg,A,T,S,CC0-1.0,none,00\nc.jpg,B,T,S,MIT,none,00\n"
	all, err := ReadCredits("credits.csv", []byte(good))
	if err != nil || len(all) != 3 || all[0].Title != "T" {
		t.Fatalf("%v, %v", all, err)
	}
	if g := groupCredits(all); len(g) != 2 || len(g[0].Files) != 2 {
		t.Errorf("groups %v", g)
	}
	for name, bad := range map[string]string{"empty": "", "no author": "file,title\na,b\n", "short row": good + "d.jpg\n", "quote": "file\"x,\n"} {
		if _, err := ReadCredits("credits.csv", []byte(bad)); fault.ClassOf(err) != fault.Input {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadCredits(f *testing.F) {
	f.Add([]byte("file,title,author,source,licence,changes\na,b,c,d,e,f\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := ReadCredits("x", data)
		if err != nil && fault.ClassOf(err) != fault.Input {
			t.Errorf("a fault of class %v: %v", fault.ClassOf(err), err)
		}
		groupCredits(all)
	})
}

// TestOddCortex: hemispheres of different sizes, without flat maps, curvature or regions; a mapping without shares.
func TestOddCortex(t *testing.T) {
	tetra := func(name string, more int) *cortex.Hemisphere {
		s := &cortex.Surface{Points: [][3]float32{{0, 0, 0}, {9, 0, 0}, {0, 9, 0}, {0, 0, 9}}, Faces: [][3]int32{{0, 2, 1}, {0, 1, 3}, {0, 3, 2}, {1, 2, 3}}}
		for range more {
			s.Points = append(s.Points, [3]float32{5, 5, 5})
		}
		return &cortex.Hemisphere{Name: name, White: s, Inflated: s}
	}
	g := &cortex.Geometry{Name: "own", Hemis: [2]*cortex.Hemisphere{tetra("lh", 0), tetra("rh", 3)}}
	m := &store.Mapping{Info: sampleInfo()}
	for side, hemi := range g.Hemis {
		for i := range hemi.N() {
			v := store.NewVertex(hemi.Name, int32(i))
			v.Fitted, v.R2 = true, 0.1*float32(i-side)
			m.Vertices = append(m.Vertices, v)
		}
	}
	in := analyze.Input{Mapping: m, Geometry: g, R2Top: math.NaN()}
	res, err := analyze.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	v, err := newViewer(Input{Runs: []Run{{Mapping: m, Results: res, Geometry: g}}}, cortexMost)
	if err != nil || v == nil {
		t.Fatalf("no interactive cortex: %v", err)
	}
	for _, want := range []string{`"name":"rh","n":7,`, `"title":"R²"`, `"negative":true`} {
		if !strings.Contains(string(v.Data), want) {
			t.Errorf("the viewer's data lack %s", want)
		}
	}
	if strings.Contains(string(v.Data), `"flat":`) || strings.Contains(string(v.Data), "NaN") {
		t.Error("the viewer's data have a flat map or a NaN")
	}
}

// TestNamed: mappings of one network and subject are told apart by what they differ in, and by nothing else.
func TestNamed(t *testing.T) {
	var runs []Run
	for _, change := range []func(*store.FitInfo){func(*store.FitInfo) {}, func(i *store.FitInfo) { i.Method = "ridge_layers" }, func(i *store.FitInfo) { i.Seed = 1 }, func(i *store.FitInfo) { i.Model = "other" }} {
		m := &store.Mapping{Info: sampleInfo()}
		change(&m.Info)
		runs = append(runs, Run{Mapping: m})
	}
	var got []string
	for _, r := range named(runs) {
		got = append(got, heading(r))
	}
	want := []string{"lite0 mapped onto the simulated subject, factortopy, seed 0", "lite0 mapped onto the simulated subject, ridge layers, seed 0",
		"lite0 mapped onto the simulated subject, factortopy, seed 1", "other mapped onto the simulated subject"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFileStems: mappings of one name are told apart by their keys, others are not.
func TestFileStems(t *testing.T) {
	a, b, c := &store.Mapping{Info: sampleInfo()}, &store.Mapping{Info: sampleInfo()}, &store.Mapping{Info: sampleInfo()}
	b.Info.Key, c.Info.Seed = "ffffffffffff", 1
	got := fileStems([]Run{{Mapping: a}, {Mapping: b}, {Mapping: c}})
	if want := []string{"lite0_simulated_sound-seed0-0123456789ab", "lite0_simulated_sound-seed0-ffffffffffff", "lite0_simulated_sound-seed1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
