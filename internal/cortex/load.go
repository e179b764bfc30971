package cortex

import "io/fs"

// LoadDemo reads the embedded fsaverage5: geometry/{white,pial,infl,sphere,flat,curv,sulc}_{left,right}.gii.gz.
// fsys is the demo folder itself (what holds geometry/, rois/ and photos/).
func LoadDemo(fsys fs.FS) (*Geometry, error) { panic("cortex: LoadDemo is being written") }

// Labels is a parcellation of one hemisphere.
type Labels struct {
	Names   []string   // of the regions
	Colours [][3]uint8 // of the regions
	Vertex  []int32    // [N] index into Names; -1: none
}

// ReadLabels reads a .annot file of fsys.
func ReadLabels(fsys fs.FS, name string) (*Labels, error) { panic("cortex: being written") }

// Area is a row of the demo's visual_rois.csv.
type Area struct {
	Label, Atlas, Group string
	Level               int // 1..7
}

// VisualAreas reads rois/visual_rois.csv of the demo folder.
func VisualAreas(fsys fs.FS) ([]Area, error) { panic("cortex: being written") }
