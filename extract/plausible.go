package extract

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// Where nothing says how a network wants its pictures, its first layer has a word to say. Up to the first thing that
// isn't linear (an activation, a norm) its numbers are
//
//	r(x) = A x + b        A weights, b biases, folded batch norms, position codes
//
// and training has made the two parts comparable: a layer in which A x drowns b, or b drowns A x, is one whose
// activations are decided by one of them alone. So the loudness of a preprocessing is
//
//	ρ = median |r(x) − r(0)| / median |r(0)|        over channels and places, x a picture that looks natural
//
// ρ grows with the range of the input: a network for levels of 0 to 255 that is shown values of about ±2 has a ρ some
// sixty times too small, and the other way round. Measured, with preprocessing right and wrong:
//
//	                    own card   ImageNet's   levels
//	EfficientNet-Lite   0.14-0.21  0.32-0.51    46-52
//	open_nsfw           0.58       0.012        0.88
//	VGG-16-HED          53         1.0          61
//
// VGG was trained without batch norms, and nothing kept its biases in proportion; ReLU networks bear that, since scaling
// what goes in scales what comes out. So only faintness is judged for them, and loudness for activations that
// saturate or bend. Factors of two to four (0..1, −1..1, ImageNet's statistics) and the order of the colours can't
// be told this way. Networks that normalise right behind their first layer, as transformers do, aren't judged.

// Bounds of the loudness that a guess may have: factors of 2.5 and more from what was measured, on either side.
const (
	faint = 0.03
	loud  = 20
)

// homogeneous activations don't care about scale.
var homogeneous = words("Relu LeakyRelu PRelu")

// guess is one way of preparing pictures that networks are known to want.
type guess struct {
	words  string
	scale  float64
	mean   [3]float64
	std    [3]float64
	colour string
}

var usual = []guess{
	{"values from 0 to 1", 255, [3]float64{}, [3]float64{1, 1, 1}, "RGB"},
	{"values from -1 to 1", 255, [3]float64{0.5, 0.5, 0.5}, [3]float64{0.5, 0.5, 0.5}, "RGB"},
	{"levels from 0 to 255", 1, [3]float64{}, [3]float64{1, 1, 1}, "RGB"},
	{"levels minus their mean, blue first (Caffe)", 1, [3]float64{104, 117, 123}, [3]float64{1, 1, 1}, "BGR"},
}

// card is the guess in place of a card's statistics.
func (g guess) card(c models.Card) models.Card {
	c.Scale, c.Mean, c.Std, c.Order = g.scale, g.mean, g.std, g.colour
	return c
}

// checkGuess warns where preprocessing that was guessed makes the first layer implausibly loud or faint. Networks whose
// first layer has no constants, and quantised ones, pass.
func (n *Network) checkGuess(ctx context.Context, rt *ort.Runtime, threads int) error {
	if !slices.ContainsFunc(n.Warnings, func(w store.Warning) bool { return w.ID == "guess-preprocessing" }) || len(n.rounded) > 0 {
		return nil
	}
	l, err := n.newLoudness(ctx, rt, threads)
	if err != nil || l == nil {
		return err
	}
	defer l.session.Close()
	doubt, err := l.doubt(ctx, n.Card)
	if doubt != "" {
		n.warn("guess-implausible", "the guessed preprocessing looks wrong: %s", doubt)
	}
	return err
}

// doubt says what is implausible about a card, and which of the usual ways wouldn't be; "" if nothing is.
func (l *loudness) doubt(ctx context.Context, c models.Card) (string, error) {
	rho, err := l.of(ctx, c)
	if err != nil || l.plausible(rho) {
		return "", err
	}
	text := fmt.Sprintf("the first layer (%s) answers a picture with %.2g times what it answers to none, where trained networks have 0.1 to 1", l.tensor, rho)
	for _, g := range usual {
		other, err := l.of(ctx, g.card(c))
		if err != nil {
			return "", err
		}
		if l.plausible(other) {
			text += fmt.Sprintf("; with %s it would be %.2g", g.words, other)
		}
	}
	return text, nil
}

func (l *loudness) plausible(rho float64) bool { return rho >= faint && (rho <= loud || l.anyScale) }

// loudness measures ρ of one network.
type loudness struct {
	net      *Network
	session  *ort.Session
	tensor   string
	picture  *stimuli.RGB
	anyScale bool    // the first activation is homogeneous
	silence  float64 // median |r(0)|
	zero     []float32
}

