package raw

import (
	"fmt"
	"io"

	"cortexmap/internal/fault"
)

// Sequence reads frames, one after the other: maps of a surface, or volumes, of equally many numbers.
type Sequence struct {
	S            *Stream // stands at the first frame
	Type         Type
	N            int64   // numbers of a frame
	Count        int64   // frames
	Slope, Inter float64 // a number means Slope times what is in the file, plus Inter; 1 and 0 where nothing is scaled
	Tail         int64   // bytes that may follow the last frame

	done   int64
	buf    []byte // of one block, kept from frame to frame
	narrow []float32
	wide   []float64
}

// block is how many numbers are converted at a time: 32 Ki of 8 bytes stay in the cache.
const block = 1 << 15

// each reads the next frame in blocks. It returns io.EOF after the last frame, when the rest of the file
// has been read too.
func (q *Sequence) each(take func(first int64, b []byte) error) error {
	if err := q.S.Err(); err != nil {
		return err
	}
	if q.done == q.Count {
		if q.S.End(q.Tail); q.S.Err() != nil {
			return q.S.Err()
		}
		return io.EOF
	}
	if q.buf == nil {
		q.buf = make([]byte, min(block, q.N)*int64(q.Type.Size))
	}
	for first := int64(0); first < q.N; first += block {
		b := q.buf[:min(block, q.N-first)*int64(q.Type.Size)]
		if q.S.Fill(b); q.S.Err() != nil {
			return q.S.Err()
		}
		if err := take(first, b); err != nil {
			q.S.Refuse(err)
			return err
		}
	}
	q.done++
	return nil
}

func (q *Sequence) scaled() bool { return q.Slope != 1 || q.Inter != 0 }

// floats are the numbers of a block, good until the next one.
func (q *Sequence) floats(b []byte) []float32 {
	n := len(b) / q.Type.Size
	if cap(q.narrow) < n {
		q.narrow = make([]float32, n)
	}
	v := q.narrow[:n]
	if !q.scaled() {
		Convert(v, b, q.Type)
		return v
	}
	for i, x := range q.scale(b) {
		v[i] = float32(x)
	}
	return v
}

// scale gives what the numbers of a block mean, good until the next one.
func (q *Sequence) scale(b []byte) []float64 {
	n := len(b) / q.Type.Size
	if cap(q.wide) < n {
		q.wide = make([]float64, n)
	}
	v := q.wide[:n]
	Convert(v, b, q.Type)
	for i, x := range v {
		v[i] = float64(x*q.Slope) + q.Inter // rounded twice on every machine, as NumPy does it
	}
	return v
}

// Next is the next frame, [N]; io.EOF after the last. Numbers that float32 can't hold are rounded. Its
// memory grows with what is really in the file.
func (q *Sequence) Next() ([]float32, error) {
	var out []float32
	err := q.each(func(_ int64, b []byte) error {
		out = append(out, q.floats(b)...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Pick reads the next frame and keeps some of its numbers: dst[i] is number at[i]. io.EOF comes after the
// last frame. It panics if the lengths differ or if at isn't ascending and inside the frame.
func (q *Sequence) Pick(dst []float32, at []int32) error {
	q.check(len(dst), at)
	i := 0
	return q.each(func(first int64, b []byte) error {
		end := first + int64(len(b)/q.Type.Size)
		if i == len(at) || int64(at[i]) >= end {
			return nil
		}
		for v := q.floats(b); i < len(at) && int64(at[i]) < end; i++ {
			dst[i] = v[int64(at[i])-first]
		}
		return nil
	})
}

func (q *Sequence) check(n int, at []int32) {
	if n != len(at) {
		panic(fmt.Sprintf("raw: %d places for %d numbers", len(at), n))
	}
	before := int64(-1)
	for _, a := range at {
		if int64(a) <= before || int64(a) >= q.N {
			panic(fmt.Sprintf("raw: place %d after %d of a frame of %d", a, before, q.N))
		}
		before = int64(a)
	}
}

// Int32s is the next frame as whole numbers, [N]: labels. io.EOF comes after the last frame. A number that
// isn't whole, or beyond int32, is a fault that names its place.
func (q *Sequence) Int32s() ([]int32, error) {
	var out []int32
	whole := make([]int64, min(block, q.N))
	err := q.each(func(first int64, b []byte) (err error) {
		n := len(b) / q.Type.Size
		if q.scaled() {
			err = WholeFloats(whole[:n], q.scale(b), first)
		} else {
			err = Whole(whole[:n], b, q.Type, first)
		}
		if err != nil {
			return err
		}
		for i, v := range whole[:n] {
			if v != int64(int32(v)) {
				return fault.Inputf("number %d is %d, beyond int32", first+int64(i), v)
			}
			out = append(out, int32(v))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// All is every frame that is left, [frames][N], and the file's end. More than limit numbers are a fault
// before any is read: who needs more reads frame by frame.
func (q *Sequence) All(limit int64) ([][]float32, error) {
	if left := q.Count - q.done; q.N > 0 && left > limit/q.N {
		return nil, fault.Inputf("%d frames of %d numbers are more than the %d that are read at once", left, q.N, limit)
	}
	var out [][]float32
	for {
		v, err := q.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

// Labels is the only frame, as whole numbers, and the file's end. More frames than one are a fault.
func (q *Sequence) Labels(limit int64) ([]int32, error) {
	if q.Count != 1 {
		return nil, fault.Inputf("there are %d frames, labels are one", q.Count)
	}
	if q.N > limit {
		return nil, fault.Inputf("%d numbers are more than the %d that are read at once", q.N, limit)
	}
	v, err := q.Int32s()
	if err != nil {
		return nil, err
	}
	if _, err := q.Next(); err != io.EOF {
		return nil, err
	}
	return v, nil
}
