package extract

import (
	"bytes"
	"io"
	"os"
	"path/filepath"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
)

// inMemory is the size up to which a patched model is handed to ONNX Runtime as bytes. Above it goes through
// a temporary file, which the library maps: that halves the peak.
const inMemory = 256 << 20

// source is where a model's bytes are.
type source struct {
	path  string
	bytes []byte // nil: in the file
}

// open gives the model as a reader with its size.
func (s source) open() (io.ReaderAt, int64, func(), error) {
	if s.bytes != nil {
		return readerAt(s.bytes), int64(len(s.bytes)), func() {}, nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, 0, nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	return f, st.Size(), func() { f.Close() }, nil
}

type readerAt []byte

func (b readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Sessions side by side are bounded in number, and their copies of the weights in bytes.
const (
	maxSessions  = 8
	weightsInAll = 1 << 30
)

// ThreadsEach is how many threads a session gets of so many. A network runs in one session a thread where it can:
// each works on a batch of its own, so no thread waits for another inside an operator, and none is held up by the
// threads that decode (ViT-B/16 on two cores: 4.9 images/s, in one session of two threads 4.4; EfficientNet-Lite0: 160
// and 135). Every session has its weights, so large networks share: as many sessions as divide the threads evenly
// and keep within weightsInAll.
func (n *Network) ThreadsEach(threads int) int {
	if n.device == ort.CUDA || len(n.Model.External) > 0 {
		return threads
	}
	for sessions := min(threads, maxSessions); sessions > 1; sessions-- {
		if threads%sessions == 0 && int64(sessions)*n.Model.Size <= weightsInAll {
			return threads / sessions
		}
	}
	return threads
}

// sessions opens what the nodes of b read, as often as ThreadsEach asks for.
func (n *Network) sessions(rt *ort.Runtime, b *onnx.Builder, outputs []string, threads int) ([]*ort.Session, error) {
	each := n.ThreadsEach(threads)
	return n.openAll(rt, b, false, outputs, threads/each, ort.Options{Threads: each})
}

// session opens what the nodes of b read, once.
func (n *Network) session(rt *ort.Runtime, b *onnx.Builder, outputs []string, threads int) (*ort.Session, error) {
	return n.openOnce(rt, b, false, outputs, ort.Options{Threads: threads})
}

func (n *Network) openOnce(rt *ort.Runtime, b *onnx.Builder, whole bool, outputs []string, o ort.Options) (*ort.Session, error) {
	all, err := n.openAll(rt, b, whole, outputs, 1, o)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// openAll opens the model with the nodes of b appended, so many times: whole, or without what these nodes don't need,
// since the library computes all of a graph at every run, whatever is asked for. outputs name what is wanted. Of o,
// name, device and folder are the network's.
func (n *Network) openAll(rt *ort.Runtime, b *onnx.Builder, whole bool, outputs []string, count int, o ort.Options) (all []*ort.Session, err error) {
	t, err := n.tapped(b, whole)
	if err != nil {
		return nil, err
	}
	defer t.done()
	for range count {
		s, err := t.open(rt, n, outputs, o)
		if err != nil {
			closeSessions(all)
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func closeSessions(all []*ort.Session) {
	for _, s := range all {
		s.Close()
	}
}

// headless says whether next to nothing of the network lies behind its layers.
func (n *Network) headless() bool {
	var tensors []string
	for _, l := range n.Layers {
		tensors = append(tensors, l.Tensor)
	}
	g := &n.Model.Graph
	return 10*g.Needed(tensors) >= 9*len(g.Nodes)
}

// tapped is a model with nodes appended, as the library is given it.
type tapped struct {
	bytes  []byte // nil: in a file
	path   string // of that, a temporary one
	folder string // of weights that lie in files of their own; "": there are none
}

func (t tapped) open(rt *ort.Runtime, n *Network, outputs []string, o ort.Options) (*ort.Session, error) {
	o.Name, o.Device, o.ExternalFolder = n.Path, n.device, t.folder
	if t.bytes == nil {
		return rt.OpenFile(t.path, n.feed.names(), outputs, o)
	}
	return rt.Open(t.bytes, n.feed.names(), outputs, o)
}

// done removes the temporary file.
func (t tapped) done() {
	if t.path != "" {
		os.Remove(t.path)
	}
}

// tapped is the model with the nodes of b: whole, or without what these don't need. A large one is written into a
// temporary file, which the library maps; where there is no room for that, its bytes go through memory, too.
func (n *Network) tapped(b *onnx.Builder, whole bool) (t tapped, err error) {
	patch := b.Patch()
	if n.source.bytes == nil && n.Model.Size > n.large && len(n.Model.External) == 0 {
		if t.path, err = n.tappedFile(patch, whole); err == nil {
			return t, nil
		}
		t.done()
		t.path = ""
	}
	if t.bytes, err = n.tappedBytes(patch, whole); err == nil && len(n.Model.External) > 0 {
		t.bytes, t.folder, err = n.relocated(t.bytes)
	}
	return t, err
}

// tappedBytes is write into memory.
func (n *Network) tappedBytes(patch []byte, whole bool) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(n.Model.Size) + len(patch))
	err := n.write(&b, patch, whole)
	return b.Bytes(), err
}

// tappedFile is write into a temporary file; its path comes back also with an error, to be removed.
func (n *Network) tappedFile(patch []byte, whole bool) (path string, err error) {
	out, err := os.CreateTemp("", "cortexmap-*.onnx")
	if err != nil {
		return "", err
	}
	defer out.Close()
	if err := n.write(out, patch, whole); err != nil {
		return out.Name(), err
	}
	return out.Name(), out.Close()
}

// write writes the model, whole or without what the patch doesn't need, and the patch behind it.
func (n *Network) write(w io.Writer, patch []byte, whole bool) error {
	r, size, done, err := n.source.open()
	if err != nil {
		return fault.Inputf("%s can't be read: %w", n.source.path, err)
	}
	defer done()
	if whole {
		_, err = io.Copy(w, io.NewSectionReader(r, 0, size))
	} else {
		var need []string
		if need, err = read(patch); err == nil {
			err = onnx.Cut(w, r, size, n.Model, need)
		}
	}
	if err == nil {
		_, err = w.Write(patch)
	}
	return err
}

// read lists what a patch's nodes take.
func read(patch []byte) ([]string, error) {
	m, err := onnx.Parse(readerAt(patch), int64(len(patch)))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, node := range m.Graph.Nodes {
		names = append(append(names, node.Inputs...), node.Captured()...)
	}
	for _, o := range m.Graph.Outputs {
		names = append(names, o.Name)
	}
	return names, nil
}

// relocated gives the model with the real places of its external weights, and the folder that they are told from.
// ONNX Runtime follows no link out of that folder, and Hugging Face's cache is made of such links: the model's
// folder holds names, the bytes lie in another.
func (n *Network) relocated(model []byte) (out []byte, folder string, err error) {
	real := map[string]string{}
	for _, name := range n.Model.External {
		path, err := filepath.Abs(filepath.Join(filepath.Dir(n.Path), filepath.FromSlash(name)))
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			return nil, "", fault.Inputf("the weights in %s can't be found: %w", name, err).Remedy("put them beside the .onnx file")
		}
		real[name] = path
		if folder == "" {
			folder = filepath.Dir(path)
		}
		for !within(folder, path) {
			folder = filepath.Dir(folder)
		}
	}
	return onnx.Relocate(model, func(name string) string {
		if rel, err := filepath.Rel(folder, real[name]); err == nil {
			return filepath.ToSlash(rel)
		}
		return name
	}), folder, nil
}

// within says whether a path lies in a folder or below it; the root holds everything.
func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel) || filepath.Dir(folder) == folder
}
