package ort

import (
	"runtime"
	"slices"
	"unsafe"

	"cortexmap/internal/fault"
)

// Tensor is a view of a Go slice as ONNX Runtime sees it; the package comment says how long it lives.
// Elements are row-major, the last dimension fastest.
type Tensor struct {
	data    any // []float32, []float64, []uint16 (float16 bits), []int64 or []uint8
	dims    []int64
	held    *held
	cleanup runtime.Cleanup
}

// held is what must be given back. It does not refer to its Tensor, so the garbage collector can see
// that one was dropped.
type held struct {
	v   value
	pin runtime.Pinner
}

func (h *held) free() {
	if h.v != nil {
		release(h.v)
		h.v = nil
	}
	h.pin.Unpin()
}

// NewF32 views data, as long as the product of dims, as a float32 tensor of that shape. Dimensions may be
// 0; a shape without dimensions (a scalar) can't be bound: let the graph take [1].
func NewF32(data []float32, dims ...int64) (*Tensor, error) { return view(data, dims) }

// NewI64 is NewF32 for int64.
func NewI64(data []int64, dims ...int64) (*Tensor, error) { return view(data, dims) }

// NewF64 is NewF32 for float64. An output of this type must always be the caller's.
func NewF64(data []float64, dims ...int64) (*Tensor, error) { return view(data, dims) }

// NewU8 is NewF32 for uint8.
func NewU8(data []uint8, dims ...int64) (*Tensor, error) { return view(data, dims) }

// NewF16 is NewF32 for float16, given as IEEE 754 half-precision bits. An output of this type must always
// be the caller's: the binding can't allocate one. No dimension may be 0.
func NewF16(data []uint16, dims ...int64) (*Tensor, error) {
	if err := checkShape(len(data), dims); err != nil {
		return nil, err
	}
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), 2*len(data))
	return hold(data, dims, func(p *runtime.Pinner) (value, error) {
		pin(p, data)
		return newHalf(raw, dims)
	})
}

func view[T float32 | float64 | int64 | uint8](data []T, dims []int64) (*Tensor, error) {
	if err := checkShape(len(data), dims); err != nil {
		return nil, err
	}
	return hold(data, dims, func(p *runtime.Pinner) (value, error) {
		pin(p, data)
		return newValue(data, dims)
	})
}

func pin[T any](p *runtime.Pinner, data []T) {
	if len(data) > 0 {
		p.Pin(unsafe.SliceData(data))
	}
}

func hold(data any, dims []int64, make func(*runtime.Pinner) (value, error)) (*Tensor, error) {
	h := &held{}
	v, err := make(&h.pin)
	if err != nil {
		h.free()
		return nil, fault.New(fault.Bug, "tensor of shape %v: %w", dims, err)
	}
	h.v = v
	return wrap(data, slices.Clone(dims), h), nil
}

// adopt wraps an output that the binding allocated in Go memory.
func adopt(v value) (*Tensor, error) {
	data, dims, err := contents(v)
	if err != nil {
		release(v)
		return nil, err
	}
	h := &held{v: v}
	switch d := data.(type) {
	case []float32:
		pin(&h.pin, d)
	case []int64:
		pin(&h.pin, d)
	case []uint8:
		pin(&h.pin, d)
	}
	return wrap(data, dims, h), nil
}

func wrap(data any, dims []int64, h *held) *Tensor {
	t := &Tensor{data: data, dims: dims, held: h}
	t.cleanup = runtime.AddCleanup(t, (*held).free, h)
	return t
}

func checkShape(n int, dims []int64) error {
	if len(dims) == 0 {
		return fault.New(fault.Bug, "a tensor without dimensions can't be bound; let the graph take [1]")
	}
	want := int64(1)
	for _, d := range dims {
		if d < 0 || (d > 0 && want > (1<<62)/d) {
			return fault.New(fault.Bug, "impossible tensor shape %v", dims)
		}
		want *= d
	}
	if want != int64(n) {
		return fault.New(fault.Bug, "a tensor of shape %v has %d elements, its slice %d", dims, want, n)
	}
	return nil
}

// F32 is the tensor's slice; nil if its elements are of another type.
func (t *Tensor) F32() []float32 { d, _ := t.data.([]float32); return d }

// F16 is the tensor's float16 bits; nil if its elements are of another type.
func (t *Tensor) F16() []uint16 { d, _ := t.data.([]uint16); return d }

// I64 is the tensor's slice; nil if its elements are of another type.
func (t *Tensor) I64() []int64 { d, _ := t.data.([]int64); return d }

// U8 is the tensor's slice; nil if its elements are of another type.
func (t *Tensor) U8() []uint8 { d, _ := t.data.([]uint8); return d }

// Dims is the tensor's shape, not to be written to.
func (t *Tensor) Dims() []int64 { return t.dims }

// Close gives the view back; the slice itself stays the caller's. Closing twice, or nil, does nothing.
func (t *Tensor) Close() {
	if t == nil || t.held == nil {
		return
	}
	t.cleanup.Stop()
	t.held.free()
	t.held = nil
}
