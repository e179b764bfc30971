package subject

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

// description is subject.yaml: contract.md section 7.
type description struct {
	Format          int
	Name            string
	Simulated       bool
	Licence         string
	Attribution     string
	StimulusDegrees float64 `yaml:"stimulus_degrees"`
	Images          struct{ Folder, Zip, List string }
	Responses       struct{ File, Rows, ZScore string }
	Ceiling         ceilingForm
	Positions       positionsForm
	ROIs            []roiForm
	Hierarchy       []Level
	RDMs            []rdmForm
	Retinotopy      retinotopyForm
}

type ceilingForm struct {
	File, Kind string
	Repeats    int
	Trials     string
	Missing    float64 // NaN: only NaN marks a trial that isn't there
}

type positionsForm struct {
	Surface    surfaceForm
	Mask       sidesForm
	CSV, NIfTI string
}

// sidesForm names a file for each hemisphere.
type sidesForm struct{ LH, RH string }

func (f sidesForm) of(side string) string {
	if side == "lh" {
		return f.LH
	}
	return f.RH
}

// surfaceForm is a name, or {files: {lh: …, rh: …}}: spheres, and beside them what drawing and distances need.
type surfaceForm struct {
	Name                               string
	Files, White, Inflated, Flat, Curv sidesForm
}

// UnmarshalYAML takes a text or a mapping.
func (f *surfaceForm) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() != strictyaml.Map {
		return n.Decode(&f.Name)
	}
	type plain struct{ Files, White, Inflated, Flat, Curv sidesForm } // no name beside files
	var m plain
	err := n.Decode(&m)
	f.Files, f.White, f.Inflated, f.Flat, f.Curv = m.Files, m.White, m.Inflated, m.Flat, m.Curv
	return err
}

type roiForm struct {
	File, Hemi, Family, Name string
	Source                   string // where the regions come from, for tables; "": the family's, where it is known
	Names                    map[int]string
}

// UnmarshalYAML takes a name, or {NAME: [ROI, …]}.
func (l *Level) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() != strictyaml.Map {
		err := n.Decode(&l.Name)
		l.ROIs = []string{l.Name}
		return err
	}
	if len(n.Keys()) != 1 {
		return n.Fault("a level has one name, {NAME: [ROI, …]}, this one has %d", len(n.Keys()))
	}
	l.Name = n.Keys()[0]
	var rois []string
	if err := n.Get(l.Name).Decode(&rois); err != nil {
		return err
	}
	if len(rois) == 0 {
		return n.Fault("the level %q names no ROI", l.Name)
	}
	l.ROIs = rois
	return nil
}

// describe reads subject.yaml and checks all that can be checked without other files.
func describe(name string, data []byte) (*description, *strictyaml.Doc, error) {
	doc, err := strictyaml.Parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	d := &description{StimulusDegrees: math.NaN()}
	d.Responses.Rows, d.Responses.ZScore = "images", "none"
	d.Retinotopy.Convention = "right"
	d.Ceiling.Kind, d.Ceiling.Missing = "fraction", math.NaN()
	if err := doc.Decode(d); err != nil {
		return nil, nil, err
	}
	if err := d.checkPaths(doc); err != nil {
		return nil, nil, err
	}
	if doc.Has("rdms") {
		if err := d.checkHead(doc); err != nil {
			return nil, nil, err
		}
		return d, doc, d.checkRDMs(doc)
	}
	for _, check := range []func(*strictyaml.Doc) error{d.checkHead, d.checkResponses, d.checkCeiling, d.checkPositions, d.checkROIs, d.checkHierarchy, d.checkRetinotopy} {
		if err := check(doc); err != nil {
			return nil, nil, err
		}
	}
	return d, doc, nil
}

func (d *description) checkHead(doc *strictyaml.Doc) error {
	switch {
	case d.Format != 1:
		return doc.Fault("format", "it is %d, this version reads 1", d.Format).Remedy("write `format: 1`, the form of `cortexmap init`'s template")
	case strings.TrimSpace(d.Name) == "":
		return doc.Fault("name", "the subject needs a name")
	case doc.Has("stimulus_degrees") && !(d.StimulusDegrees > 0 && d.StimulusDegrees <= 360):
		return doc.Fault("stimulus_degrees", "it is %v, degrees above 0 and up to 360 are needed", d.StimulusDegrees).Remedy("leave it out if it isn't known")
	case (d.Images.Folder == "") == (d.Images.Zip == ""):
		return doc.Fault("images", "one of folder and zip is needed").Remedy("write for instance `images: {folder: images}`")
	}
	return nil
}

