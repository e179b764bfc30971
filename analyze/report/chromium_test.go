package report

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"cortexmap/internal/imagetest"
	"cortexmap/internal/store"
)

// browser starts headless Chromium, or skips where there is none.
func browser(t *testing.T, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed (Debian's package is chromium)")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.Flag("disable-background-networking", true), chromedp.Flag("enable-unsafe-swiftshader", true))
	o = append(o, options...)
	// It is ended by a signal, and leaves its temporary folders. Some of its processes may end later than the test, so
	// that t.TempDir, which insists, won't do.
	left, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(left) })
	o = append(o, chromedp.Env("TMPDIR="+left))
	// a browser that hangs must not hang the tests
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, o...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// complaints collects what a page must not do: write to the console, fail, or load from anywhere else.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

// watch turns the page's reports on and notes them.
func (c *complaints) watch(t *testing.T, ctx context.Context) {
	t.Helper()
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
				c.add("request of %.100s", u)
			}
		case *runtime.EventConsoleAPICalled:
			c.add("console: %s %v", e.Type, e.Args)
		case *runtime.EventExceptionThrown:
			c.add("exception: %v", e.ExceptionDetails)
		case *log.EventEntryAdded:
			if strings.Contains(e.Entry.Text, "GL Driver Message") {
				return // a screenshot waits for the software renderer, which says so
			}
			c.add("log: %s %s", e.Entry.Level, e.Entry.Text)
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, runtime.Enable, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// measure evaluates an expression on the page.
func measure(t *testing.T, ctx context.Context, expression string) int {
	t.Helper()
	n, err := chromedp.Run(ctx, chromedp.Evaluate[int](expression))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// inChromium opens the page as a person would: nothing on the console, no request, every picture drawn, and
// nothing wider than a phone.
func inChromium(t *testing.T, dir string) {
	ctx := browser(t)
	var c complaints
	c.watch(t, ctx)
	const width = `document.documentElement.scrollWidth`
	page := "file://" + filepath.ToSlash(filepath.Join(dir, "report.html"))
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	drawn := measure(t, ctx, `[...document.images].filter(i => i.complete && i.naturalWidth > 500).length`)
	charts := measure(t, ctx, `[...document.querySelectorAll("figure svg")].filter(s => s.getBoundingClientRect().height > 200).length`)
	wide := measure(t, ctx, width)
	shot, err := chromedp.Run(ctx, chromedp.Screenshot(chromedp.CSS("figure img")))
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 800)); err != nil {
		t.Fatal(err)
	}
	phone := measure(t, ctx, width)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.list {
		t.Error(x)
	}
	if drawn != 6 || charts != 3 {
		t.Errorf("%d plates and %d charts are drawn, want 6 and 3", drawn, charts)
	}
	if wide > 1280 || phone > 390 {
		t.Errorf("the page is %d wide in a window of 1280, %d on a phone of 390", wide, phone)
	}
	if n := colours(decode(t, shot)); n < 2000 { // an empty or broken picture has a handful
		t.Errorf("the first plate has %d colours on the screen", n)
	}
}

func decode(t *testing.T, shot []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func colours(img image.Image) int {
	found := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			found[[3]uint32{r, g, b}] = true
		}
	}
	return len(found)
}

// vivid lists the pixels that no grey explains: those of a map.
func vivid(img image.Image) (out []image.Point) {
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			if max(r, g, b)-min(r, g, b) > 70<<8 {
				out = append(out, image.Point{X: x, Y: y})
			}
		}
	}
	return out
}

// differing counts the pixels that are not the same in two pictures of one size.
func differing(a, b image.Image) int {
	n := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, b1, _ := a.At(x, y).RGBA()
			s, h, c, _ := b.At(x, y).RGBA()
			if r != s || g != h || b1 != c {
				n++
			}
		}
	}
	return n
}

// cortexPage is an open page with a ready interactive cortex.
type cortexPage struct {
	t    *testing.T
	ctx  context.Context
	seen complaints
}

// openPage opens DIR/report.html, and skips the test without a browser.
func openPage(t *testing.T, dir string, options ...chromedp.ExecAllocatorOption) *cortexPage {
	t.Helper()
	p := &cortexPage{t: t, ctx: browser(t, options...)}
	p.seen.watch(t, p.ctx)
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(dir, "report.html"))))
	return p
}

// openCortex also waits for the interactive cortex.
func openCortex(t *testing.T, dir string) *cortexPage {
	t.Helper()
	p := openPage(t, dir)
	p.do(chromedp.WaitVisible(chromedp.CSS("#cortex.ready")))
	return p
}

