package report

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"cortexmap/analyze"
	"cortexmap/internal/imagetest"
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
	t.Run("cortex", func(t *testing.T) { comparedInChromium(t, dir, runs) })
	t.Run("without WebGL", func(t *testing.T) { withoutWebGL(t, dir, 5) })
	t.Run("readable", func(t *testing.T) {
		p := openCortex(t, dir)
		readable(t, p)
		firstScreen(t, p, "comparison")
	})
}

// comparedInChromium: two maps stand side by side and turn as one, a vertex tells both mappings' numbers, and the
// difference is among the maps.
func comparedInChromium(t *testing.T, dir string, runs []Run) {
	p := openCortex(t, dir)
	two := p.picture()
	halves := func(img image.Image) (left, right image.Image) {
		b := img.Bounds()
		cut := func(x0, x1 int) image.Image {
			return img.(interface {
				SubImage(image.Rectangle) image.Image
			}).SubImage(image.Rect(x0, b.Min.Y, x1, b.Max.Y))
		}
		return cut(b.Min.X, b.Dx()/2), cut(b.Dx()/2, b.Max.X)
	}
	left, right := halves(two)
	if a, b := len(vivid(left)), len(vivid(right)); a < 500 || b < 500 {
		t.Errorf("%d pixels of the left map are coloured, %d of the right one", a, b)
	}
	golden(t, "cortex_beside", two)
	p.do(chromedp.Focus(chromedp.CSS("#cortex canvas[data-part=canvas]")), chromedp.KeyEvent("1"))
	lateral := p.picture()
	if l, r := halves(lateral); imagetest.Off(l, left, 20) < 0.05 || imagetest.Off(r, right, 20) < 0.05 {
		t.Errorf("turning changes %.1f %% of the left map and %.1f %% of the right one", 100*imagetest.Off(l, left, 20), 100*imagetest.Off(r, right, 20))
	}
	v := &runs[0].Mapping.Vertices[40]
	p.set("vertex", fmt.Sprint(v.Vertex), "change")
	p.text(`document.querySelector("#cortex [data-part=goto]").requestSubmit(), ""`)
	said := p.text(`document.querySelector("#cortex [data-part=numbers]").innerText`)
	if strings.Count(said, "mapped onto") != 2 {
		t.Errorf("a vertex tells %q, not the numbers of both mappings", said)
	}
	for _, r := range runs {
		if want := fmt.Sprintf("%.2f", r.Mapping.Vertices[40].R2); !strings.Contains(said, want) {
			t.Errorf("a vertex tells %q, which lacks %s's R² of %s", said, r.Mapping.Info.Model, want)
		}
	}
	p.set("second", "-1", "change")
	if n := differing(lateral, p.picture()); n < 5000 {
		t.Errorf("without the second map %d pixels differ", n)
	}
	change := p.text(`[...document.querySelectorAll("#cortex [data-part=map] option")].filter(o => o.textContent.startsWith("Change of R²")).map(o => o.value)[0] || ""`)
	before := p.picture()
	p.set("map", change, "change")
	if n := differing(before, p.picture()); change == "" || n < 5000 {
		t.Errorf("the map of differences is number %q, and changes %d pixels", change, n)
	}
	p.quiet()
}
