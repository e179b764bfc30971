package extract

import (
	"math/rand/v2"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// feed knows how pictures become a network's inputs.
type feed struct {
	image  onnx.Value
	others []onnx.Value // the network's other inputs, which the card gives constants
	card   models.Card
	h, w   int
	frozen int64 // images that the export fixed; 0: any number
}

// newFeed checks that the inputs can be made at all.
func newFeed(g *onnx.Graph, card models.Card) (*feed, error) {
	image, err := imageInput(g)
	if err != nil {
		return nil, err
	}
	f := &feed{image: image, card: card}
	f.h, f.w = card.Sides()
	switch image.Type {
	case onnx.Float32, onnx.Float16, onnx.Uint8:
	default:
		return nil, fault.Inputf("the picture input %s is of type %s; float32, float16 and uint8 can be fed", image.Name, image.Type).
			Remedy("export the network with a float32 input")
	}
	if err := f.checkShape(); err != nil {
		return nil, err
	}
	for _, v := range g.RuntimeInputs() {
		if v.Name == image.Name {
			continue
		}
		if card.Inputs[v.Name] == nil {
			return nil, fault.Inputf("besides the picture the model wants %s%s", v.Name, shapeText(v)).
				Remedy("give its constant in the card under inputs, or export the vision tower alone")
		}
		f.others = append(f.others, v)
	}
	return f, nil
}

// checkShape compares the card's sides with the declared ones.
func (f *feed) checkShape() error {
	if !f.image.Known {
		return nil
	}
	d := f.image.Dims
	want := f.dims(1)
	if d[0] > 0 {
		f.frozen = d[0]
	}
	for i := 1; i < 4; i++ {
		if d[i] > 0 && d[i] != want[i] {
			return fault.Inputf("the model's input is %s, the card makes [N, %d, %d, %d]", shapeText(f.image), want[1], want[2], want[3]).
				Remedy("give the right size and layout in the model's card")
		}
	}
	return nil
}

func (f *feed) dims(n int64) []int64 {
	if f.card.Layout == NHWC {
		return []int64{n, int64(f.h), int64(f.w), 3}
	}
	return []int64{n, 3, int64(f.h), int64(f.w)}
}

func (f *feed) names() []string {
	names := []string{f.image.Name}
	for _, o := range f.others {
		names = append(names, o.Name)
	}
	return names
}

// numbers is how many numbers a picture has.
func (f *feed) numbers() int { return 3 * f.h * f.w }

// pictures is a batch on its way into the network: one buffer of the input's type.
type pictures struct {
	*feed
	f32 []float32
	f16 []uint16
	u8  []byte
}

// room makes a buffer for n pictures.
func (f *feed) room(n int) *pictures {
	p := &pictures{feed: f}
	switch f.image.Type {
	case onnx.Float16:
		p.f16 = make([]uint16, n*f.numbers())
	case onnx.Uint8:
		p.u8 = make([]byte, n*f.numbers())
	default:
		p.f32 = make([]float32, n*f.numbers())
	}
	return p
}

// noise is room for n pictures, filled with noise: what the network is measured with before a picture is decoded.
func (f *feed) noise(n int) *pictures {
	p, x := f.room(n), make([]float32, f.numbers())
	rng := rand.New(rand.NewPCG(11, uint64(f.numbers())))
	for i := range n {
		for j := range x {
			x[j] = float32(rng.NormFloat64())
		}
		p.set(i, x)
	}
	return p
}

// put preprocesses a picture into place i. Different places may be filled at once.
func (p *pictures) put(i int, img *stimuli.RGB) {
	k := p.numbers()
	switch {
	case p.u8 != nil:
		PreprocessBytes(p.u8[i*k:(i+1)*k], img, p.card)
	case p.f16 != nil:
		x := make([]float32, k)
		Preprocess(x, img, p.card)
		store.HalfSlice(p.f16[i*k:(i+1)*k], x)
	default:
		Preprocess(p.f32[i*k:(i+1)*k], img, p.card)
	}
}

// set writes numbers of the network's own scale into place i; for bytes they are spread over 0 … 255.
func (p *pictures) set(i int, x []float32) {
	k := p.numbers()
	switch {
	case p.u8 != nil:
		for j, v := range x {
			p.u8[i*k+j] = byte(min(max(128+40*v, 0), 255))
		}
	case p.f16 != nil:
		store.HalfSlice(p.f16[i*k:(i+1)*k], x)
	default:
		copy(p.f32[i*k:], x)
	}
}

// move copies place i to place j.
func (p *pictures) move(j, i int) {
	k := p.numbers()
	switch {
	case p.u8 != nil:
		copy(p.u8[j*k:(j+1)*k], p.u8[i*k:(i+1)*k])
	case p.f16 != nil:
		copy(p.f16[j*k:(j+1)*k], p.f16[i*k:(i+1)*k])
	default:
		copy(p.f32[j*k:(j+1)*k], p.f32[i*k:(i+1)*k])
	}
}

// tensors views the first n pictures as the network's inputs, the other inputs' constants included. The
// caller closes them.
func (p *pictures) tensors(n int) ([]*ort.Tensor, error) {
	t, err := p.tensor(n)
	if err != nil {
		return nil, err
	}
	in := []*ort.Tensor{t}
	for _, o := range p.others {
		t, err := constantInput(o, p.card.Inputs[o.Name], int64(n))
		if err != nil {
			closeAll(in)
			return nil, err
		}
		in = append(in, t)
	}
	return in, nil
}

func (p *pictures) tensor(n int) (*ort.Tensor, error) {
	k, dims := n*p.numbers(), p.dims(int64(n))
	switch {
	case p.u8 != nil:
		return ort.NewU8(p.u8[:k], dims...)
	case p.f16 != nil:
		return ort.NewF16(p.f16[:k], dims...)
	}
	return ort.NewF32(p.f32[:k], dims...)
}

// constantInput fills an input with the card's numbers: as many as it has elements, or one for all. Free
// dimensions are the batch's if they come first, else 1.
func constantInput(v onnx.Value, numbers []float64, n int64) (*ort.Tensor, error) {
	elements, dims := int64(1), append([]int64(nil), v.Dims...)
	for i, d := range dims {
		if d < 0 {
			dims[i] = 1
			if i == 0 {
				dims[i] = n
			}
		}
		elements *= dims[i]
	}
	if int64(len(numbers)) != elements && len(numbers) != 1 || elements > 1<<24 || len(dims) == 0 {
		return nil, fault.Inputf("the card gives %d numbers for the input %s%s", len(numbers), v.Name, shapeText(v))
	}
	at := func(i int) float64 { return numbers[i%len(numbers)] }
	switch v.Type {
	case onnx.Int64:
		x := make([]int64, elements)
		for i := range x {
			x[i] = int64(at(i))
		}
		return ort.NewI64(x, dims...)
	case onnx.Float32:
		x := make([]float32, elements)
		for i := range x {
			x[i] = float32(at(i))
		}
		return ort.NewF32(x, dims...)
	}
	return nil, fault.Inputf("the input %s is of type %s; float32 and int64 can be given constants", v.Name, v.Type)
}

func closeAll(ts []*ort.Tensor) {
	for _, t := range ts {
		t.Close()
	}
}
