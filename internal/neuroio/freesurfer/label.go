package freesurfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Label is a set of vertices of one hemisphere.
type Label struct {
	Comment string
	Vertex  []int32      // 0-based
	Points  [][3]float32 // mm
	Value   []float32    // 0, a probability, …
}

// ReadLabel reads a .label.
func ReadLabel(r io.Reader) (*Label, error) {
	s := bufio.NewScanner(r)
	l := &Label{}
	count, line := -1, 0
	for s.Scan() {
		line++
		text := strings.TrimSpace(s.Text())
		switch {
		case text == "":
		case strings.HasPrefix(text, "#"):
			if l.Comment == "" {
				l.Comment = strings.TrimSpace(strings.TrimPrefix(text, "#"))
			}
		case count < 0:
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > maxVertices {
				return nil, fault.Inputf("line %d of the label file is %.40q, a count of vertices is needed", line, text)
			}
			count = n
		default:
			if err := l.add(text, line); err != nil {
				return nil, err
			}
		}
	}
	if err := s.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fault.Inputf("line %d of the label file is too long: this is no label file", line+1)
		}
		return nil, err
	}
	if count < 0 {
		return nil, fault.Inputf("the label file ends before its count of vertices")
	}
	if len(l.Vertex) != count {
		return nil, fault.Inputf("the label file announces %d vertices, it has %d", count, len(l.Vertex)).
			Remedy("copy or write the file again")
	}
	return l, nil
}

// add reads one line: vertex x y z value.
func (l *Label) add(text string, line int) error {
	f := strings.Fields(text)
	if len(f) != 5 {
		return fault.Inputf("line %d of the label file has %d fields, not 5: %.40q", line, len(f), text)
	}
	v, err := strconv.ParseInt(f[0], 10, 32)
	if err != nil {
		return fault.Inputf("line %d of the label file names vertex %q", line, f[0])
	}
	if v < 0 {
		return fault.Inputf("line %d of the label file names vertex %d: the label was drawn in a volume", line, v).
			Remedy("assign it to a surface: mri_label2label or mris_label2surf")
	}
	var num [4]float32
	for i := range num {
		x, err := strconv.ParseFloat(f[i+1], 32)
		if err != nil && !math.IsInf(x, 0) {
			return fault.Inputf("line %d of the label file holds %q, a number is needed", line, f[i+1])
		}
		num[i] = float32(x)
	}
	l.Vertex = append(l.Vertex, int32(v))
	l.Points = append(l.Points, [3]float32(num[:3]))
	l.Value = append(l.Value, num[3])
	return nil
}

// WriteLabel writes a .label.
func WriteLabel(w io.Writer, l *Label) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "#%s\n%d\n", oneLine(l.Comment), len(l.Vertex))
	for i, v := range l.Vertex {
		p := l.Points[i]
		fmt.Fprintf(b, "%d  %.3f  %.3f  %.3f %.10f\n", v, p[0], p[1], p[2], l.Value[i])
	}
	return b.Flush()
}
