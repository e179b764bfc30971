package fit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/store"
)

// A checkpoint is a file that an interrupted fit goes on from: a line that says what it is, a gob of
// progress, the model's arrays as float32 little-endian one after the other, and the SHA-256 of all before
// it. It is written at the ends of long phases, and in the descent about every half minute, always before a
// step that looks anew where the vertices look: everything else that such a step needs follows from the
// arrays, so the steps after it are those of a fit that was never interrupted, bit for bit.

// CheckpointName is the checkpoint's name in the folder that Options.Checkpoint names. Remove the file once
// the mapping is kept elsewhere.
const CheckpointName = "fit.checkpoint"

const (
	checkpointMagic = "cortexmap fit checkpoint 1\n" // raise the number when the arrays or what they mean change
	checkpointEvery = 30 * time.Second
)

// stage is how far a fit is.
type stage int

const (
	begun       stage = iota
	aligned           // (16) to (18) are done
	initialised       // and (19), (20)
	descending        // some steps of (21) are done
	descended         // all are
	fitted            // and the last readout
)

// progress is where a fit stands, besides its arrays.
type progress struct {
	Key     string // of the fit that wrote it
	Stage   stage
	Curve   []store.CurvePoint // before the descent; all of it once that is done
	Descent walked
	Seconds map[string]float64
}

// walked is how far the descent is.
type walked struct {
	Step   int
	Adam   [4]int             // optimisers' steps: readout, bias, bottlenecks, selectors
	Curve  []store.CurvePoint // of the descent
	Images int                // shown so far
	Loss   float64            // sum since the last point of the curve
	Since  int                // steps since then
	Last   float64            // loss of the last step
}

// keeper writes and reads a fit's checkpoint. A nil keeper keeps nothing.
type keeper struct {
	path, key string
	every     time.Duration
	last      time.Time
	report    *reporter
	failed    bool
}

// newKeeper is nil where no folder is given. What determines the fit beyond the caller's key goes into the
// checkpoint's, so that no folder can mix up two fits.
func newKeeper(p *problem, o Options) *keeper {
	if o.Checkpoint == "" {
		return nil
	}
	k := &keeper{path: filepath.Join(o.Checkpoint, CheckpointName), every: checkpointEvery, last: time.Now(), report: p.report}
	if o.everyStep {
		k.every = 0
	}
	k.key = store.Key("checkpoint", o.Key, p.set, p.seed, p.Features.Manifest.Key, p.widths, p.C, p.units,
		p.digests(p.Train), p.digests(p.Val), p.digests(p.Test))
	return k
}

// due says whether the descent should write.
func (k *keeper) due() bool { return k != nil && time.Since(k.last) >= k.every }

// write keeps the fit's state. A checkpoint that can't be written is said, and is no reason to end a fit.
func (k *keeper) write(at progress, arrays [][]float32) {
	if k == nil {
		return
	}
	at.Key, at.Seconds = k.key, k.report.seconds
	if err := k.put(at, arrays); err != nil && !k.failed {
		k.failed = true
		k.report.log.Warn("no checkpoint can be written: if this fit is interrupted it starts over", "error", err)
	}
	k.last = time.Now()
}

func (k *keeper) put(at progress, arrays [][]float32) error {
	f, err := durable.Create(k.path)
	if err != nil {
		return err
	}
	defer f.Abort()
	hash := sha256.New()
	w := io.MultiWriter(f, hash)
	var head bytes.Buffer
	head.WriteString(checkpointMagic)
	if err := gob.NewEncoder(&head).Encode(at); err != nil {
		return err
	}
	if _, err := w.Write(head.Bytes()); err != nil {
		return err
	}
	const chunk = 1 << 16
	buffer := make([]byte, 0, 4*chunk)
	for _, a := range arrays {
		for from := 0; from < len(a); from += chunk {
			buffer = buffer[:0]
			for _, x := range a[from:min(from+chunk, len(a))] {
				buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(x))
			}
			if _, err := w.Write(buffer); err != nil {
				return err
			}
		}
	}
	if _, err := f.Write(hash.Sum(nil)); err != nil {
		return err
	}
	return f.Commit()
}

// errForeign is a checkpoint of another fit.
var errForeign = errors.New("it was written with other settings, images or responses")

