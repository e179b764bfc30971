package tasks

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/durable/durabletest"
	"cortexmap/internal/fault"
)

// FuzzFiles: whatever a record, a claim, a failure, a job or an element's list holds in an output folder that comes from
// elsewhere, reading it ends, no path comes from its text, nothing is taken for done but what has a record of its key, and
// a record that is taken is written again as it was read.
func FuzzFiles(f *testing.F) {
	for _, v := range []any{
		Record{Format: recordFormat, Key: key("all")}, Record{Format: recordFormat + 1, Key: key("all")},
		Record{Format: recordFormat, Kind: "test", Name: "one", Key: key("one"), Parts: []RawPart{{"seed", json.RawMessage("1")}}, Files: map[string]FileSum{"../../out": {1, "x"}}},
		owner{Machine: "m", Host: "h", PID: 1, Started: "1"}, owner{PID: -1}, Failure{Key: key("one"), Log: "../x"},
		Job{ID: "7", Kind: "test", Keys: []string{key("one"), "../.."}}, Element{Key: key("one"), What: json.RawMessage("{}")}, []any{nil, "x", 1e300},
	} {
		data, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		k := key("one")
		folder := "things/one-" + k
		list := filepath.Join(root, SlurmFolder, "x", "test-0.tasks")
		for _, path := range []string{filepath.Join(root, folder, RecordName), filepath.Join(root, "all", RecordName), filepath.Join(root, claimsDir, k, ownerName),
			filepath.Join(root, failedDir, k+".json"), filepath.Join(root, SlurmFolder, "x", "test-0.json"), list} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, data, 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		g := NewGraph(root)
		one := g.Add(&Task{Kind: "test", Name: "one", Key: k, Folder: "things/elsewhere-" + k, Parts: []Part{{"seed", 2}}})
		g.Add(&Task{Kind: "test", Name: "two", Key: key("two"), Folder: "things/two-" + key("two")})
		g.Add(&Task{Kind: "last", Name: "all", Key: key("all"), Folder: "all", Fixed: true, Needs: []*Task{one}})
		told := func(err error) {
			t.Helper()
			var known *fault.Error
			if err != nil && !errors.As(err, &known) {
				t.Errorf("%v is no fault", err)
			}
		}
		told(g.Look())
		record, err := ReadRecord(filepath.Join(root, "all"))
		told(err)
		if done := g.Find(key("all")).State == Kept; done != (err == nil && record.Key == key("all") && record.Format == recordFormat) {
			t.Errorf("done: %v, of %+v, %v", done, record, err)
		}
		if err == nil {
			durabletest.Rewritten(t, record)
		}
		_, err = g.Explain()
		told(err)
		rests, err := g.Rests([]string{"things"})
		told(err)
		for _, r := range rests {
			if !filepath.IsLocal(r.Path) || strings.Contains(r.Path, "..") {
				t.Errorf("%s would be removed", r.Path)
			}
		}
		_, err = g.Jobs()
		told(err)
		_, err = Verify(filepath.Join(root, folder), k, func(string, []RawPart) string { return k })
		told(err)
		ReadFailure(root, k)
		t.Setenv("SLURM_ARRAY_TASK_ID", "0")
		_, err = ReadElement(list)
		told(err)
		if _, err := os.Stat(filepath.Join(root, folder, RecordName)); err != nil {
			t.Errorf("reading changed the folder: %v", err)
		}
	})
}