// quiet fails on everything that the page wrote to the console, threw or asked of a network.
func (p *cortexPage) quiet() {
	p.t.Helper()
	p.seen.mu.Lock()
	defer p.seen.mu.Unlock()
	for _, x := range p.seen.list {
		p.t.Error(x)
	}
}

// vertex is the selected one, as hemisphere and number, and its numbers by name.
func (p *cortexPage) vertex() (hemi string, number int32, numbers map[string]string) {
	p.t.Helper()
	if _, err := fmt.Sscan(p.text(`document.querySelector("#cortex").dataset.vertex || "none -1"`), &hemi, &number); err != nil {
		p.t.Fatal(err)
	}
	numbers = map[string]string{}
	for _, line := range strings.Split(p.text(`[...document.querySelectorAll("#cortex [data-part=numbers] dt")].map(e => e.textContent + "=" + e.nextElementSibling.textContent).join("\n")`), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			numbers[name] = value
		}
	}
	return hemi, number, numbers
}

// tells fails unless the selected vertex's numbers are the mapping's.
func (p *cortexPage) tells(m *store.Mapping) {
	p.t.Helper()
	hemi, number, numbers := p.vertex()
	for i := range m.Vertices {
		v := &m.Vertices[i]
		if v.Hemi != hemi || v.Vertex != number {
			continue
		}
		for name, want := range map[string]float32{"R²": v.R2, "depth (0 first, 1 last layer)": v.Depth, "image x (−1..1, right)": v.SpaceX, "expected layer (index)": v.LayerExpected} {
			got, err := strconv.ParseFloat(strings.Replace(numbers[name], "−", "-", 1), 64)
			if err != nil || math.Abs(got-float64(want)) > 0.0051 { // two decimals are shown
				p.t.Errorf("%s vertex %d: %s is told as %q, the mapping has %v", hemi, number, name, numbers[name], want)
			}
		}
		return
	}
	p.t.Errorf("%s vertex %d has numbers %v, and is none of the mapping's", hemi, number, numbers)
}

// click clicks a pixel of the canvas.
func (p *cortexPage) click(at image.Point) {
	p.t.Helper()
	corner := p.text(`(c => { c.scrollIntoView({ block: "center" }); const r = c.getBoundingClientRect(); return r.left + " " + r.top })(document.querySelector("#cortex canvas[data-part=canvas]"))`)
	var left, top float64
	if _, err := fmt.Sscan(corner, &left, &top); err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.MouseClickXY(left+float64(at.X), top+float64(at.Y)))
}

// set gives a control of the cortex a value, as a person's hand would.
func (p *cortexPage) set(part, value, event string) {
	p.t.Helper()
	p.text(fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event(%q)); return "" })(document.querySelector("#cortex [data-part=%s]"))`, value, event, part))
}

func (p *cortexPage) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for _, a := range actions {
		if _, err := chromedp.Run(p.ctx, a); err != nil {
			p.t.Fatal(err)
		}
	}
}

// text evaluates an expression on the page.
func (p *cortexPage) text(expression string) string {
	p.t.Helper()
	s, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// picture waits for the next frame and takes the canvas.
func (p *cortexPage) picture() image.Image {
	p.t.Helper()
	p.text(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(""), 50))))`)
	shot, err := chromedp.Run(p.ctx, chromedp.Screenshot(chromedp.CSS("#cortex canvas[data-part=canvas]")))
	if err != nil {
		p.t.Fatal(err)
	}
	return decode(p.t, shot)
}

