package extract

import (
	"context"
	"log/slog"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/models"
)

// NetworkOptions say how a network is to be read. The zero value is a good one.
type NetworkOptions struct {
	Bytes   []byte   // the model itself, where it is embedded and path is but its name
	Layers  []string // extract.layers: nil or ["auto"], ["blocks"], ["stages"], ["every:2"], or names and globs
	Card    string   // path of the card, "" to look for it
	Threads int      // 0: the cores this process may use
	Device  string   // cpu (also "") or cuda
	NoRun   bool     // read only the file: no library is needed, shapes and tokens stay unknown
	Log     *slog.Logger
}

// Network is an opened .onnx file whose layers are found and understood.
type Network struct {
	Path     string
	SHA256   [32]byte
	Layers   []store.Layer
	Card     models.Card
	Model    *onnx.Model
	Warnings []store.Warning
}

// OpenNetwork reads the network at path, finds its layers, and probes shapes and tokens by running it.
func OpenNetwork(ctx context.Context, rt *ort.Runtime, path string, o NetworkOptions) (*Network, error) {
	panic("being written")
}

// RunOptions are the settings of an extraction.
type RunOptions struct {
	Key         string // of the store, written into its files
	Name        string // what people call the network
	Protocol    string // sound (also "") or paper
	Batch       int    // images in a batch; 0: chosen
	Threads     int    // 0: the cores this process may use
	Device      string // cpu (also "") or cuda
	Compression string // none (also ""), snappy, zstd
	KeepGoing   bool   // leave out pictures that can't be decoded instead of stopping
	Version     string // of cortexmap, for the manifest
	Progress    func(done, total int)
	Log         *slog.Logger
}

// Run writes the tokens of every layer for every picture of set under dir.
func Run(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, dir string, o RunOptions) (store.Manifest, error) {
	panic("being written")
}

// Readout is how some units read one layer: v-th columns of receptive fields and channel weights.
type Readout struct {
	Layer    int
	Units    int       // V_l
	Field    []float32 // [H·W, V_l], row-major; cells row by row from the top left
	Channels []float32 // [D, V_l]
}

// ChannelStats are a layer's channels over images: local ones over every cell of the native grid.
type ChannelStats struct{ Mean, SD, GlobalMean, GlobalSD []float64 } // [D] each

// Statistics measures every layer's channels over the images rows of set (nil: all).
func Statistics(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, rows []int) ([]ChannelStats, error) {
	panic("being written")
}

// ReadOut computes local[n,v] = Σ_d C[d,v] Σ_hw F[hw,v] z[n,d,hw] and global[n,v] = Σ_d C[d,v] g[n,d], one slice
// [N, V_l] for each readout.
func ReadOut(ctx context.Context, rt *ort.Runtime, net *Network, set *stimuli.Set, readouts []Readout, progress func(done, total int)) (local, global [][]float32, err error) {
	panic("being written")
}
