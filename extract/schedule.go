package extract

import (
	"fmt"
	"runtime/debug"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// schedule is how a network is run, and what was measured of one session and one batch to decide it.
type schedule struct {
	batch    int // images
	sessions int // side by side
	threads  int // inside each
	session  int64
	opening  int64
	seconds  float64 // that one session took for the batch
}

// A store's row takes, besides its tokens, a digest, an index, headers of three pages and their place in the index.
const rowOverhead = 200

// bytesAnImage is what one image's tokens take on disk, not compressed.
func bytesAnImage(layers []store.Layer, grid int) int64 {
	n := int64(0)
	for _, l := range layers {
		n += int64((grid*grid+1)*l.Width*2 + rowOverhead)
	}
	return n
}

// buffers is what a run holds in Go's memory: pictures on their way in, results on their way out, a row group of
// every layer, decoded pictures, and as much again as Go's collector lets pile up of the small things.
func (p schedule) buffers(n *Network, grid, images int) int64 {
	input := int64(4 * n.feed.numbers())
	row := bytesAnImage(n.Layers, grid)
	in, out := int64(p.sessions+2)*int64(p.batch)*input, int64(p.sessions+1)*int64(p.batch)*row
	groups := row * int64(min(images, store.RowGroup))
	return in + out + 2*groups + 2*int64(p.sessions*p.threads)*decoding + stimuli.CacheBytes(images)
}

// decoding is what decoding one picture of usual size takes for a moment.
const decoding = 8 << 20

// memory is the most that the process will have at once, in bytes, beside what it has without sessions.
func (p schedule) memory(n *Network, grid, images int) int64 {
	return int64(p.sessions-1)*p.session + max(p.session, p.opening) + p.buffers(n, grid, images)
}

// plan opens a session with the nodes of b, runs one batch, measures, and decides how many images and sessions fit
// into the budget (bytes of the whole process). The open session comes back.
//
// One session a thread is tried first, as ThreadsEach says. Where it is too much, one session gets all threads; where
// that is too much, the batch is halved. What can't be run with one image is a fault of the machine.
func (n *Network) plan(rt *ort.Runtime, b *onnx.Builder, outputs []string, o planOptions) (p schedule, s *ort.Session, err error) {
	p.batch, p.threads = n.batch(o.batch), n.ThreadsEach(o.threads)
	p.sessions = o.threads / p.threads
	for {
		debug.FreeOSMemory() // so that what is measured is not hidden by what Go has not given back
		before := ort.Memory()
		if s, err = n.openOnce(rt, b, true, outputs, ort.Options{Threads: p.threads}); err != nil {
			return p, nil, err
		}
		t := time.Now()
		if err := o.try(s, p.batch); err != nil {
			s.Close()
			return p, nil, err
		}
		p.seconds = time.Since(t).Seconds()
		debug.FreeOSMemory()
		p.session, p.opening = max(0, ort.Memory()-before), n.opening()
		need := before + p.memory(n, o.grid, o.images)
		if o.budget <= 0 || need <= o.budget {
			return p, s, nil
		}
		s.Close()
		if !p.shrink(o.threads, o.batch == 0 && n.feed.frozen == 0) {
			return p, nil, n.tooLarge(need, o.budget, p.batch)
		}
	}
}

// shrink makes the schedule one that needs less memory; false if there is none. The batch is halved where it is ours
// to choose.
func (p *schedule) shrink(threads int, free bool) bool {
	switch {
	case p.sessions > 1:
		p.sessions, p.threads = 1, threads
	case p.batch > 1 && free:
		p.batch /= 2
	default:
		return false
	}
	return true
}

// planOptions are what a plan depends on.
type planOptions struct {
	batch, threads, grid, images int
	budget                       int64
	try                          func(s *ort.Session, batch int) error // runs one batch
}

// opening is what the library needs for a moment to open the model: the file's bytes, and its own copy of them
// before weights lie where they belong; a large file is mapped.
func (n *Network) opening() int64 {
	if n.Model.Size > n.large {
		return 2 * n.Model.Size
	}
	return 4 * n.Model.Size
}

func (n *Network) tooLarge(need, budget int64, batch int) error {
	remedy := "allow more with memory: (GiB), or give a smaller network"
	if n.feed.frozen > 1 {
		remedy = fmt.Sprintf("allow more with memory: (GiB), or export the network with a free batch axis; it is fixed to %d images", n.feed.frozen)
	} else if batch > 1 {
		remedy = "leave extract.batch out, so that it is chosen, or allow more with memory: (GiB)"
	}
	return fault.Machinef("a batch of %d images needs about %s of memory, %s may be used", batch, gib(need), gib(budget)).In("%s", n.Path).Remedy("%s", remedy)
}

// gib says a number of bytes as people who set memory: in GiB read it.
func gib(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}

// enoughDisk refuses what the disk can't hold. have is what the folder holds already.
func enoughDisk(need, have, free int64, dir string) error {
	if need-have <= free {
		return nil
	}
	return fault.Machinef("the features will take about %s, %s are free in %s", gib(need-have), gib(free), dir).
		Remedy("free some, choose another disk with --out, take fewer layers (extract.layers: stages), or keep fewer numbers (extract.components)")
}

// disk refuses, before anything is written, what the disk of the store's folder can't hold. A compressed store is
// refused only where even half of its bytes wouldn't fit: how far it shrinks isn't known before.
func (x *extraction) disk() error {
	free, err := durable.Free(x.dir)
	if err != nil {
		return nil // a file system that doesn't say; a full one is met while writing
	}
	need := int64(x.set.Len()) * bytesAnImage(x.layers, x.o.grid())
	if x.o.compression() != "none" {
		need /= 2
	}
	have, err := durable.Size(x.dir)
	if err != nil {
		return err
	}
	return enoughDisk(need, have, free, x.dir)
}

// usualBatch is the fastest on a CPU: larger ones leave its caches.
const usualBatch = 4

// batch is the number of images in a batch: the export's, one where neighbours would matter, the user's, or
// usualBatch, halved until the inputs and the layers as they come take less than 256 MB.
func (n *Network) batch(asked int) int {
	switch {
	case n.feed.frozen > 0:
		return int(n.feed.frozen)
	case n.dynamic:
		return 1
	case asked > 0:
		return asked
	}
	bytes := 4 * n.feed.numbers()
	for _, l := range n.Layers {
		bytes += 4 * l.Width * (l.Prefix + l.Grid[0]*l.Grid[1])
	}
	b := usualBatch
	for b > 1 && b*bytes > 256<<20 {
		b /= 2
	}
	return b
}
