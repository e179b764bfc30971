package extract

import (
	"context"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
)

// Bare is the library without extraction around it: one session, one batch that is ready, and nothing done
// with what comes out. It is what extraction's speed is measured against.
type Bare struct {
	net     *Network
	session *ort.Session
	room    *pictures
	out     []*ort.Tensor
	batch   int
}

// BareOptions say what a Bare runs.
type BareOptions struct {
	Batch   int  // as RunOptions
	Threads int  // inside the session; 0: the cores this process may use
	Tapped  bool // with our nodes and their small outputs, and no more of the network; else whole, and the layers' tensors as they are
	Spin    bool // idle threads wait in a busy loop, the library's own default
}

// NewBare opens a session with the network's layers as outputs and runs it once: arenas have grown and every
// output has its place, into which the library writes from then on. Without Tapped the layers must be float32.
func NewBare(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, o BareOptions) (*Bare, error) {
	b := &Bare{net: net, batch: net.batch(o.Batch)}
	if err := b.open(rt, o); err != nil {
		b.Close()
		return nil, net.placed(err)
	}
	for i := range b.batch {
		img, err := set.Pixels(i % set.Len())
		if err != nil {
			b.Close()
			return nil, err
		}
		b.room.put(i, img)
	}
	if err := b.run(ctx); err != nil {
		b.Close()
		return nil, net.placed(err)
	}
	return b, nil
}

func (b *Bare) open(rt *ort.Runtime, o BareOptions) (err error) {
	b.room = b.net.feed.room(b.batch)
	patch := onnx.NewBuilder(b.net.Model.Opset())
	var names []string
	for _, l := range b.net.Layers {
		name := l.Tensor
		if o.Tapped {
			name = b.net.tap(patch, l).fit(FitGrid, Sound)
			width := FitGrid*FitGrid + 1
			t, err := ort.NewF16(make([]uint16, b.batch*width*l.Width), int64(b.batch), int64(width), int64(l.Width))
			if err != nil {
				return err
			}
			b.out = append(b.out, t)
		} else {
			if v := b.net.Model.Graph.Values[l.Tensor]; v.Type != onnx.Float32 && v.Type != onnx.Undefined {
				return fault.Inputf("layer %s is of type %s: the library's speed is measured with float32 layers only", l.Name, v.Type)
			}
			patch.Output(name, onnx.Undefined)
			b.out = append(b.out, nil)
		}
		names = append(names, name)
	}
	b.session, err = b.net.openOnce(rt, patch, !o.Tapped, names, ort.Options{Threads: ort.Threads(o.Threads), Spin: o.Spin})
	return err
}

// Batch is the number of images in a batch.
func (b *Bare) Batch() int { return b.batch }

// Run runs the batch again and again until so many images have gone through, a whole last batch included.
func (b *Bare) Run(ctx context.Context, images int) error {
	for done := 0; done < images; done += b.batch {
		if err := b.run(ctx); err != nil {
			return b.net.placed(err)
		}
	}
	return nil
}

func (b *Bare) run(ctx context.Context) error {
	in, err := b.room.tensors(b.batch)
	if err != nil {
		return err
	}
	defer closeAll(in)
	return b.session.Run(ctx, in, b.out)
}

// Close gives the session back.
func (b *Bare) Close() {
	b.session.Close()
	closeAll(b.out)
}
