package extract

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort/orttest"
)

// A file with a flipped bit is refused with a fault, or is another network that can be read; it never ends the process.
// Every other flip is among the nodes, which come first in the file; the weights behind them are most of it.
// CORTEXMAP_LONG flips a thousand bits.
func TestBitFlips(t *testing.T) {
	rt := orttest.Runtime(t)
	flips := 12
	if os.Getenv("CORTEXMAP_LONG") != "" {
		flips = 250
	}
	for _, name := range []string{"separable.ts", "separable.dyn", "mixer.ts", "cornet.ts"} {
		whole, ok := unzipped(t, filepath.Join(testdata, "onnx", "zoo", name+".onnx.gz"))
		if !ok {
			t.Fatalf("no %s", name)
		}
		random := rand.New(rand.NewPCG(1, 2))
		refused := 0
		for i := range flips {
			model := append([]byte(nil), whole...)
			at, bit := random.IntN(len(model)>>(i%2*2)), random.IntN(8)
			model[at] ^= 1 << bit
			_, err := OpenNetwork(context.Background(), rt, name, NetworkOptions{Bytes: model, Threads: 1})
			switch {
			case err == nil:
			case fault.ClassOf(err) == fault.Input:
				refused++
			default:
				t.Errorf("%s, bit %d of byte %d: %v", name, bit, at, err)
			}
		}
		t.Logf("%s: %d of %d refused", name, refused, flips)
	}
}
