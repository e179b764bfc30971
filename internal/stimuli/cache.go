package stimuli

import "sync"

// cacheBytes is how much the decoded photographs of a source may hold: about 50 of 640 x 640 pixels.
const cacheBytes = 64 << 20

// CacheBytes is the most that a set's decoded photographs take, of so many pictures of usual size (a megabyte each).
func CacheBytes(pictures int) int64 { return min(cacheBytes, int64(pictures)<<20) }

// cache keeps the pictures asked for last. Goroutines that ask for one that is being decoded wait for it, so
// workers that share the windows of a photograph decode it once. Failures are not kept.
type cache struct {
	mu    sync.Mutex
	kept  map[string]*kept
	bytes int
	clock int
}

// kept is one picture; img and err are set when ready is closed.
type kept struct {
	ready chan struct{}
	img   *RGB
	err   error
	used  int // clock when it was asked for last
}

// get is the picture of that name, from decode if it is not kept.
func (c *cache) get(name string, decode func() (*RGB, error)) (*RGB, error) {
	c.mu.Lock()
	c.clock++
	if k, ok := c.kept[name]; ok {
		k.used = c.clock
		c.mu.Unlock()
		<-k.ready
		return k.img, k.err
	}
	k := &kept{ready: make(chan struct{}), used: c.clock}
	if c.kept == nil {
		c.kept = map[string]*kept{}
	}
	c.kept[name] = k
	c.mu.Unlock()

	img, err := decode()
	c.finish(name, k, img, err)
	return img, err
}

// finish books a decoded picture and makes room for it.
func (c *cache) finish(name string, k *kept, img *RGB, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.img, k.err = img, err // under the lock: dropOldest looks at pictures that are not its own
	close(k.ready)
	if k.err != nil {
		delete(c.kept, name)
		return
	}
	c.bytes += len(k.img.Pix)
	for c.bytes > cacheBytes && c.dropOldest(k) {
	}
}

// dropOldest forgets the decoded picture that was not asked for the longest, other than except.
func (c *cache) dropOldest(except *kept) bool {
	name := ""
	for n, k := range c.kept {
		if k != except && k.img != nil && (name == "" || k.used < c.kept[name].used) {
			name = n
		}
	}
	if name == "" {
		return false
	}
	c.bytes -= len(c.kept[name].img.Pix)
	delete(c.kept, name)
	return true
}
