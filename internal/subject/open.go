package subject

import (
	"context"
	"io"
	"io/fs"
	"path/filepath"

	"cortexmap/internal/fault"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/strictyaml"
)

// Options of Open.
type Options struct {
	Demo    fs.FS // the demo folder, for subjects on fsaverage5; nil: they are refused
	Workers int   // goroutines that digest pictures; 0: GOMAXPROCS

	Subject  string // which one of an NSD tree, subj01 to subj08; "": the only one
	Sessions string // of an NSD tree: all (or ""), challenge, or how many of the first (type nsd)
	Mask     string // a folder or a stem of lh.* and rh.* files: only these vertices; "": every one that the data set has
	Ceiling  string // likewise: noise ceilings as fractions, or ncsnr where the files' name says so; "": the data set's own
	ROIs     string // a set of regions (paper), a family's name, or a .yaml file (type roiChoice); "": the data set's own
}

// Open reads a subject's folder, recognised by its content: a plain one (contract.md section 7), one of the
// Algonauts 2023 challenge (type challenge) or NSD's tree (type nsd); the package comment says how. The subject keeps files open: Close it.
func Open(ctx context.Context, path string, o Options) (*Subject, error) {
	b, err := newBuilder(path, o)
	if err != nil {
		return nil, err
	}
	for _, st := range b.steps {
		if err := st.do(ctx); err != nil {
			b.abandon()
			return nil, troubles("", err)[0].err
		}
	}
	b.s.Digest = b.s.digest()
	return b.s, ctx.Err()
}

// newBuilder opens the folder and knows what it is; abandon it, unless all steps succeed.
func newBuilder(path string, o Options) (*builder, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	b := &builder{folder: f, options: o, s: &Subject{close: []func() error{f.root.Close}}}
	b.s.Kind = f.kind
	switch {
	case f.kind != "nsd" && (o.Subject != "" || o.Sessions != ""):
		f.root.Close()
		return nil, fault.Inputf("subject and sessions choose from an NSD tree, and %s is none", path).Remedy("leave them out")
	case f.kind == "nsd":
		n := &nsd{builder: b}
		b.steps, b.inspect = n.steps(), n.inspect
	case f.kind == "algonauts":
		b.steps = (&challenge{builder: b}).steps()
	default:
		b.steps = b.plain()
	}
	return b, nil
}

// builder fills a subject from its folder, one step after the other.
type builder struct {
	*folder
	options Options
	steps   []step
	doc     *strictyaml.Doc
	d       *description
	s       *Subject
	set     *stimuli.Set   // a stimulus a row of the list, repeats included
	place   []int          // of each row in s.Images
	grid    *grid          // the volume of a subject of voxels; else nil
	inspect func(*checker) // what Check says of this kind of folder alone; nil: nothing
	opened  recording      // the responses of a plain folder, until their values were read
}

// step reads one part of a subject. Check goes on after a step that failed, without those that need it.
type step struct {
	id    string
	needs []string
	do    func(context.Context) error
}

func (b *builder) plain() []step {
	always := func(do func() error) func(context.Context) error {
		return func(context.Context) error { return do() }
	}
	// what only responses have
	recorded := func(do func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if b.d.RDMs != nil {
				return nil
			}
			return do(ctx)
		}
	}
	return []step{
		{"description", nil, always(b.describe)},
		{"pictures", []string{"description"}, b.images},
		{"rdms", []string{"pictures"}, b.readRDMs},
		{"responses", []string{"pictures"}, recorded(always(b.openResponses))},
		{"positions", []string{"responses"}, recorded(always(b.positions))},
		{"values", []string{"responses"}, recorded(b.responses)},
		{"ceiling", []string{"values"}, recorded(b.ceiling)},
		{"regions", []string{"positions"}, recorded(always(b.rois))},
		{"masks", []string{"values", "positions", "ceiling", "regions"}, recorded(always(b.narrow))},
		{"ceiling", []string{"values", "positions"}, recorded(always(b.givenCeiling))},
		{"regions", []string{"regions"}, recorded(always(b.givenROIs))},
		{"hierarchy", []string{"regions"}, recorded(always(b.hierarchy))},
		{"retinotopy", []string{"positions"}, recorded(always(b.retinotopy))},
		{"values", []string{"values"}, recorded(always(b.survey))},
	}
}

