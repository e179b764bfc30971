package stimuli

import "io"

// Row is a line of a list of stimuli.
type Row struct {
	File    string            // path below the pictures' folder
	Photo   string            // "": the file's digest
	Window  *Window           // nil: the whole picture, unless Mirror
	Mirror  bool              // the whole picture, mirrored (Window is nil)
	Columns map[string]string // the other columns, by name
	Where   string            // "images.csv:12", for messages
}

// ReadList reads a list of stimuli: comma-separated with a header for a name that ends in .csv, else one path a
// line. A .csv needs the column file; photo, split, x, y, w, h, mirror mean what contract.md section 7 says, and
// any other column (and split) is kept as text. A fault names the line.
func ReadList(name string, r io.Reader) ([]Row, error) { return readList(name, r) }
