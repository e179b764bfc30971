package draw

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
)

// What WCAG 2.2 (1.4.3, level AA) asks of text: 4.5:1, and 3:1 where it is large, that is 24 CSS pixels, or 18.66 and bold.
const leastContrast, leastLarge = 4.5, 3.0

func enough(o op) float64 {
	if o.size >= 24 || o.bold && o.size >= 18.66 {
		return leastLarge
	}
	return leastContrast
}

// luminance is WCAG's relative luminance of a colour, 0 black .. 1 white.
func (c RGB) luminance() float64 {
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is WCAG's ratio of two colours, 1..21.
func contrast(a, b RGB) float64 {
	la, lb := a.luminance(), b.luminance()
	return (math.Max(la, lb) + 0.05) / (math.Min(la, lb) + 0.05)
}

// TestContrast: the ratio has its known values, and every colour of text stands out from white.
func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b RGB
		want float64 // by hand, and by WebAIM's contrast checker
	}{{white, RGB{}, 21}, {white, bytesRGB(0x76, 0x76, 0x76), 4.54}, {white, bytesRGB(255, 0, 0), 4.00}, {bytesRGB(0, 0, 255), white, 8.59}} {
		if got := contrast(c.a, c.b); math.Abs(got-c.want) > 0.005 {
			t.Errorf("%v on %v: %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
	for name, c := range map[string]RGB{"ink": ink, "faint": faint, "alarm": alarm} {
		if got := contrast(c, white); got < leastContrast {
			t.Errorf("%s on white has %.2f:1", name, got)
		}
	}
}

// TestTextContrast: on every kind of plate, in both styles, every text stands out from the darkest and from the lightest
// pixel that is painted below it; a text with a rim, from the rim.
func TestTextContrast(t *testing.T) {
	g := demo(t)
	o := goldenOptions(t, g)
	o.Width, o.Scale, o.Samples = 600, 1, 1
	var plates []*Plate
	flat, views := stages(t, g, o)
	for _, style := range []Style{Accessible, Paper} {
		flat.o.Style = style
		for _, rule := range []cortex.Rule{cortex.RuleLayer, cortex.RuleSpace, cortex.RuleScale, cortex.RuleR2, cortex.RuleDiverging, cortex.RuleSequential, cortex.RuleCategories} {
			plates = append(plates, plateOf(t, flat, goldenMap(g, o, rule)))
		}
	}
	nan := math.NaN()
	one := Series{Name: "one", X: []float64{0, 1}, Y: []float64{0, 1}, Line: &[2]float64{0, 1}}
	plates = append(plates, plateOf(t, views, goldenMap(g, o, cortex.RuleLayer)),
		Chart{Name: "chart", Title: "A chart", XLabel: "depth", YLabel: "R2", XHi: 1, YLo: nan, YHi: nan, XTicks: []Tick{{0, "first"}, {1, "last"}},
			Simulated: true, Note: "A note.", Series: []Series{one, {Name: "two", X: one.X, Y: []float64{1, 0}, Join: true, Secondary: true}}}.Plot(1),
		Heat{Name: "heat", Title: "A matrix", Unit: "R2", XLabel: "layer", Rows: []string{"V1", "V2"}, Columns: []string{"a", "b"},
			Values: [][]float64{{0, 1}, {1, nan}}, Hi: 1, Marks: []int{0, -1}, Simulated: true, Note: "A note."}.Plot(1),
		Tiles{Name: "tiles", Title: "Photographs", Unit: "SD", Hi: 1, Simulated: true, Note: "A note.",
			Rows: []TileRow{{"a region", []Tile{{Picture: image.NewGray(image.Rect(0, 0, 2, 2)), Grid: [2]int{1, 2}, Heat: []float64{0, 1}, Label: "a.png"}}}}}.Plot(1))
	for _, p := range plates {
		texts, bad := illegible(p)
		for _, line := range bad {
			t.Errorf("%s: %s", p.Name, line)
		}
		if texts < 5 {
			t.Errorf("%s has %d texts", p.Name, texts)
		}
	}
	bad := &sheet{w: 100, h: 50, scale: 1}
	bad.box(50, 0, 50, 50, rule) // faint has 5.6:1 on white, 3.4:1 on this
	bad.text("faint", 2, 20, textSize, start, faint, false)
	bad.text("fainter", 40, 20, textSize, start, faint, false)
	bad.text("large", 40, 45, 20, start, faint, true)
	if texts, lines := illegible(&Plate{sheet: bad}); texts != 3 || len(lines) != 1 || !strings.HasPrefix(lines[0], `"fainter" has 3.4`) {
		t.Errorf("of %d texts can't be read: %q", texts, lines)
	}
}

func plateOf(t *testing.T, s *Stage, m *cortex.Map) *Plate {
	t.Helper()
	p, err := s.Draw(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// illegible compares each text of a plate with the pixels in its box, of everything that is painted but text, and lists those
// that stand out too little.
func illegible(p *Plate) (texts int, bad []string) {
	below := *p.sheet
	below.ops = slices.DeleteFunc(slices.Clone(p.sheet.ops), func(o op) bool { return o.text != "" })
	img := below.paint()
	for _, o := range p.sheet.ops {
		if o.text == "" {
			continue
		}
		texts++
		least := contrast(o.colour, white)
		if !o.halo {
			least = leastOn(img, o, p.sheet.typ.width(o.text, o.size, o.bold))
		}
		if least < enough(o) {
			bad = append(bad, fmt.Sprintf("%q has %.2f:1, want %.1f", o.text, least, enough(o)))
		}
	}
	return texts, bad
}

// leastOn is the least contrast of a text to the pixels of its box: from the top of capitals to the bottom of descenders,
// which are 0.73 and 0.21 of these faces' size.
func leastOn(img *image.RGBA, o op, width float64) float64 {
	x := o.x - width*float64(o.anchor)/2
	box := image.Rect(int(x), int(o.y-0.73*o.size), int(math.Ceil(x+width)), int(math.Ceil(o.y+0.21*o.size))).Intersect(img.Bounds())
	least := math.Inf(1)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			c := img.RGBAAt(x, y)
			least = math.Min(least, contrast(o.colour, bytesRGB(c.R, c.G, c.B)))
		}
	}
	return least
}
