package cli

import (
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/pipeline"
	"cortexmap/internal/subject"
)

type subjectCmd struct {
	Check  subjectCheckCmd  `cmd:"" help:"Look for what is wrong with a subject's folder: counts, masks, pictures, ceilings, regions."`
	Init   subjectInitCmd   `cmd:"" help:"Write a commented subject.yaml for your own recordings."`
	Import subjectImportCmd `cmd:"" help:"Copy a subject into a plain folder whose responses are mapped, not read; or write out the simulated one."`
	Submit subjectSubmitCmd `cmd:"" help:"Make a submission to the Algonauts challenge from predictions of its test pictures."`
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

type subjectImportCmd struct {
	From string `arg:"" placeholder:"FROM" help:"A subject's folder, NSD's tree, or demo:simulated."`
	To   string `arg:"" placeholder:"DIR" help:"The plain folder to make."`
	subjectFlags
}

func (subjectImportCmd) Help() string {
	return "Every subject is read in place; copying it is worth while where that costs: NSD's tree (39 GB of betas and an array of 73,000 pictures are read anew by every run), " +
		"half-precision, integer or Parquet responses, and files of which a part is wanted (--mask). The copy is a plain folder: float32 responses, " +
		"the pictures' own files (PNG where there were none), places, regions, ceilings.\n\n" +
		"Examples:\n  cortexmap subject import nsd subj01 --subject subj01 --mask nsd/nsddata/freesurfer/fsaverage/label/nsdgeneral\n" +
		"  cortexmap subject import demo:simulated simulated"
}

func (c *subjectImportCmd) Run(e *env) error {
	demo, err := fs.Sub(e.files, demoFolder)
	if err != nil {
		return err
	}
	if durable.Exists(c.To) {
		return fault.Inputf("%s exists already", c.To).Remedy("choose another folder, or remove it")
	}
	s, err := c.open(e, demo)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, w := range s.Warnings {
		e.log.Warn(w.Text, "id", w.ID)
	}
	if err := subject.Export(e.ctx, s, c.To); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "wrote %s: %d pictures, %d units\n", c.To, s.Images.Len(), s.Units)
	fmt.Fprintln(e.stdout, "next: cortexmap subject check "+c.To)
	return nil
}

// open reads the subject, or lets the simulated one answer.
func (c *subjectImportCmd) open(e *env, demo fs.FS) (*subject.Subject, error) {
	if c.From != "demo:simulated" {
		return subject.Open(e.ctx, c.From, c.options(demo))
	}
	if c.subjectFlags != (subjectFlags{}) {
		return nil, fault.Inputf("the simulated subject has mask, ceilings and regions of its own").Remedy("leave the flags out")
	}
	cfg := config.Defaults()
	if e.flags.Device != "" {
		cfg.Device = e.flags.Device
	}
	cfg.Threads = e.flags.Threads
	bar := newProgress(e.stderr, e.flags.Quiet)
	defer bar.close()
	log := slog.New(newHandler(bar.beside(), e.flags.Quiet))
	return pipeline.Simulated(e.ctx, pipeline.Options{Config: &cfg, Demo: demo, OrtLib: e.flags.OrtLib, Offline: e.flags.Offline, Version: version(), Log: log, Progress: bar.update})
}

type subjectSubmitCmd struct {
	Predictions string `arg:"" placeholder:"PREDICTIONS" help:"What cortexmap predict wrote for DIR/test_split/test_images."`
	Dir         string `arg:"" placeholder:"DIR" help:"The challenge's folder of the subject."`
	Out         string `arg:"" placeholder:"SUBMISSION" help:"The folder of the submission; it gets a folder of the subject's name."`
}

func (subjectSubmitCmd) Help() string {
	return "Writes SUBMISSION/subjNN/lh_pred_test.npy and rh_pred_test.npy, as the Algonauts 2023 challenge wants them zipped.\n\n" +
		"Example:\n  cortexmap export runs/subj01 --to subj01.onnx\n  cortexmap predict subj01.onnx subj01/test_split/test_images --out predicted\n" +
		"  cortexmap subject submit predicted subj01 submission"
}

func (c *subjectSubmitCmd) Run(e *env) error {
	s, err := subject.Submit(c.Dir, c.Predictions, c.Out)
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, s)
	}
	fmt.Fprintf(e.stdout, "wrote %s\nand   %s: %s\n", s.Files[0], s.Files[1], s)
	return nil
}
