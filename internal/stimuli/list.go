package stimuli

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Row is a line of a list of stimuli.
type Row struct {
	File    string            // path below the pictures' folder, with slashes
	Photo   string            // "": the file's digest
	Window  *Window           // nil: the whole picture
	Mirror  bool              // with Window nil: the whole picture, mirrored
	Columns map[string]string // the other columns, by name
	Where   string            // "images.csv:12", for messages; "" without a list
}

// place is what messages call the row's file.
func (r Row) place(s *source) string {
	if r.Where == "" {
		return s.place(r.File)
	}
	return r.Where + ": " + s.place(r.File)
}

// ReadList reads a list of stimuli: comma-separated with a header where the name ends in .csv, else one path a
// line, empty lines passed over. A .csv needs the column file; photo, x, y, w, h and mirror (0, 1, false, true)
// may be there and may be empty in a row; any other column, split among them, is kept as text. A fault names the
// line. Contract.md section 7, images.csv.
func ReadList(name string, r io.Reader) ([]Row, error) {
	read := readPaths
	if strings.EqualFold(path.Ext(name), ".csv") {
		read = readCSV
	}
	rows, err := read(name, r)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fault.Inputf("the list names no pictures").In("%s", name)
	}
	return rows, nil
}

func readPaths(name string, r io.Reader) ([]Row, error) {
	var rows []Row
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if n == 1 {
			text = strings.TrimPrefix(text, byteOrderMark)
		}
		if text == "" {
			continue
		}
		row := Row{Where: fmt.Sprintf("%s:%d", name, n)}
		if err := row.setFile(text); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.Inputf("can't be read as a list: %w", err).In("%s", name).Remedy("write one path a line")
	}
	return rows, nil
}

const byteOrderMark = "\ufeff"

func readCSV(name string, r io.Reader) ([]Row, error) {
	c := csv.NewReader(r)
	header, err := c.Read()
	if err != nil {
		return nil, csvFault(name, err)
	}
	header[0] = strings.TrimPrefix(header[0], byteOrderMark)
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	if err := checkHeader(name, header); err != nil {
		return nil, err
	}
	var rows []Row
	for {
		fields, err := c.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, csvFault(name, err)
		}
		line, _ := c.FieldPos(0)
		row, err := parseRow(fmt.Sprintf("%s:%d", name, line), header, fields)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

func checkHeader(name string, header []string) error {
	if !slices.Contains(header, "file") {
		return fault.Inputf("no column file among %s", strings.Join(header, ", ")).In("%s:1", name).
			Remedy("the first line names the columns: file[,photo,split,x,y,w,h,mirror]")
	}
	have := 0
	for i, h := range header {
		if slices.Contains(header[:i], h) {
			return fault.Inputf("column %q comes twice", h).In("%s:1", name)
		}
		if slices.Contains(windowColumns, h) {
			have++
		}
	}
	if have != 0 && have != 4 {
		return fault.Inputf("%d of the 4 columns x, y, w, h", have).In("%s:1", name).Remedy("a window needs all four")
	}
	return nil
}

var windowColumns = []string{"x", "y", "w", "h"}

// parseRow reads one line of a .csv.
func parseRow(where string, header, fields []string) (Row, error) {
	row := Row{Where: where, Columns: map[string]string{}}
	var window Window
	given := 0
	number := map[string]*int{"x": &window.X, "y": &window.Y, "w": &window.W, "h": &window.H}
	for i, column := range header {
		text := fields[i]
		into, isNumber := number[column]
		var err error
		switch {
		case column == "file":
			err = row.setFile(text)
		case column == "photo":
			row.Photo = text
		case column == "mirror":
			row.Mirror, err = parseMirror(where, text)
		case !isNumber:
			row.Columns[column] = text
		case strings.TrimSpace(text) != "":
			given++
			*into, err = parsePixels(where, column, text)
		}
		if err != nil {
			return Row{}, err
		}
	}
	switch given {
	case 0:
		return row, nil
	case 4:
		window.Mirror = row.Mirror
		row.Window = &window
		return row, nil
	}
	return Row{}, fault.Inputf("%d of the 4 numbers x, y, w, h", given).In("%s", where).
		Remedy("give all four, or none for the whole picture")
}

// setFile takes a path that stays inside the folder.
func (r *Row) setFile(text string) error {
	r.File = path.Clean(text)
	if text == "" {
		return fault.Inputf("no file in this row").In("%s", r.Where)
	}
	if !fs.ValidPath(r.File) || r.File == "." {
		return fault.Inputf("path %q leaves the folder of the pictures, which is refused", text).In("%s", r.Where).
			Remedy("write it relative to that folder, with slashes")
	}
	return nil
}

func parseMirror(where, text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, fault.Inputf("mirror is %q", text).In("%s", where).Remedy("write 0 or 1")
}

func parsePixels(where, column, text string) (int, error) {
	v, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || v < 0 || v > math.MaxInt32 {
		return 0, fault.Inputf("%s is %q", column, text).In("%s", where).Remedy("write whole pixels, 0 or more")
	}
	return v, nil
}

func csvFault(name string, err error) error {
	if err == io.EOF {
		return fault.Inputf("the list is empty").In("%s", name)
	}
	if p := (*csv.ParseError)(nil); errors.As(err, &p) {
		return fault.Inputf("not comma-separated text with the same number of columns in each row: %w", p.Err).In("%s:%d", name, p.Line)
	}
	return fault.Inputf("can't be read: %w", err).In("%s", name)
}
