// Package torch reads the tensors of a PyTorch checkpoint (.pt, .pth, .bin): a dict of names and tensors, as
// torch.save(model.state_dict(), path) writes it. Nothing in a file is ever imported, called or run.
//
// # The format
//
// Source: torch/serialization.py, torch/_utils.py (_rebuild_tensor_v2), caffe2/serialize/inline_container.h.
// The file is a zip archive whose entries are stored without compression:
//
//	NAME/data.pkl    a pickle of protocol 2: the dict
//	NAME/data/KEY    the bytes of storage KEY
//	NAME/byteorder   "little" or "big"; little where it is missing
//
// A tensor in the pickle is _rebuild_tensor_v2 of
//
//	(reference, offset, size, stride, requires_grad, hooks)
//
// counted in elements, with the reference ("storage", torch.FloatStorage, KEY, device, elements). Several
// tensors may share a storage, and a tensor need not lie in it row by row. A parameter is _rebuild_parameter
// of a tensor. Dicts in dicts (a "state_dict" beside other things) give names joined with dots; numbers, texts
// and None beside the tensors are passed over.
//
// Read are storages of 4- and 8-byte floats, halves and bfloat16s, all as float32. Files of before PyTorch 1.6
// (no zip), compressed entries, TorchScript archives and any other class in the pickle are refused.
package torch

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"path"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/pickle"
	"cortexmap/internal/neuroio/raw"
)

// Tensor is one tensor of a checkpoint, row-major.
type Tensor struct {
	Shape []int
	Data  []float32
}

const (
	maxPickle = 64 << 20 // bytes of data.pkl: a tensor takes about 200
	maxDims   = 8
	maxDepth  = 8 // of dicts
)

// storages are the classes of storages, with the bytes of an element and how it is read.
var storages = map[pickle.Global]struct {
	size int
	read func(order binary.ByteOrder, b []byte) float32
}{
	"torch.FloatStorage":    {4, func(o binary.ByteOrder, b []byte) float32 { return math.Float32frombits(o.Uint32(b)) }},
	"torch.DoubleStorage":   {8, func(o binary.ByteOrder, b []byte) float32 { return float32(math.Float64frombits(o.Uint64(b))) }},
	"torch.HalfStorage":     {2, func(o binary.ByteOrder, b []byte) float32 { return raw.Half(o.Uint16(b)) }},
	"torch.BFloat16Storage": {2, func(o binary.ByteOrder, b []byte) float32 { return math.Float32frombits(uint32(o.Uint16(b)) << 16) }},
}

// allowed is what a dict of tensors names. Storages of whole numbers may be named, by counters such as
// num_batches_tracked, which are passed over.
var allowed = pickle.Allowed{
	What: "a dict of tensors", Persistent: true,
	Fix: "save the tensors alone: torch.save(model.state_dict(), path)",
	Globals: map[pickle.Global]bool{
		"collections.OrderedDict": true, "torch._utils._rebuild_tensor_v2": true, "torch._utils._rebuild_parameter": true,
		"torch.FloatStorage": true, "torch.DoubleStorage": true, "torch.HalfStorage": true, "torch.BFloat16Storage": true,
		"torch.LongStorage": true, "torch.IntStorage": true, "torch.ShortStorage": true, "torch.CharStorage": true, "torch.ByteStorage": true, "torch.BoolStorage": true,
	},
}

// Read gives the floating-point tensors of a checkpoint by name.
func Read(r io.ReaderAt, size int64) (map[string]Tensor, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fault.Inputf("this is no checkpoint as PyTorch 1.6 and newer write it (a zip archive): %w", err).
			Remedy("load it in PyTorch and save it again: torch.save(state_dict, path)")
	}
	c := &checkpoint{entries: map[string]*zip.File{}, order: binary.LittleEndian, read: map[string][]byte{}, out: map[string]Tensor{}, left: 8*size + 4096, unread: size}
	if err := c.find(z); err != nil {
		return nil, err
	}
	data, err := c.bytes("data.pkl", maxPickle)
	if err != nil {
		return nil, err
	}
	tree, err := pickle.DecodeFor(data, allowed)
	if err != nil {
		return nil, err
	}
	d, ok := tree.(*pickle.Dict)
	if !ok {
		return nil, fault.Inputf("the checkpoint holds no dict of tensors").Remedy("save the tensors alone: torch.save(model.state_dict(), path)")
	}
	c.items = len(data)
	if err := c.dict("", d, 0); err != nil {
		return nil, err
	}
	if len(c.out) == 0 {
		return nil, fault.Inputf("the checkpoint holds no floating-point tensors")
	}
	return c.out, nil
}

