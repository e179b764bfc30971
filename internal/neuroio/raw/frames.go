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

	done int64
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
	buf := make([]byte, min(block, q.N)*int64(q.Type.Size))
	for first := int64(0); first < q.N; first += block {
		b := buf[:min(block, q.N-first)*int64(q.Type.Size)]
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

// Next is the next frame, [N]; io.EOF after the last. Numbers that float32 can't hold are rounded. Its
// memory grows with what is really in the file.
func (q *Sequence) Next() ([]float32, error) {
	var out []float32
	wide := make([]float64, 0, min(block, q.N))
	err := q.each(func(first int64, b []byte) error {
		n := len(b) / q.Type.Size
		if !q.scaled() {
			out = append(out, make([]float32, n)...)
			Convert(out[first:], b, q.Type)
			return nil
		}
		wide = wide[:n]
		q.scale(wide, b)
		for _, x := range wide {
			out = append(out, float32(x))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (q *Sequence) scale(dst []float64, b []byte) {
	Convert(dst, b, q.Type)
	if !q.scaled() {
		return
	}
	for i, x := range dst {
		dst[i] = float64(x*q.Slope) + q.Inter // rounded twice on every machine, as NumPy does it
	}
}

// Pick reads the next frame and keeps some of its numbers: dst[i] is number at[i]. io.EOF comes after the
// last frame. It panics if the lengths differ or if at isn't ascending and inside the frame.
func (q *Sequence) Pick(dst []float32, at []int32) error {
	q.check(len(dst), at)
	i := 0
	var one [1]float64
	return q.each(func(first int64, b []byte) error {
		end := first + int64(len(b)/q.Type.Size)
		for ; i < len(at) && int64(at[i]) < end; i++ {
			from := (int64(at[i]) - first) * int64(q.Type.Size)
			q.scale(one[:], b[from:from+int64(q.Type.Size)])
			dst[i] = float32(one[0])
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
	whole, wide := make([]int64, min(block, q.N)), make([]float64, min(block, q.N))
	err := q.each(func(first int64, b []byte) (err error) {
		n := len(b) / q.Type.Size
		if q.scaled() {
			q.scale(wide[:n], b)
			err = WholeFloats(whole[:n], wide[:n], first)
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