func (d *description) checkResponses(doc *strictyaml.Doc) error {
	r := &d.Responses
	r.ZScore = strings.TrimSpace(strings.TrimPrefix(r.ZScore, "column ")) // as the contract's comment may be read
	switch {
	case r.File == "":
		return doc.Fault("responses.file", "the file of the responses is not named").Remedy("write for instance `responses: {file: responses.npy}`")
	case r.Rows != "images" && r.Rows != "units":
		return doc.Fault("responses.rows", "it is %q, images or units is needed", r.Rows).
			Remedy("images: a row a picture; units: a row a unit")
	case r.ZScore != "none" && d.Images.List == "":
		return doc.Fault("responses.zscore", "sessions are a column of images.list, which is not given").
			Remedy("give the list, or write `zscore: none`")
	}
	return formIsRead(doc, "responses.file", r.File, ".npy", ".parquet")
}

func (d *description) checkCeiling(doc *strictyaml.Doc) error {
	c := &d.Ceiling
	switch {
	case !doc.Has("ceiling"):
		return nil
	case (c.File == "") == (c.Trials == ""):
		return doc.Fault("ceiling", "one of file and trials is needed").Remedy("leave `ceiling` out to take it from repeated pictures")
	case c.Trials != "" && doc.Has("ceiling.kind"), c.Trials != "" && doc.Has("ceiling.repeats"):
		return doc.Fault("ceiling", "kind and repeats belong to file, not to trials")
	case c.File != "" && doc.Has("ceiling.missing"):
		return doc.Fault("ceiling.missing", "it belongs to trials, not to file")
	case !slices.Contains([]string{"fraction", "percent", "ncsnr"}, c.Kind):
		return doc.Fault("ceiling.kind", "it is %q, fraction, percent or ncsnr is needed", c.Kind)
	case c.Kind == "ncsnr" && c.Repeats < 1:
		return doc.Fault("ceiling.repeats", "with kind ncsnr the number of averaged trials is needed, 1 or more").
			Remedy("write for instance `repeats: 3`")
	case c.Kind != "ncsnr" && doc.Has("ceiling.repeats"):
		return doc.Fault("ceiling.repeats", "it belongs to kind ncsnr, this is %s", c.Kind)
	case c.Trials != "":
		return formIsRead(doc, "ceiling.trials", c.Trials, ".npy")
	}
	return formIsRead(doc, "ceiling.file", c.File, numberForms...)
}

