package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/tasks"
)

// TestElementOfATunedNetwork: an element opens its own network only, also where that was tuned from another one.
func TestElementOfATunedNetwork(t *testing.T) {
	d := newDesk(t)
	d.yaml = `out: out
models: [{path: resnet.onnx, name: before}, {path: vit.onnx, name: after, finetuned_from: before}]
subjects: [brain]
extract: {layers: stages}
`
	d.copy(filepath.Join(testdata, "onnx", "vit.dyn.onnx"), filepath.Join(d.dir, "vit.onnx"))
	o := d.options()
	r, err := look(t.Context(), o)
	d.check(err)
	defer r.close()
	var of *tasks.Task
	for task, w := range r.whose {
		if task.Kind == "features" && w.network.Name == "after" {
			of = task
		}
	}
	what, err := r.describeElement(of)
	d.check(err)
	line, err := json.Marshal(tasks.Element{Key: of.Key, Name: of.Name, What: what})
	d.check(err)
	d.check(os.WriteFile("features-0.tasks", append(line, '\n'), 0o666))
	t.Setenv("SLURM_ARRAY_TASK_ID", "0")
	d.check(RunElement(t.Context(), o, "features-0.tasks"))
	if _, err := os.Stat(filepath.Join("out", filepath.FromSlash(of.Folder))); err != nil {
		t.Error(err)
	}
}