// checkpoint is an archive that is being read.
type checkpoint struct {
	entries map[string]*zip.File // below NAME/
	order   binary.ByteOrder
	read    map[string][]byte // storages
	out     map[string]Tensor
	// What may still be made of the file before it is refused, so that none takes much more memory or time than
	// its size: numbers (tensors may share a storage, and repeat it), bytes of entries (which may lie on each
	// other in the archive), and items of dicts (which may hold one dict many times, and that another).
	left, unread int64
	items        int
}

// find looks for the folder that holds data.pkl, and for the byte order.
func (c *checkpoint) find(z *zip.Reader) error {
	root := ""
	for _, f := range z.File {
		if path.Base(f.Name) == "data.pkl" && (root == "" || len(path.Dir(f.Name)) < len(root)) {
			root = path.Dir(f.Name)
		}
	}
	if root == "" {
		return fault.Inputf("the zip archive is no PyTorch checkpoint: it has no data.pkl")
	}
	for _, f := range z.File {
		if name, below := strings.CutPrefix(f.Name, root+"/"); below {
			if _, twice := c.entries[name]; twice {
				return fault.Inputf("%s stands twice in the archive", f.Name)
			}
			c.entries[name] = f
		}
	}
	if c.entries["byteorder"] == nil {
		return nil
	}
	b, err := c.bytes("byteorder", 16)
	if string(b) == "big" {
		c.order = binary.BigEndian
	}
	return err
}

// bytes reads an entry of at most so many bytes. What is stored is no larger than the file, so nothing is
// allocated that isn't there.
func (c *checkpoint) bytes(name string, most uint64) ([]byte, error) {
	f := c.entries[name]
	if f == nil {
		return nil, fault.Inputf("the checkpoint lacks %s", name).Remedy("copy or download it again")
	}
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
		return nil, fault.Inputf("%s is compressed in the archive: PyTorch stores it as it is", name).Remedy("load it in PyTorch and save it again")
	}
	if f.UncompressedSize64 > most {
		return nil, fault.Inputf("%s has %d bytes, at most %d are taken", name, f.UncompressedSize64, most)
	}
	if f.UncompressedSize64 > uint64(c.unread) {
		return nil, fault.Inputf("the archive's entries, up to %s, have more bytes than the file", name)
	}
	c.unread -= int64(f.UncompressedSize64)
	r, err := f.Open()
	if err != nil {
		return nil, damaged(name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, damaged(name, err)
	}
	return b, nil
}

func damaged(name string, err error) error {
	return fault.Inputf("the checkpoint is damaged or cut short at %s: %w", name, err).Remedy("copy or download it again")
}

// dict takes the tensors of a dict, their names behind a prefix.
func (c *checkpoint) dict(prefix string, d *pickle.Dict, depth int) error {
	if depth > maxDepth {
		return fault.Inputf("dicts lie more than %d deep in each other", maxDepth)
	}
	if c.items -= len(d.Keys); c.items < 0 {
		return fault.Inputf("dicts lie in each other over and over: they have more items than the pickle has bytes")
	}
	for i, k := range d.Keys {
		key, ok := k.(string)
		if !ok {
			continue
		}
		name := prefix + key
		switch v := d.Values[i].(type) {
		case *pickle.Dict:
			if err := c.dict(name+".", v, depth+1); err != nil {
				return err
			}
		case *pickle.Object:
			t, float, err := c.tensor(v)
			if err != nil {
				var f *fault.Error
				if errors.As(err, &f) && f.At == "" {
					err = f.In("tensor %s", name)
				}
				return err
			}
			if float {
				c.out[name] = t
			}
		}
	}
	return nil
}