func (d *description) checkPositions(doc *strictyaml.Doc) error {
	if !doc.Has("positions") {
		return nil
	}
	p := &d.Positions
	surface := doc.Has("positions.surface")
	forms := 0
	for _, key := range []string{"positions.surface", "positions.csv", "positions.nifti"} {
		if doc.Has(key) {
			forms++
		}
	}
	switch {
	case forms != 1:
		return doc.Fault("positions", "one of surface, csv and nifti is needed, %d are given", forms).Remedy("leave `positions` out if there are none")
	case doc.Has("positions.mask") && !surface:
		return doc.Fault("positions.mask", "a mask needs a surface")
	case surface && p.Surface.Name == "" && p.Surface.Files == (sidesForm{}):
		return doc.Fault("positions.surface", "a name or files: {lh: …, rh: …} is needed")
	}
	if p.NIfTI != "" {
		return formIsRead(doc, "positions.nifti", p.NIfTI, ".nii", ".nii.gz")
	}
	for key, name := range map[string]string{"positions.mask.lh": p.Mask.LH, "positions.mask.rh": p.Mask.RH} {
		if name != "" {
			if err := formIsRead(doc, key, name, numberForms...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *description) checkROIs(doc *strictyaml.Doc) error {
	for i, r := range d.ROIs {
		key := "rois." + strconv.Itoa(i)
		switch {
		case r.File == "" && r.Name == "":
			return doc.Fault(key, "a file or a name is needed")
		case r.Hemi != "" && r.Hemi != "lh" && r.Hemi != "rh":
			return doc.Fault(key+".hemi", "it is %q, lh or rh is needed", r.Hemi)
		case strings.Contains(r.Family, "/"):
			return doc.Fault(key+".family", "%q may hold no slash, which separates family and name", r.Family)
		case r.Names != nil && !hasForm(r.File, numbersOfRegions...):
			return doc.Fault(key+".names", "names belong to a file of numbers: %s", strings.Join(numbersOfRegions, ", "))
		case r.File != "" && r.Name != "" && !strings.HasSuffix(r.File, ".label"):
			return doc.Fault(key+".name", "only a .label file takes a name, others bring their own")
		}
		if r.File == "" {
			continue
		}
		if err := formIsRead(doc, key+".file", r.File, append([]string{".annot", ".label", ".label.gii", ".csv"}, numbersOfRegions...)...); err != nil {
			return err
		}
		if r.Hemi == "" && !hasForm(r.File, ".npy", ".csv", ".nii", ".nii.gz") {
			return doc.Fault(key, "%s is of one hemisphere, which is not named", r.File).Remedy("add `hemi: lh` or `hemi: rh`")
		}
	}
	return nil
}

func (d *description) checkHierarchy(doc *strictyaml.Doc) error {
	if doc.Has("hierarchy") && len(d.Hierarchy) < 2 {
		return doc.Fault("hierarchy", "it has %d levels, a slope needs 2 or more", len(d.Hierarchy)).Remedy("leave it out if there is no order")
	}
	seen := map[string]bool{}
	for i, l := range d.Hierarchy {
		if seen[l.Name] {
			return doc.Fault("hierarchy."+strconv.Itoa(i), "the level %q stands twice", l.Name)
		}
		seen[l.Name] = true
	}
	return nil
}

// numbersOfRegions are the endings of files of numbers that stand for regions.
var numbersOfRegions = []string{".npy", ".mgz", ".mgh", ".mgh.gz", ".nii", ".nii.gz"}

// inside refuses a path that leaves the subject's folder.
func inside(doc *strictyaml.Doc, key, name string) error {
	if name == "" || fs.ValidPath(path.Clean(name)) && !strings.Contains(name, `\`) {
		return nil
	}
	return doc.Fault(key, "the path %q leaves the subject's folder, or isn't written with slashes", name).
		Remedy("put the file into the folder and write its path from there, with /")
}

// checkPaths looks at the paths that no other check does.
func (d *description) checkPaths(doc *strictyaml.Doc) error {
	p := &d.Positions
	type named struct{ key, name string }
	paths := []named{{"images.folder", d.Images.Folder}, {"images.zip", d.Images.Zip}, {"images.list", d.Images.List}, {"positions.csv", p.CSV}, {"positions.nifti", p.NIfTI}}
	for key, f := range map[string]sidesForm{"files": p.Surface.Files, "white": p.Surface.White, "inflated": p.Surface.Inflated, "flat": p.Surface.Flat, "curv": p.Surface.Curv} {
		for _, side := range cortex.Sides {
			paths = append(paths, named{"positions.surface." + key + "." + side, f.of(side)})
		}
	}
	for _, f := range paths {
		if err := inside(doc, f.key, f.name); err != nil {
			return err
		}
	}
	return nil
}

// formIsRead refuses a file whose ending isn't among those that are read at this place.
func formIsRead(doc *strictyaml.Doc, key, name string, forms ...string) error {
	if err := inside(doc, key, name); err != nil {
		return err
	}
	if hasForm(name, forms...) {
		return nil
	}
	return doc.Fault(key, "%s: here %s is read", name, strings.Join(forms, ", ")).Remedy("save it as .npy with numpy.save")
}

// fileFault puts a fault of a reader into its file.
func fileFault(err error, path string) error {
	e, ok := err.(*fault.Error)
	if !ok {
		return err
	}
	if e.At != "" && e.At != path {
		path += ", " + e.At
	}
	return e.In("%s", path)
}
