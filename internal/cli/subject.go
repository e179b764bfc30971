package cli

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/subject"
)

type subjectCmd struct {
	Check subjectCheckCmd `cmd:"" help:"Look for what is wrong with a subject's folder: counts, masks, pictures, ceilings, regions."`
	Init  subjectInitCmd  `cmd:"" help:"Write a commented subject.yaml for your own recordings."`
}

// demoFolder is where main embeds the demo.
const demoFolder = "testdata/demo"

type subjectCheckCmd struct {
	Dir string `arg:"" placeholder:"DIR" help:"A plain subject folder, a subject of the Algonauts 2023 challenge, or the tree of NSD."`
	subjectFlags
}

// subjectFlags are the keys of a subject in the pipeline file.
type subjectFlags struct {
	Subject  string `placeholder:"SUBJ" help:"Which one of an NSD tree: subj01."`
	Sessions string `placeholder:"N" help:"Of an NSD tree: all, challenge (what the Algonauts challenge made of it), or how many of the first."`
	Mask     string `placeholder:"STEM" help:"Files lh.*, rh.*: only these vertices; a folder, or a folder and the files' stem."`
	Ceiling  string `placeholder:"STEM" help:"Files lh.*, rh.*: noise ceilings, or ncsnr where the name says so."`
	ROIs     string `name:"rois" placeholder:"NAME" help:"Regions: paper, a family's name, or a .yaml file."`
}

func (f subjectFlags) options(demo fs.FS) subject.Options {
	return subject.Options{Demo: demo, Subject: f.Subject, Sessions: f.Sessions, Mask: f.Mask, Ceiling: f.Ceiling, ROIs: f.ROIs}
}

func (subjectCheckCmd) Help() string {
	return "Reads all of it and says what is wrong, what looks like a known mistake, and what to do. Exit code 2 when there is a fault, else 0.\n\n" +
		"Examples:\n  cortexmap subject check data/subj01\n  cortexmap subject check study/subject --json\n" +
		"  cortexmap subject check nsd --subject subj01 --mask nsd/nsddata/freesurfer/fsaverage/label/nsdgeneral"
}

func (c *subjectCheckCmd) Run(e *env) error {
	demo, err := fs.Sub(e.files, demoFolder)
	if err != nil {
		return err
	}
	r, err := subject.Check(e.ctx, c.Dir, c.options(demo))
	if err != nil {
		return err
	}
	if e.flags.JSON {
		err = printJSON(e.stdout, r)
	} else {
		e.printFindings(r)
	}
	if err != nil || r.Clean() {
		return err
	}
	faults := 0
	for _, f := range r.Findings {
		if f.Level == subject.Fault {
			faults++
		}
	}
	return fault.Inputf("%s can't be used so, faults: %d", c.Dir, faults)
}

// printFindings shows a report to people.
func (e *env) printFindings(r *subject.Report) {
	w := e.stdout
	fmt.Fprintf(w, "%s (%s)\n", r.Subject, r.Kind)
	for _, k := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(w, "  %s: %v\n", strings.ReplaceAll(k, "_", " "), r.Counts[k])
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s %s: %s\n", f.Level, f.ID, oneLine(f.What))
		fmt.Fprintf(w, "         at:  %s\n", strings.ReplaceAll(strings.TrimRight(f.Where, "\n"), "\n", "\n              "))
		if f.Fix != "" {
			fmt.Fprintf(w, "         fix: %s\n", oneLine(f.Fix))
		}
	}
	if r.Clean() {
		fmt.Fprintln(w, "no faults")
	}
}

type subjectInitCmd struct {
	Dir string `arg:"" placeholder:"DIR" help:"The folder to write into; it is made if it is missing."`
}

func (subjectInitCmd) Help() string {
	return "Writes DIR/subject.yaml, commented; one that exists is never overwritten.\n\nExample:\n  cortexmap subject init recordings/v4"
}

func (c *subjectInitCmd) Run(e *env) error {
	path := filepath.Join(c.Dir, "subject.yaml")
	if _, err := os.Lstat(path); err == nil {
		return fault.Inputf("%s exists already", path).Remedy("choose another folder, or remove the file")
	}
	data, err := fs.ReadFile(e.files, subjectTemplate)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, data); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "wrote "+path)
	fmt.Fprintln(e.stdout, "next: fill it in, then: cortexmap subject check "+c.Dir)
	return nil
}