// tensor makes a tensor of _rebuild_tensor_v2 or _rebuild_parameter; float is false for whole numbers.
func (c *checkpoint) tensor(o *pickle.Object) (t Tensor, float bool, err error) {
	if o.Class == "torch._utils._rebuild_parameter" && len(o.Args) > 0 {
		if inner, ok := o.Args[0].(*pickle.Object); ok {
			o = inner
		}
	}
	if o.Class != "torch._utils._rebuild_tensor_v2" || len(o.Args) < 4 {
		return t, false, fault.Inputf("it is a %s of %d arguments, not a tensor", o.Class, len(o.Args))
	}
	class, key, err := reference(o.Args[0])
	if err != nil {
		return t, false, err
	}
	s, known := storages[class]
	if !known {
		return t, false, nil
	}
	offset, ok := o.Args[1].(int64)
	size, ok1 := whole(o.Args[2])
	stride, ok2 := whole(o.Args[3])
	if !ok || !ok1 || !ok2 || len(size) != len(stride) || len(size) > maxDims || offset < 0 {
		return t, false, fault.Inputf("its place in the storage makes no sense")
	}
	b, err := c.storage(key)
	if err != nil {
		return t, false, err
	}
	n, err := count(size, stride, offset, int64(len(b)/s.size))
	if err != nil {
		return t, false, err
	}
	if c.left -= int64(n); c.left < 0 {
		return t, false, fault.Inputf("the tensors hold many times more numbers than the file")
	}
	t = Tensor{Shape: size, Data: make([]float32, n)}
	at := make([]int, len(size))
	for i := range t.Data {
		place := int(offset)
		for k, x := range at {
			place += x * stride[k]
		}
		t.Data[i] = s.read(c.order, b[place*s.size:])
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < size[k] {
				break
			}
			at[k] = 0
		}
	}
	return t, true, nil
}

// reference takes ("storage", class, key, device, elements) apart.
func reference(v any) (class pickle.Global, key string, err error) {
	r, _ := v.(pickle.Reference)
	id, _ := r.ID.(pickle.Tuple)
	if len(id) == 5 {
		class, ok := id[1].(pickle.Global)
		key, ok2 := id[2].(string)
		if id[0] == "storage" && ok && ok2 {
			return class, key, nil
		}
	}
	return "", "", fault.Inputf("it refers to no storage")
}

// storage is the bytes of one, read once.
func (c *checkpoint) storage(key string) ([]byte, error) {
	if b, ok := c.read[key]; ok {
		return b, nil
	}
	b, err := c.bytes("data/"+key, math.MaxInt64)
	c.read[key] = b
	return b, err
}

// whole is a tuple of numbers that aren't negative.
func whole(v any) (out []int, ok bool) {
	t, ok := v.(pickle.Tuple)
	if !ok {
		return nil, false
	}
	for _, x := range t {
		n, ok := x.(int64)
		if !ok || n < 0 || n > math.MaxInt32 {
			return nil, false
		}
		out = append(out, int(n))
	}
	return out, true
}

// count is the number of elements, all of which must lie in the storage. A stride of 0 repeats elements, so
// a tensor may be larger than its storage: at most 64 times.
func count(size, stride []int, offset, there int64) (int, error) {
	n, last := int64(1), offset
	for k, s := range size {
		if s == 0 {
			return 0, nil
		}
		if n > 64*there/int64(s) {
			return 0, fault.Inputf("its %v elements are more than its storage of %d can hold", size, there)
		}
		n *= int64(s)
		if last += int64(s-1) * int64(stride[k]); last >= there {
			return 0, fault.Inputf("its elements reach to %d in a storage of %d", last, there).Remedy("copy or download it again")
		}
	}
	if last >= there {
		return 0, fault.Inputf("it begins at %d in a storage of %d", last, there).Remedy("copy or download it again")
	}
	return int(n), nil
}