// cortexInChromium: the interactive cortex draws, tells a clicked vertex's numbers as the mapping has them, switches maps,
// shapes and colours, can be used by keyboard alone, and does so without a word on the console or a request.
func cortexInChromium(t *testing.T, dir string, m *store.Mapping) {
	p := openCortex(t, dir)
	layer := p.picture()
	if n := colours(layer); n < 5000 { // a blank canvas has one, a grey brain 256
		t.Errorf("the cortex has %d colours", n)
	}
	coloured := vivid(layer)
	if len(coloured) < 1000 {
		t.Fatalf("%d pixels of the cortex are coloured by the map", len(coloured))
	}
	golden(t, "cortex_layer", layer)
	t.Run("click", func(t *testing.T) {
		for _, k := range []int{len(coloured) / 2, len(coloured) / 3, 3 * len(coloured) / 4} { // gaps have no numbers
			p.click(coloured[k])
			if _, _, numbers := p.vertex(); len(numbers) > 0 {
				p.tells(m)
				return
			}
		}
		t.Error("none of three clicks on coloured pixels meets a vertex of the mapping")
	})
	t.Run("keyboard", func(t *testing.T) { p.keyboard(t, m) })
	t.Run("maps and shapes", func(t *testing.T) {
		p.do(chromedp.Focus(chromedp.CSS("#cortex canvas[data-part=canvas]")), chromedp.KeyEvent("m"))
		space := p.picture()
		if n := differing(layer, space); n < len(coloured)/2 {
			t.Errorf("the next map changes %d pixels of %d", n, len(coloured))
		}
		if got := p.text(`document.querySelector("#cortex [data-part=map]").value`); got != "1" {
			t.Errorf("after m the map is %s, want 1", got)
		}
		p.set("style", "1", "change")
		paper := p.picture()
		if n := differing(paper, space); n < len(coloured)/2 {
			t.Errorf("the paper's colours change %d pixels of %d", n, len(coloured))
		}
		p.set("style", "0", "change")
		p.text(`document.querySelector("#cortex [data-shape=flat]").click(), ""`)
		flat := p.picture()
		if n := len(vivid(flat)); n < 1000 || differing(space, flat) < 10000 {
			t.Errorf("the flat map has %d coloured pixels, %d differ from the inflated one", n, differing(space, flat))
		}
		golden(t, "cortex_space_flat", flat)
	})
	t.Run("threshold", func(t *testing.T) {
		p.set("floor", "100", "input")
		if n := len(vivid(p.picture())); n > len(coloured)/20 {
			t.Errorf("with the highest threshold %d pixels are still coloured", n)
		}
		p.set("floor", "0", "input")
	})
	t.Run("phone", func(t *testing.T) {
		p.do(chromedp.EmulateViewport(390, 800))
		if n := len(vivid(p.picture())); n < 500 {
			t.Errorf("on a phone %d pixels are coloured", n)
		}
	})
	t.Run("sort", func(t *testing.T) {
		first := `document.querySelector("#run1-regions ~ .scroll table tbody th").textContent`
		before := p.text(first)
		p.text(`document.querySelector("#run1-regions ~ .scroll table thead button").click(), ""`)
		p.text(`document.querySelector("#run1-regions ~ .scroll table thead button").click(), ""`)
		if after := p.text(first); after == before {
			t.Errorf("sorting the regions the other way round leaves %s first", after)
		}
	})
	p.quiet()
}

// keyboard: the canvas can be reached, Enter selects a vertex, Shift and an arrow go to a neighbour, and a number typed
// into the form selects that vertex.
func (p *cortexPage) keyboard(t *testing.T, m *store.Mapping) {
	const canvas = "#cortex canvas[data-part=canvas]"
	if got := p.text(`String(document.querySelector("` + canvas + `").tabIndex)`); got != "0" {
		t.Errorf("the canvas has tab index %s", got)
	}
	p.do(chromedp.Focus(chromedp.CSS(canvas)), chromedp.KeyEvent("\r"))
	hemi, first, _ := p.vertex()
	if first < 0 {
		t.Fatal("Enter selects no vertex")
	}
	p.text(`(c => { for (const key of ["ArrowUp", "ArrowLeft", "ArrowRight"]) c.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey: true, bubbles: true })); return "" })(document.querySelector("` + canvas + `"))`)
	if h, v, _ := p.vertex(); h != hemi || v == first {
		t.Errorf("three steps from %s %d lead to %s %d", hemi, first, h, v)
	}
	v := &m.Vertices[len(m.Vertices)/2]
	p.set("hemi", map[string]string{"lh": "0", "rh": "1"}[v.Hemi], "change")
	p.set("vertex", fmt.Sprint(v.Vertex), "change")
	p.text(`document.querySelector("#cortex [data-part=goto]").requestSubmit(), ""`)
	p.tells(m)
}

// withoutWebGL: the page says why the cortex is missing, and the plates are there.
func withoutWebGL(t *testing.T, dir string, plates int) {
	p := openPage(t, dir, chromedp.Flag("disable-3d-apis", true))
	if why := p.text(`document.querySelector("#cortex").innerText`); !strings.Contains(why, "no WebGL 2") || strings.Contains(why, "Inflated") {
		t.Errorf("without WebGL the section of the cortex reads %q", why)
	}
	if n := measure(t, p.ctx, `[...document.images].filter(i => i.complete && i.naturalWidth > 500).length`); n != plates {
		t.Errorf("without WebGL %d plates are drawn, want %d", n, plates)
	}
	p.quiet()
}

