package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a stage is: a bar with rate and time left on a terminal, a plain line every few
// seconds elsewhere.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	bar   *progressbar.ProgressBar // on a terminal
	tty   bool
	quiet bool

	stage   string
	first   int // how many were done when the stage was first told of: those of an earlier run cost no time
	started time.Time
	last    time.Time
	heard   time.Time // when the stage was last told of
}

// every is how often a plain line is printed where there is no terminal.
const every = 5 * time.Second

func newProgress(w io.Writer, quiet bool) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, tty: ok && term.IsTerminal(int(f.Fd())), quiet: quiet}
}

// update is called by the stages, from any goroutine.
func (p *progress) update(stage string, done, total int) {
	if p.quiet || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if stage != p.stage && p.stage != "" && now.Sub(p.heard) < quietStage {
		return // of several tasks at work one is followed
	}
	p.heard = now
	if stage != p.stage {
		p.finish()
		p.stage, p.first, p.started, p.last = stage, done, now, now
		if p.tty {
			p.bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(p.w),
				progressbar.OptionSetDescription(stage),
				progressbar.OptionShowCount(),
				progressbar.OptionShowIts(),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish())
		}
	}
	if p.bar != nil {
		p.bar.ChangeMax(total)
		_ = p.bar.Set(done) // a bar that can't be drawn must not stop the work
		return
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	rate := float64(done-p.first) / now.Sub(p.started).Seconds()
	left := "?"
	if rate > 0 {
		left = time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	fmt.Fprintf(p.w, "%s: %d of %d, %.0f/s, %s left\n", stage, done, total, rate, left)
}

// quietStage is how long a stage may say nothing before another one is followed.
const quietStage = 2 * time.Second

// ended tells that a task has ended: one line each, with how many of all there are.
func (p *progress) ended(name, state string, seconds float64, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = ""
	p.finish()
	if !p.quiet {
		fmt.Fprintf(p.w, "[%d of %d] %s: %s in %s\n", done, total, name, state, time.Duration(seconds*float64(time.Second)).Round(100*time.Millisecond))
	}
}

// close takes the bar off the screen.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// beside is a writer for lines that must not run into the bar: it takes the bar off the screen first, and
// the next update draws it again below.
func (p *progress) beside() io.Writer { return besideBar{p} }

type besideBar struct{ p *progress }

func (b besideBar) Write(text []byte) (int, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	if b.p.bar != nil {
		_ = b.p.bar.Clear()
	}
	return b.p.w.Write(text)
}
