package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// subjectTemplate is the commented subject.yaml, as embedded.
const subjectTemplate = "configs/templates/subject.yaml"

type initCmd struct {
	Dir string `arg:"" placeholder:"DIR" help:"The folder to write into; it is made if it is missing."`
}

func (initCmd) Help() string {
	return "Writes DIR/pipeline.yaml and DIR/subject/subject.yaml, both commented. Files that exist are never overwritten.\n\nExample:\n  cortexmap init study && cd study && cortexmap run"
}

func (c *initCmd) Run(e *env) error {
	templates := []struct{ from, to string }{
		{"configs/templates/pipeline.yaml", "pipeline.yaml"},
		{subjectTemplate, filepath.Join("subject", "subject.yaml")},
	}
	for _, f := range templates {
		path := filepath.Join(c.Dir, f.to)
		if _, err := os.Lstat(path); err == nil {
			return fault.Inputf("%s exists already", path).Remedy("choose another folder, or remove the file")
		}
	}
	for _, f := range templates {
		path := filepath.Join(c.Dir, f.to)
		data, err := fs.ReadFile(e.files, f.from)
		if err != nil {
			return err
		}
		if err := durable.WriteFile(path, data); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, "wrote "+path)
	}
	fmt.Fprintln(e.stdout, "next: fill in both, then: cd "+c.Dir+" && cortexmap run")
	return nil
}
