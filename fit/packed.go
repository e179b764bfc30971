package fit

import "context"

// packedImages is how many images of a packed store lie next to each other: the mixed channels of a block
// of vertices, [64, 128, C], then stay in the cache.
const packedImages = 128

// packed is the channels of some images after the present bottlenecks, for the closed forms: read once,
// used by every cell. Float16: 200 kB an image at 12 layers.
type packed struct {
	images []int
	chunks []packedChunk
	zero   []uint16 // [L, packedImages, C]: what lies outside the grid
	row    int      // L·C
}

type packedChunk struct {
	images []int
	data   []uint16 // [G²+1, L, n, C]
}

// pack projects the images.
func (m *model) pack(ctx context.Context, images []int) (*packed, error) {
	k, err := m.e.loadOnce(packedGraph(m.widths, m.G, m.C))
	if err != nil {
		return nil, err
	}
	defer k.close()
	p := &packed{images: images, row: m.L * m.C, zero: make([]uint16, m.L*packedImages*m.C)}
	for at := 0; at < len(images); at += packedImages {
		p.chunks = append(p.chunks, packedChunk{images: images[at:min(at+packedImages, len(images))]})
	}
	buffers := make([]*batch, m.e.workers)
	err = m.e.spread(ctx, len(p.chunks), func(ctx context.Context, w, i int) error {
		if buffers[w] == nil {
			buffers[w] = m.newBatch(packedImages)
		}
		c := &p.chunks[i]
		n := len(c.images)
		if err := m.fill(ctx, buffers[w], c.images); err != nil {
			return err
		}
		c.data = make([]uint16, m.tokens()*p.row*n)
		var b binding
		defer b.close()
		m.bindTokens(&b, buffers[w], 0, n, true)
		b.gives16(c.data, m.tokens(), m.L, n, m.C)
		return k.run(ctx, w, &b)
	})
	return p, err
}

// token is a chunk's slab of one token, [L, n, C]; zeros for G²+1.
func (p *packed) token(c packedChunk, row int64) []uint16 {
	size := p.row * len(c.images)
	if at := int(row) * size; at < len(c.data) {
		return c.data[at : at+size]
	}
	return p.zero[:size]
}
