package report

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
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

// cortexInChromium: the interactive cortex draws, tells a clicked vertex's numbers, switches maps and shapes,
// obeys the keyboard, and does so without a word on the console or a request.
func cortexInChromium(t *testing.T, dir string) {
	p := &cortexPage{t: t, ctx: browser(t)}
	p.seen.watch(t, p.ctx)
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(dir, "report.html"))), chromedp.WaitVisible(chromedp.CSS("#cortex.ready")))
	layer := p.picture()
	if n := colours(layer); n < 5000 { // a blank canvas has one, a grey brain 256
		t.Errorf("the cortex has %d colours", n)
	}
	coloured := vivid(layer)
	if len(coloured) < 1000 {
		t.Fatalf("%d pixels of the cortex are coloured by the map", len(coloured))
	}
	at := coloured[len(coloured)/2]
	corner := p.text(`(c => { c.scrollIntoView({ block: "center" }); const r = c.getBoundingClientRect(); return r.left + " " + r.top })(document.querySelector("#cortex canvas[data-part=canvas]"))`)
	var left, top float64
	if _, err := fmt.Sscan(corner, &left, &top); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.MouseClickXY(left+float64(at.X), top+float64(at.Y)))
	const numbers = `document.querySelector("#cortex [data-part=numbers]").innerText`
	clicked := p.text(numbers)
	for _, want := range []string{"hemisphere, vertex ", "R²", "depth (0 first, 1 last layer)", "image x"} {
		if !strings.Contains(clicked, want) {
			t.Errorf("a click on a coloured pixel says %q, which lacks %q", clicked, want)
		}
	}
	p.do(chromedp.KeyEvent("m"))
	space := p.picture()
	if n := differing(layer, space); n < len(coloured)/2 {
		t.Errorf("the next map changes %d pixels of %d", n, len(coloured))
	}
	if got := p.text(`document.querySelector("#cortex [data-part=map]").value`); got != "1" {
		t.Errorf("after m the map is %s, want 1", got)
	}
	p.text(`document.querySelector("#cortex [data-shape=flat]").click(), ""`)
	flat := p.picture()
	if n := len(vivid(flat)); n < 1000 || differing(space, flat) < 10000 {
		t.Errorf("the flat map has %d coloured pixels, %d differ from the inflated one", n, differing(space, flat))
	}
	p.text(`(f => { f.value = "100"; f.dispatchEvent(new Event("input")); return "" })(document.querySelector("#cortex [data-part=floor]"))`)
	if n := len(vivid(p.picture())); n > len(coloured)/20 {
		t.Errorf("with the highest threshold %d pixels are still coloured", n)
	}
	p.text(`(f => { f.value = "0"; f.dispatchEvent(new Event("input")); return "" })(document.querySelector("#cortex [data-part=floor]"))`)
	p.do(chromedp.EmulateViewport(390, 800))
	if n := len(vivid(p.picture())); n < 500 {
		t.Errorf("on a phone %d pixels are coloured", n)
	}
	first := `document.querySelector("#run1-regions ~ .scroll table tbody th").textContent`
	before := p.text(first)
	p.text(`document.querySelector("#run1-regions ~ .scroll table thead button").click(), ""`)
	p.text(`document.querySelector("#run1-regions ~ .scroll table thead button").click(), ""`)
	if after := p.text(first); after == before {
		t.Errorf("sorting the regions the other way round leaves %s first", after)
	}
	for _, x := range p.seen.list {
		t.Error(x)
	}
}

// withoutWebGL: the page says why the cortex is missing, and the plates are there.
func withoutWebGL(t *testing.T, dir string) {
	p := &cortexPage{t: t, ctx: browser(t, chromedp.Flag("disable-3d-apis", true))}
	p.seen.watch(t, p.ctx)
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+filepath.ToSlash(filepath.Join(dir, "report.html"))))
	if why := p.text(`document.querySelector("#cortex").innerText`); !strings.Contains(why, "no WebGL 2") || strings.Contains(why, "Inflated") {
		t.Errorf("without WebGL the section of the cortex reads %q", why)
	}
	if n := measure(t, p.ctx, `[...document.images].filter(i => i.complete && i.naturalWidth > 500).length`); n != 6 {
		t.Errorf("without WebGL %d plates are drawn, want 6", n)
	}
	for _, x := range p.seen.list {
		t.Error(x)
	}
}
