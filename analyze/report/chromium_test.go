package report

import (
	"bytes"
	"context"
	"fmt"
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
func browser(t *testing.T) context.Context {
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
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.Flag("disable-background-networking", true))
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
	if drawn != 5 || charts != 2 {
		t.Errorf("%d plates and %d charts are drawn, want 5 and 2", drawn, charts)
	}
	if wide > 1280 || phone > 390 {
		t.Errorf("the page is %d wide in a window of 1280, %d on a phone of 390", wide, phone)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	colours := map[[3]uint32]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}] = true
		}
	}
	if len(colours) < 2000 { // an empty or broken picture has a handful
		t.Errorf("the first plate has %d colours on the screen", len(colours))
	}
}