// newLoudness is nil where the network's first layer adds no constants, or there is nothing to measure.
func (n *Network) newLoudness(ctx context.Context, rt *ort.Runtime, threads int) (*loudness, error) {
	f, err := newFlow(n.Model)
	if err != nil {
		return nil, err
	}
	tensor, reader := f.firstLinear()
	if tensor == "" {
		return nil, nil
	}
	b := onnx.NewBuilder(n.Model.Opset())
	out := n.numbers(b, tensor)
	b.Output(out, onnx.Undefined)
	s, err := n.session(rt, b, []string{out}, threads)
	if err != nil {
		return nil, err
	}
	l := &loudness{net: n, session: s, tensor: tensor, anyScale: homogeneous[reader] || pools[reader], picture: natural(n.feed.h, n.feed.w)}
	room := n.feed.room(l.images())
	if l.zero, err = l.run(ctx, room); err == nil {
		l.silence = medianSize(l.zero, nil)
	}
	if err != nil || l.silence == 0 {
		s.Close()
		return nil, err
	}
	return l, nil
}

func (l *loudness) images() int { return int(max(l.net.feed.frozen, 1)) }

func (l *loudness) run(ctx context.Context, room *pictures) ([]float32, error) {
	in, err := room.tensors(l.images())
	if err != nil {
		return nil, err
	}
	defer closeAll(in)
	out := make([]*ort.Tensor, 1)
	if err := l.session.Run(ctx, in, out); err != nil {
		return nil, err
	}
	defer closeAll(out)
	return slices.Clone(out[0].F32()), nil
}

// of is ρ under a card's preprocessing.
func (l *loudness) of(ctx context.Context, c models.Card) (float64, error) {
	feed := *l.net.feed
	feed.card = c
	room := feed.room(l.images())
	for i := range l.images() {
		room.put(i, l.picture)
	}
	x, err := l.run(ctx, room)
	if err != nil {
		return 0, err
	}
	return medianSize(x, l.zero) / l.silence, nil
}

// medianSize is the median of |x − y|, y nil for zeros.
func medianSize(x, y []float32) float64 {
	sizes := make([]float32, len(x))
	for i, v := range x {
		if y != nil {
			v -= y[i]
		}
		sizes[i] = float32(math.Abs(float64(v)))
	}
	slices.Sort(sizes)
	return float64(sizes[len(sizes)/2])
}

// linear are operators that are linear in what depends on the picture, with a constant added, if only one of their
// inputs does (or they add or join).
var linear = words("Conv Gemm MatMul Add Sub Mul Div Sum BatchNormalization Reshape Transpose Flatten Concat Identity Cast Pad Slice Split Squeeze Unsqueeze Expand AveragePool")

// firstLinear is the tensor behind the network's first products that an activation or a pooling reads, and the
// reader's operator; "" if something else that isn't linear reads it.
func (f *flow) firstLinear() (tensor, reader string) {
	straight := make([]bool, len(f.vertices))
	straight[0] = true
	for i := 1; i < len(f.vertices); i++ {
		v := &f.vertices[i]
		if !v.kept {
			continue
		}
		joins := v.node.Op == "Add" || v.node.Op == "Sub" || v.node.Op == "Sum" || v.node.Op == "Concat"
		straight[i] = linear[v.node.Op] && (joins || len(v.inputs) == 1)
		for _, p := range v.inputs {
			straight[i] = straight[i] && straight[p]
		}
		if straight[i] {
			continue
		}
		for _, p := range v.inputs {
			if !straight[p] || f.vertices[p].products == 0 {
				continue
			}
			if activations[v.node.Op] || pools[v.node.Op] {
				return f.tensor(p), v.node.Op
			}
			return "", ""
		}
	}
	return "", ""
}

// natural is a picture with the statistics of photographs: as much variance in every octave of scale, colours that go
// together, mean level 115 of 255 and a standard deviation of about 60. It is always the same.
func natural(h, w int) *stimuli.RGB {
	r := rand.New(rand.NewPCG(11, 11))
	planes := make([][]float64, 4) // lightness and a little of each colour
	for k := range planes {
		planes[k] = octaves(r, h, w)
	}
	img := &stimuli.RGB{W: w, H: h, Pix: make([]byte, 3*h*w)}
	for i := range h * w {
		for c := range 3 {
			level := 115 + 25*planes[3][i] + 9*planes[c][i]
			img.Pix[3*i+c] = byte(min(max(level, 0), 255))
		}
	}
	return img
}

// octaves sums noise of cells of 2, 4, 8 … pixels, bilinear between their corners, each octave of variance about 1.
func octaves(r *rand.Rand, h, w int) []float64 {
	sum := make([]float64, h*w)
	for cell := 2; cell <= max(2, min(h, w)/2); cell *= 2 {
		across := w/cell + 2
		corner := make([]float64, (h/cell+2)*across)
		for i := range corner {
			corner[i] = r.NormFloat64()
		}
		for y := range h {
			v, fy := y/cell, float64(y%cell)/float64(cell)
			for x := range w {
				u, fx := x/cell, float64(x%cell)/float64(cell)
				at := corner[v*across+u:]
				sum[y*w+x] += (1-fy)*((1-fx)*at[0]+fx*at[1]) + fy*((1-fx)*at[across]+fx*at[across+1])
			}
		}
	}
	return sum
}
