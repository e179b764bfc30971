package extract

import (
	"io"
	"os"
	"path/filepath"
	"slices"

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

// sessions opens the model with nodes appended, as often as ThreadsEach asks for.
func (n *Network) sessions(rt *ort.Runtime, b *onnx.Builder, outputs []string, threads int) ([]*ort.Session, error) {
	each := n.ThreadsEach(threads)
	var all []*ort.Session
	for range threads / each {
		s, err := n.session(rt, b, outputs, each)
		if err != nil {
			for _, s := range all {
				s.Close()
			}
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// session opens the model with nodes appended. outputs name what is to be computed.
func (n *Network) session(rt *ort.Runtime, b *onnx.Builder, outputs []string, threads int) (*ort.Session, error) {
	return n.sessionWith(rt, b, outputs, ort.Options{Threads: threads})
}

// sessionWith is session with settings of the library's; name and device are the network's.
func (n *Network) sessionWith(rt *ort.Runtime, b *onnx.Builder, outputs []string, o ort.Options) (*ort.Session, error) {
	o.Name, o.Device = n.Path, n.device
	patch := b.Patch()
	if n.source.bytes != nil {
		return rt.Open(slices.Concat(n.source.bytes, patch), n.feed.names(), outputs, o)
	}
	if n.Model.Size > inMemory && len(n.Model.External) == 0 {
		return n.sessionOnDisk(rt, patch, outputs, o)
	}
	model, err := readWithRoom(n.source.path, len(patch))
	if err != nil {
		return nil, fault.Inputf("%s can't be read: %w", n.source.path, err)
	}
	if len(n.Model.External) > 0 {
		if model, o.ExternalFolder, err = n.relocated(model); err != nil {
			return nil, err
		}
	}
	return rt.Open(append(model, patch...), n.feed.names(), outputs, o)
}

// readWithRoom reads a file into memory that has room for so many bytes more.
func readWithRoom(path string, more int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size(), info.Size()+int64(more))
	_, err = io.ReadFull(f, data)
	return data, err
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

// sessionOnDisk writes model and patch to a temporary file, which is removed as soon as the library has read
// it; where there is no room, the bytes go through memory.
func (n *Network) sessionOnDisk(rt *ort.Runtime, patch []byte, outputs []string, o ort.Options) (*ort.Session, error) {
	path, err := patched(n.source.path, patch)
	if path != "" {
		defer os.Remove(path)
	}
	if err == nil {
		return rt.OpenFile(path, n.feed.names(), outputs, o)
	}
	model, err := os.ReadFile(n.source.path)
	if err != nil {
		return nil, fault.Inputf("%s can't be read: %w", n.source.path, err)
	}
	return rt.Open(append(model, patch...), n.feed.names(), outputs, o)
}

// patched makes the temporary file; its path comes back also with an error, to be removed.
func patched(model string, patch []byte) (path string, err error) {
	in, err := os.Open(model)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.CreateTemp("", "cortexmap-*.onnx")
	if err != nil {
		return "", err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return out.Name(), err
	}
	if _, err := out.Write(patch); err != nil {
		return out.Name(), err
	}
	return out.Name(), out.Close()
}