// read brings back what was written: arrays says, for a stage, where the numbers belong. Without a usable
// checkpoint it says why, and the fit starts over.
func (k *keeper) read(arrays func(stage) ([][]float32, error)) (progress, error) {
	if k == nil {
		return progress{}, nil
	}
	k.tidy()
	data, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return progress{}, nil
	}
	var at progress
	if err == nil {
		at, data, err = parseCheckpoint(data)
	}
	if err == nil && at.Key != k.key {
		err = errForeign
	}
	var into [][]float32
	if err == nil {
		if into, err = arrays(at.Stage); err != nil {
			return progress{}, err
		}
		err = fits(data, into)
	}
	if err != nil {
		k.report.log.Warn("the checkpoint can't be used: the fit starts over", "file", k.path, "why", err)
		return progress{}, nil
	}
	for _, a := range into {
		for i := range a {
			a[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		data = data[4*len(a):]
	}
	for name, s := range at.Seconds {
		k.report.seconds[name] = s
	}
	k.report.log.Info("going on from a checkpoint", "step", at.Descent.Step)
	return at, nil
}

// tidy removes what a killed process was writing.
func (k *keeper) tidy() {
	left, _ := os.ReadDir(filepath.Dir(k.path)) // a folder that is not there yet has nothing to tidy
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "."+CheckpointName+".tmp") {
			os.Remove(filepath.Join(filepath.Dir(k.path), e.Name()))
		}
	}
}

// parseCheckpoint checks a file's bytes and takes them apart.
func parseCheckpoint(data []byte) (at progress, arrays []byte, err error) {
	body := len(data) - sha256.Size
	if body < len(checkpointMagic) || string(data[:len(checkpointMagic)]) != checkpointMagic {
		return at, nil, errors.New("it is no checkpoint of this version")
	}
	if sum := sha256.Sum256(data[:body]); !bytes.Equal(sum[:], data[body:]) {
		return at, nil, errors.New("it is damaged: its checksum differs")
	}
	r := bytes.NewReader(data[len(checkpointMagic):body]) // gob reads no further than its value from a reader of bytes
	if err := gob.NewDecoder(r).Decode(&at); err != nil {
		return at, nil, err
	}
	if at.Stage < begun || at.Stage > fitted {
		return at, nil, errors.New("its stage is unknown")
	}
	return at, data[body-r.Len() : body], nil
}

// fits checks that arrays take exactly the bytes there are.
func fits(data []byte, arrays [][]float32) error {
	n := 0
	for _, a := range arrays {
		n += 4 * len(a)
	}
	if n != len(data) {
		return errors.New("its arrays have another size")
	}
	return nil
}

// arrays are the model's fitted numbers.
func (m *model) arrays() [][]float32 {
	all := [][]float32{m.bottleneck.data, m.selectors(), m.w, m.b}
	return append(append(all, m.kc...), m.hc...)
}

// keep writes a checkpoint at the end of a phase.
func (m *model) keep(s stage, curve []store.CurvePoint) {
	m.keeper.write(progress{Stage: s, Curve: curve}, m.arrays())
}

// arrays are the descent's state in the order of vertices: the model's arrays, then the optimisers'.
func (d *descent) arrays() [][]float32 {
	return append(d.model.arrays(), d.wAdam.m, d.wAdam.v, d.bAdam.m, d.bAdam.v,
		d.kAdam.m, d.kAdam.v, d.selAdam.m, d.selAdam.v)
}

// keep writes a checkpoint of the descent, which must be about to look anew.
func (d *descent) keep(at walked, before []store.CurvePoint) {
	at.Step, at.Adam = d.t, [4]int{d.wAdam.t, d.bAdam.t, d.kAdam.t, d.selAdam.t}
	byVertex := func(x []float32, width int) []float32 {
		out := make([]float32, len(x))
		d.lay.scatter(out, x, width)
		return out
	}
	all := d.arrays()
	all[2], all[3] = byVertex(d.w, d.C), byVertex(d.b, 1)
	n := len(all) - 8
	all[n], all[n+1] = byVertex(d.wAdam.m, d.C), byVertex(d.wAdam.v, d.C)
	all[n+2], all[n+3] = byVertex(d.bAdam.m, 1), byVertex(d.bAdam.v, 1)
	d.keeper.write(progress{Stage: descending, Curve: before, Descent: at}, all)
}

// resume goes on where a descent was kept; its arrays are in place.
func (d *descent) resume(at walked) {
	d.t = at.Step
	d.wAdam.t, d.bAdam.t, d.kAdam.t, d.selAdam.t = at.Adam[0], at.Adam[1], at.Adam[2], at.Adam[3]
	copy(d.w, d.model.w)
	copy(d.b, d.model.b)
}
