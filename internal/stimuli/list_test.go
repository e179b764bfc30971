package stimuli

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

func TestReadList(t *testing.T) {
	none := map[string]string{}
	for _, tc := range []struct {
		name, text string
		want       []Row
	}{
		{"l.txt", "a.png\r\n\n  d/b c.png\n", []Row{{File: "a.png", Where: "l.txt:1"}, {File: "d/b c.png", Where: "l.txt:3"}}},
		{"l.csv", "\ufefffile\na.png\n", []Row{{File: "a.png", Columns: none, Where: "l.csv:2"}}},
		{"L.CSV", "photo,file\n\"p\n1\",\"a, \"\"b\"\".png\"\np2,c.png\n", []Row{
			{File: `a, "b".png`, Photo: "p\n1", Columns: none, Where: "L.CSV:2"}, {File: "c.png", Photo: "p2", Columns: none, Where: "L.CSV:4"}}},
		{"w.csv", "file,x,y,w,h,mirror\na.png,1, 2,3,4,0\na.png,,,,,1\n", []Row{
			{File: "a.png", Window: &Window{1, 2, 3, 4, false}, Columns: none, Where: "w.csv:2"},
			{File: "a.png", Mirror: true, Columns: none, Where: "w.csv:3"}}},
	} {
		got, err := ReadList(tc.name, strings.NewReader(tc.text))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s:\n%+v, want\n%+v", tc.name, got, tc.want)
		}
	}
}

func TestReadListFaults(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"l.txt", "", "no pictures"},
		{"l.txt", "a.png\n../b.png\n", "l.txt:2"},
		{"l.txt", "/etc/passwd\n", "leaves the folder"},
		{"l.csv", "", "empty"},
		{"l.csv", "name\na.png\n", "no column file among name"},
		{"l.csv", "file,file\na,b\n", "comes twice"},
		{"l.csv", "file\n", "no pictures"},
		{"l.csv", "file,x,y,w\na,1,2,3\n", "3 of the 4 columns"},
		{"l.csv", "file,x,y,w,h\na,1,2,3,\n", "l.csv:2"},
		{"l.csv", "file,x,y,w,h\na,1,2,-3,4\n", `w is "-3"`},
		{"l.csv", "file,x,y,w,h\na,1,2,3e9,4\n", `w is "3e9"`},
		{"l.csv", "file,mirror\na,2\n", `mirror is "2"`},
		{"l.csv", "file,photo\na\n", "l.csv:2"},
		{"l.csv", "file\n\"\"\n", "no file"},
		{"l.csv", "file\na/../../b\n", "leaves the folder"},
	} {
		_, err := ReadList(tc.name, strings.NewReader(tc.text))
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.text, err, tc.want)
		}
	}
}

// FuzzReadList: no list crashes the parser, and what it accepts stays inside the folder.
func FuzzReadList(f *testing.F) {
	f.Add("a.csv", "file,x,y,w,h,mirror,photo\na.png,1,2,3,4,1,p\n\"b\n\",,,,,,\n")
	f.Add("a.txt", "a.png\n./b/../c\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		rows, err := ReadList(name, strings.NewReader(text))
		if err != nil && fault.ClassOf(err) != fault.Input {
			t.Fatalf("not the user's fault: %v", err)
		}
		for _, r := range rows {
			if !fs.ValidPath(r.File) || r.File == "." {
				t.Fatalf("%q leaves the folder", r.File)
			}
			if w := r.Window; w != nil && (w.X < 0 || w.Y < 0 || w.W < 0 || w.H < 0) {
				t.Fatalf("window %+v", *w)
			}
		}
	})
}