// abandon closes what is open.
func (b *builder) abandon() {
	if b.opened != nil {
		b.opened.close()
	}
	b.s.Close()
}

func (b *builder) describe() error {
	data, err := read(b.folder, descriptionName, func(r io.Reader) ([]byte, error) {
		return io.ReadAll(io.LimitReader(r, 1<<21)) // twice what strictyaml takes, so that it says what is too much
	})
	if err != nil {
		return err
	}
	if b.d, b.doc, err = describe(b.folder.place(descriptionName), data); err != nil {
		return err
	}
	s, d := b.s, b.d
	s.Name, s.Simulated, s.Licence, s.Attribution, s.StimulusDegrees = d.Name, d.Simulated, d.Licence, d.Attribution, d.StimulusDegrees
	return nil
}

// images opens the pictures and finds the rows that show one again.
func (b *builder) images(ctx context.Context) error {
	d := b.d.Images
	var rows []stimuli.Row
	var err error
	if d.List != "" {
		rows, err = read(b.folder, d.List, func(r io.Reader) ([]stimuli.Row, error) { return stimuli.ReadList(b.folder.place(d.List), r) })
		if err != nil {
			return err
		}
	}
	if b.set, err = b.openImages(ctx, rows); err != nil {
		return err
	}
	b.s.close = append(b.s.close, b.set.Close)
	b.s.Images, b.place = b.set.Distinct()
	b.s.columns(b.set, b.place)
	return b.splits()
}

func (b *builder) openImages(ctx context.Context, rows []stimuli.Row) (*stimuli.Set, error) {
	d, o := b.d.Images, stimuli.Options{Name: b.d.Name, Workers: b.options.Workers}
	if d.Zip != "" {
		file, err := b.open(d.Zip) // refuses what lies outside
		if err != nil {
			return nil, err
		}
		file.Close()
		return stimuli.Zip(ctx, b.folder.place(d.Zip), rows, o)
	}
	dir := filepath.ToSlash(filepath.Clean(d.Folder))
	if !fs.ValidPath(dir) {
		return nil, b.doc.Fault("images.folder", "the path %q leaves the subject's folder", d.Folder)
	}
	o.Where = b.folder.place(dir)
	if info, err := b.root.Stat(dir); err != nil || !info.IsDir() {
		return nil, b.doc.Fault("images.folder", "%s is no folder inside the subject's", o.Where)
	}
	if rows == nil {
		return stimuli.Folder(ctx, b.root.FS(), dir, o)
	}
	return stimuli.List(ctx, b.root.FS(), dir, rows, o)
}

// columns takes photographs, groups and rows from the list: set has a stimulus a row, place is each one's
// place among the distinct images.
func (s *Subject) columns(set *stimuli.Set, place []int) {
	s.Groups = map[string][]string{}
	s.rows = make([]row, set.Len())
	for i := range set.Stimuli {
		st := &set.Stimuli[i]
		s.rows[i] = row{image: place[i], file: st.Name, photo: st.Photo, columns: st.Columns}
	}
	for n := range s.Images.Stimuli {
		st := &s.Images.Stimuli[n]
		s.Photo = append(s.Photo, st.Photo)
		for column, value := range st.Columns {
			if column == splitColumn {
				continue
			}
			if s.Groups[column] == nil {
				s.Groups[column] = make([]string, s.Images.Len())
			}
			s.Groups[column][n] = value
		}
	}
}

// splitColumn of the list says where a picture belongs.
const splitColumn = "split"

// splits reads the list's column split; rows of one picture must agree.
func (b *builder) splits() error {
	s := b.s
	s.Split = make([]string, s.Images.Len())
	given := make([]int, s.Images.Len()) // the row that said so, from 1
	for i, r := range s.rows {
		switch value := r.columns[splitColumn]; value {
		case "":
		case "train", "val", "test":
			if first := given[r.image]; first != 0 && s.Split[r.image] != value {
				return named("split-contradiction", fault.Inputf("%s is in %s by row %d and in %s by row %d: one picture can't be on two sides", r.file, s.Split[r.image], first, value, i+1).
					In("%s", b.folder.place(b.d.Images.List)))
			}
			s.Split[r.image], given[r.image] = value, i+1
		default:
			return fault.Inputf("split is %q for %s in row %d, train, val, test or nothing is needed", value, r.file, i+1).
				In("%s", b.folder.place(b.d.Images.List))
		}
	}
	return nil
}