// readable: every text has the contrast that WCAG 2.2 AA asks for (4.5, large ones 3) against the nearest background behind
// it; every picture and every chart has an alternative text, every control a name; the warnings come first.
func readable(t *testing.T, p *cortexPage) {
	low := p.text(`(() => {
		const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
		const channel = x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
		const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
		const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
		const bad = new Set();
		let seen = 0;
		for (const e of document.querySelectorAll("body *")) {
			if (e.closest("script, style, [hidden], button:disabled, option") || !e.getClientRects().length) continue;
			if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
			const s = getComputedStyle(e), svg = e.closest("svg");
			const ink = light(parse(svg ? s.fill : s.color)), paper = light(svg ? [255, 255, 255] : behind(e));
			const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
			const size = parseFloat(s.fontSize), large = size >= 24 || size >= 18.66 && Number(s.fontWeight) >= 700;
			seen++;
			if (ratio < (large ? 3 : 4.5)) bad.add(e.tagName + "." + e.className + " " + ratio.toFixed(2) + " " + e.textContent.trim().slice(0, 30));
		}
		return seen < 100 ? "only " + seen + " texts were measured" : [...bad].slice(0, 8).join("; ");
	})()`)
	if low != "" {
		t.Errorf("too little contrast: %s", low)
	}
	mute := p.text(`(() => {
		const bad = [];
		for (const i of document.images) if ((i.alt || "").length < 60) bad.push("picture with alt " + i.alt);
		for (const s of document.querySelectorAll("figure svg")) if (s.getAttribute("role") !== "img" || !s.querySelector("title") || (s.querySelector("desc") || { textContent: "" }).textContent.length < 20) bad.push("chart " + s.textContent.slice(0, 40));
		for (const c of document.querySelectorAll("input, select, button, canvas[tabindex]")) if (!(c.labels && c.labels.length || c.getAttribute("aria-label") || c.textContent.trim())) bad.push("control " + c.outerHTML.slice(0, 60));
		return bad.join("; ");
	})()`)
	if mute != "" {
		t.Errorf("without a text: %s", mute)
	}
	if first := p.text(`document.querySelector("main h2").id`); first != "warnings" {
		t.Errorf("the first heading of the page is %q, not the warnings", first)
	}
}

// onPaper: what only a screen can use is not printed, what is folded is, nothing is cut off, and the pages come out.
func onPaper(t *testing.T, dir string) {
	p := openPage(t, dir)
	pdf, err := chromedp.Run(p.ctx, chromedp.PrintToPDF())
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(pdf, []byte("/Type /Page\n")); !bytes.HasPrefix(pdf, []byte("%PDF-")) || n < 5 {
		t.Errorf("%d bytes are printed on %d pages", len(pdf), n)
	}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(720, 1000)) // A4 between its margins
	got := p.text(`(() => {
		window.dispatchEvent(new Event("beforeprint"));
		const shown = s => [...document.querySelectorAll(s)].filter(e => e.getClientRects().length).length;
		const text = [shown("nav"), shown("#cortex"), document.querySelectorAll("details:not([open])").length, shown("figure img"), document.documentElement.scrollWidth > 720].join(" ");
		window.dispatchEvent(new Event("afterprint"));
		return text + " " + document.querySelectorAll("details[open]").length;
	})()`)
	if want := "0 0 0 6 false 0"; got != want {
		t.Errorf("on paper: contents, cortex, folded parts, plates, too wide, opened for good: %s, want %s", got, want)
	}
	p.quiet()
}

// golden compares what Chromium shows with the golden picture, a third of its side.
func golden(t *testing.T, name string, img image.Image) {
	t.Helper()
	// Versions of the software renderer and of its antialiasing move edges by part of a pixel: one in forty of the
	// pixels lies on one. A map that is not drawn, mirrored, or in other colours changes more than one in ten.
	imagetest.Golden(t, filepath.Join("testdata", name+".png"), imagetest.Shrink(img, 1.0/3), imagetest.Tolerance{Level: 32, Share: 1.0 / 40})
}

// firstScreen compares the top of the page with the golden picture, where texts are set in the golden's font: another
// font breaks lines elsewhere.
func firstScreen(t *testing.T, p *cortexPage, name string) {
	t.Helper()
	p.do(chromedp.EmulateViewport(1280, 1400))
	p.text(`window.scrollTo(0, 0), new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(""), 50))))`)
	font := p.text(`(() => { const s = document.createElement("span"); s.textContent = "Which layer predicts each vertex? 0123456789"; document.querySelector("main").append(s); const r = s.getBoundingClientRect(); s.remove(); return r.width.toFixed(1) + " " + r.height.toFixed(1) })()`)
	path := filepath.Join("testdata", name+".font")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(font+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if font != strings.TrimSpace(string(want)) {
		t.Skipf("a line of text is %s pixels here, %s in the golden picture: the page's font is another one", font, strings.TrimSpace(string(want)))
	}
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, name, decode(t, shot))
}
