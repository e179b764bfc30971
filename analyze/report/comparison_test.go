package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"cortexmap/analyze"
	"cortexmap/internal/store"
)

// sampleComparison is the made-up mapping against one that reads a little later layers and predicts V1 worse.
func sampleComparison(t *testing.T) (Comparison, []Run) {
	t.Helper()
	before := sampleRun(t, 4)
	after := before
	m := *before.Mapping
	m.Info.Model, m.Info.Key, m.Truth = "tuned", "ba9876543210", nil
	m.Vertices = append([]store.Vertex(nil), m.Vertices...)
	for i := range m.Vertices {
		v := &m.Vertices[i]
		v.Depth, v.R2 = v.Depth+0.02, v.R2-0.01
		if analyze.In(v, "V1") {
			v.R2 -= 0.1
		}
	}
	after.Mapping = &m
	c, err := analyze.CompareArms(t.Context(), analyze.Arm{Fits: []*store.Mapping{before.Mapping}}, analyze.Arm{Fits: []*store.Mapping{&m}}, before.Geometry, before.Hierarchy)
	if err != nil {
		t.Fatal(err)
	}
	return Comparison{Comparison: c, NoLayers: "the tokens are not there"}, []Run{before, after}
}

// TestComparison: the page of a comparison says what changed and how sure that is, loads nothing, and shows two maps
// that turn as one and tell both mappings' numbers of a vertex.
func TestComparison(t *testing.T) {
	c, runs := sampleComparison(t)
	in := sampleInput(t, runs...)
	in.Comparing, in.Comparisons, in.Tables = true, []Comparison{c}, []*analyze.Table{analyze.ComparisonTable(c.Comparison)}
	dir := t.TempDir()
	if _, err := Write(t.Context(), dir, in); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	html := string(data)
	offline(t, "comparison", html)
	for _, want := range []string{"tuned against lite0, on the simulated subject", "simulated responses", "Change of R²", "worse: V1", "one seed each", "Layers were not compared with each other: the tokens are not there", "Benjamini and Hochberg"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, name := range []string{"tables/comparison.csv", "plates/tuned-minus-lite0_simulated_factortopy_r2_change_flat.png", "plates/tuned-minus-lite0_simulated_factortopy_r2_change.csv"} {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
	p := &cortexPage{t: t, ctx: browser(t)}
	p.seen.watch(t, p.ctx)
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(dir, "report.html"))), chromedp.WaitVisible(chromedp.CSS("#cortex.ready")))
	two := p.picture()
	left, right := 0, 0
	for _, at := range vivid(two) {
		if at.X < two.Bounds().Dx()/2 {
			left++
		} else {
			right++
		}
	}
	if left < 500 || right < 500 {
		t.Errorf("%d pixels of the left map are coloured, %d of the right one", left, right)
	}
	p.do(chromedp.Focus(chromedp.CSS("#cortex canvas[data-part=canvas]")), chromedp.KeyEvent("1"), chromedp.KeyEvent("\r"))
	if said := p.text(`document.querySelector("#cortex [data-part=numbers]").innerText`); strings.Count(said, "mapped onto") != 2 {
		t.Errorf("a vertex tells %q, not the numbers of both mappings", said)
	}
	p.text(`(s => { s.value = "-1"; s.dispatchEvent(new Event("change")); return "" })(document.querySelector("#cortex [data-part=second]"))`)
	if n := differing(two, p.picture()); n < 5000 {
		t.Errorf("without the second map %d pixels differ", n)
	}
	for _, x := range p.seen.list {
		t.Error(x)
	}
}
