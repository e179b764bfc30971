package subjecttest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cortexmap/internal/neuroio/mgh"
	"cortexmap/internal/neuroio/neuroiotest"
)

// NSD is one subject of a tree of the Natural Scenes Dataset with few pictures, trials and vertices, and true
// layout, names, types of numbers and traps: ids that count from 1 in the design and from 0 in the brick and the
// table of pictures, one to three and more trials a picture, means and scales that change from session to session,
// vertices without numbers in one session or in one trial, masks of -1, 0 and 1, regions on the subject's own
// surface, one of which it lacks, and quoted commas in the table.
type NSD struct {
	Subject          int
	Sessions, Trials int     // trials a session
	Brick            int     // pictures of the brick
	LH, RH           []int32 // vertices of nsdgeneral, ascending; others are 0 in all trials
	Lacking          bool    // the third vertex of lh and the second of rh lack numbers
	HDF5             bool    // the second session is HDF5, 300 times percent, instead of MGH
}

// Name is subjNN.
func (n NSD) Name() string { return fmt.Sprintf("subj%02d", n.Subject) }

// shared is the number of pictures, the first of the brick's even ones, that everybody saw.
const shared = 10

// Shown is the row of the brick, from 0, that each trial showed. Every tenth trial shows a new shared picture while
// there are any; a third shows an earlier one again.
func (n NSD) Shown() []int {
	rng := rand.New(rand.NewPCG(5, uint64(n.Subject)))
	order := rng.Perm(n.Brick)
	isShared := func(row int) bool { return row%2 == 0 && row/2 < shared }
	var fresh, ours, out []int
	for _, row := range order {
		if isShared(row) {
			ours = append(ours, row)
		} else {
			fresh = append(fresh, row)
		}
	}
	for t := range n.Sessions * n.Trials {
		switch {
		case t%10 == 3 && len(ours) > 0:
			out, ours = append(out, ours[0]), ours[1:]
		case t%3 == 2 || len(fresh) == 0:
			out = append(out, out[rng.IntN(len(out))])
		default:
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
	}
	return out
}

// Beta is a response in percent signal change, a whole number of 300ths of it.
func (n NSD) Beta(trial int, side string, vertex int32) float32 {
	session := trial / n.Trials
	if n.Lacking && (side == "lh" && vertex == n.LH[2] && session == 2 || side == "rh" && vertex == n.RH[1] && trial == 2*n.Trials) {
		return float32(math.NaN())
	}
	light := light(rand.New(rand.NewPCG(11, uint64(n.Shown()[trial]))))
	rng := rand.New(rand.NewPCG(uint64(trial)+1000, uint64(vertex)<<1|uint64(side[0]&1)))
	z := light[vertex%4] + 0.2*rng.NormFloat64()
	return float32(math.Round(300*(float64(session%3)-1+(1+0.5*float64(session%2))*z))) / 300
}

// NSDNCSNR is a vertex's signal over noise.
func NSDNCSNR(vertex int32) float32 { return float32(vertex%64) / 32 }

// ownVertices is the number of vertices of the subject's own surface.
const ownVertices = 5000

// own is the vertex of the subject's own surface that is nearest to one of fsaverage.
func own(vertex int32) int32 { return vertex % ownVertices }

// NSDLabel is the label of a vertex of fsaverage in a family.
func NSDLabel(family int, vertex int32) int {
	if Families[family].Name == "streams" {
		return Label(family, vertex) // a map of fsaverage
	}
	return Label(family, own(vertex))
}

// PictureName is a picture's name in NSD's tree.
func PictureName(row int) string { return fmt.Sprintf("nsd-%05d", row) }

// Write fills dir, which is made; a second subject may be written into the same.
func (n NSD) Write(dir string) error {
	if err := write(dir, n.files()); err != nil {
		return err
	}
	for k, side := range []string{"lh", "rh"} {
		for s := range n.Sessions {
			if err := n.session(filepath.Join(dir, "nsddata_betas/ppdata", n.Name(), "fsaverage/betas_fithrf_GLMdenoise_RR"), side, [][]int32{n.LH, n.RH}[k], s); err != nil {
				return err
			}
		}
	}
	return nil
}

// session writes a session's betas: an MGH file with holes where all is 0, or HDF5.
func (n NSD) session(dir, side string, vertices []int32, s int) error {
	stem := filepath.Join(dir, fmt.Sprintf("%s.betas_session%02d", side, s+1))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if n.HDF5 && s == 1 {
		data := make([]int16, n.Trials*wholeSurface)
		for t := range n.Trials {
			for _, v := range vertices {
				data[t*wholeSurface+int(v)] = int16(math.Round(300 * float64(n.Beta(s*n.Trials+t, side, v))))
			}
		}
		return os.WriteFile(stem+".hdf5", neuroiotest.HDF5(neuroiotest.Array{Name: "betas", Dims: []int{n.Trials, wholeSurface}, Data: data}), 0o666)
	}
	var header bytes.Buffer
	if err := mgh.Write(&header, make([]float32, 1)); err != nil {
		return err
	}
	head := header.Bytes()[:284]
	binary.BigEndian.PutUint32(head[4:], wholeSurface)
	binary.BigEndian.PutUint32(head[16:], uint32(n.Trials))
	f, err := os.Create(stem + ".mgh")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		return err
	}
	if err := f.Truncate(284 + 4*wholeSurface*int64(n.Trials)); err != nil {
		return err
	}
	for t := range n.Trials {
		for _, v := range vertices {
			at := 284 + 4*(int64(t)*wholeSurface+int64(v))
			if _, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, math.Float32bits(n.Beta(s*n.Trials+t, side, v))), at); err != nil {
				return err
			}
		}
	}
	return f.Close()
}

// files are all but the betas.
func (n NSD) files() map[string][]byte {
	const experiment, labels = "nsddata/experiments/nsd/", "nsddata/freesurfer/"
	files := map[string][]byte{
		experiment + "nsd_expdesign.mat":               n.design(),
		experiment + "nsd_stim_info_merged.csv":        n.info(),
		"nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5": n.brick(),
		labels + "fsaverage/label/nsdgeneral.mgz.ctab": []byte("0 Unknown\n1 nsdgeneral\n"),
		labels + "fsaverage/label/streams.mgz.ctab":    ctab(5),
	}
	for k, side := range []string{"lh", "rh"} {
		general, streams, transform := make([]int32, wholeSurface), make([]int32, wholeSurface), make([]int32, wholeSurface)
		ncsnr := make([]float32, wholeSurface)
		for v := range int32(wholeSurface) {
			general[v] = -(v % 2) // -1: not cortex
			streams[v], transform[v], ncsnr[v] = int32(Label(5, v)), own(v)+1, NSDNCSNR(v)
		}
		for _, v := range [][]int32{n.LH, n.RH}[k] {
			general[v] = 1
		}
		files[labels+"fsaverage/label/"+side+".nsdgeneral.mgz"] = mgz(general)
		files[labels+"fsaverage/label/"+side+".streams.mgz"] = mgz(streams)
		files["nsddata/ppdata/"+n.Name()+"/transforms/"+side+".white-to-fsaverage.mgz"] = mgz(transform)
		files["nsddata_betas/ppdata/"+n.Name()+"/fsaverage/betas_fithrf_GLMdenoise_RR/"+side+".ncsnr.mgh"] = mghOf(ncsnr)
		for f, family := range Families {
			if family.Name == "streams" {
				continue
			}
			label := make([]int32, ownVertices)
			for o := range label {
				if label[o] = int32(Label(f, int32(o))); label[o] == 0 && o%2 == 1 {
					label[o] = -1
				}
			}
			at := labels + n.Name() + "/label/"
			files[at+side+"."+family.Name+".mgz"] = mgz(label)
			files[at+family.Name+".mgz.ctab"] = ctab(f)
		}
	}
	return files
}

func mgz(data []int32) []byte {
	var b bytes.Buffer
	if err := mgh.WriteZ(&b, data); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func mghOf(data []float32) []byte {
	var b bytes.Buffer
	if err := mgh.Write(&b, data); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// ctab is a family's names as NSD writes them.
func ctab(family int) []byte {
	var b bytes.Buffer
	b.WriteString("0 Unknown\n")
	for i, name := range Families[family].Labels {
		fmt.Fprintf(&b, "%d %s\n", i+1, name)
	}
	return b.Bytes()
}

// design is nsd_expdesign.mat in its true size; what wasn't shown here is filled up with the last picture.
func (n NSD) design() []byte {
	const most, columns = 30000, 10000
	shown := n.Shown()
	column := map[int]int{}
	var pictures []int
	order := make([]float64, most)
	for t := range order {
		row := shown[min(t, len(shown)-1)]
		if _, ok := column[row]; !ok {
			column[row] = len(pictures)
			pictures = append(pictures, row)
		}
		order[t] = float64(column[row] + 1)
	}
	im := make([]float64, 8*columns)
	for c := range columns {
		for s := range 8 {
			row := pictures[min(c, len(pictures)-1)]
			if s != n.Subject-1 {
				row = (row + 1) % n.Brick // the others saw others
			}
			im[8*c+s] = float64(row + 1)
		}
	}
	ours := make([]float64, shared)
	for i := range ours {
		ours[i] = float64(2*i + 1) // rows 0, 2, 4, …
	}
	return neuroiotest.MAT(neuroiotest.Array{Name: "masterordering", Dims: []int{1, most}, Data: order},
		neuroiotest.Array{Name: "sharedix", Dims: []int{1, shared}, Data: ours},
		neuroiotest.Array{Name: "subjectim", Dims: []int{8, columns}, Data: im})
}

// info is nsd_stim_info_merged.csv.
func (n NSD) info() []byte {
	var b strings.Builder
	b.WriteString(",cocoId,cocoSplit,cropBox,loss,nsdId,flagged,BOLD5000,shared1000")
	for s := range 8 {
		fmt.Fprintf(&b, ",subject%d", s+1)
	}
	for s := range 8 {
		fmt.Fprintf(&b, ",subject%d_rep0,subject%d_rep1,subject%d_rep2", s+1, s+1, s+1)
	}
	b.WriteByte('\n')
	trials := map[int][]int{}
	for t, row := range n.Shown() {
		trials[row] = append(trials[row], t+1)
	}
	for row := range n.Brick {
		fmt.Fprintf(&b, "%d,%d,train2017,\"(0, 0, 0.1, 0.1)\",0.2,%d,False,False,%v", row, 1000+row, row, row%2 == 0 && row/2 < shared)
		for s := range 8 {
			fmt.Fprintf(&b, ",%d", btoi(s == n.Subject-1 && trials[row] != nil))
		}
		for s := range 8 {
			for k := range 3 {
				trial := 0
				if s == n.Subject-1 && k < len(trials[row]) {
					trial = trials[row][k]
				}
				fmt.Fprintf(&b, ",%d", trial)
			}
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// brick is nsd_stimuli.hdf5.
func (n NSD) brick() []byte {
	data := make([]uint8, 0, n.Brick*side*side*3)
	for row := range n.Brick {
		data = append(data, pixels(row)...)
	}
	return neuroiotest.HDF5(neuroiotest.Array{Name: "imgBrick", Dims: []int{n.Brick, side, side, 3}, Data: data})
}

// pixels are a picture's RGB bytes.
func pixels(row int) []byte {
	img, _ := picture(rand.New(rand.NewPCG(11, uint64(row))))
	out := make([]byte, 0, side*side*3)
	for i := 0; i < len(img.Pix); i += 4 {
		out = append(out, img.Pix[i:i+3]...)
	}
	return out
}

// Recipe is the challenge's preparation of this subject (neuro.md 2.1), the plain form of what is read from NSD's
// tree session by session: all trials in memory, in float64.
type Recipe struct {
	Train, Test []int       // rows of the brick
	Kept        [2][]int32  // vertices of lh and rh
	TrainData   [][]float64 // a row a picture of Train; lh, then rh
	TestData    [][]float64
	TestRepeats []int
}

// Recipe prepares all trials; with the last three sessions withheld if split is set, else every trial counts.
func (n NSD) Recipe(split bool) *Recipe {
	shown := n.Shown()
	before := len(shown)
	if split {
		before -= 3 * n.Trials
	}
	r := &Recipe{}
	train, times := map[int]bool{}, map[int]int{}
	for _, row := range shown[:before] {
		train[row] = true
	}
	for _, row := range shown[before:] {
		times[row]++
	}
	r.Train = slices.Sorted(maps.Keys(train))
	complete := slices.Contains([]int{1, 2, 5, 7}, n.Subject)
	for _, row := range slices.Sorted(maps.Keys(times)) {
		if isShared := row%2 == 0 && row/2 < shared; !train[row] && (!isShared || complete && times[row] == 3) {
			r.Test = append(r.Test, row)
			r.TestRepeats = append(r.TestRepeats, times[row])
		}
	}
	var z [][]float64 // a row a kept vertex
	for k, side := range []string{"lh", "rh"} {
		for _, v := range [][]int32{n.LH, n.RH}[k] {
			if scores, ok := n.scores(side, v); ok {
				r.Kept[k], z = append(r.Kept[k], v), append(z, scores)
			}
		}
	}
	mean := func(row int, trials []int) []float64 {
		out := make([]float64, len(z))
		for u := range z {
			k := 0.0
			for t, other := range trials {
				if other == row {
					out[u], k = out[u]+z[u][t], k+1
				}
			}
			out[u] /= k
		}
		return out
	}
	for _, row := range r.Train {
		r.TrainData = append(r.TrainData, mean(row, shown[:before]))
	}
	for _, row := range r.Test {
		r.TestData = append(r.TestData, mean(row, shown))
	}
	return r
}

// scores are a vertex's trials, z-scored within each session; false if one has no number.
func (n NSD) scores(side string, v int32) ([]float64, bool) {
	var all []float64
	for s := range n.Sessions {
		x := make([]float64, n.Trials)
		mean, squares := 0.0, 0.0
		for t := range x {
			x[t] = float64(n.Beta(s*n.Trials+t, side, v))
			mean += x[t] / float64(n.Trials)
		}
		for _, y := range x {
			squares += (y - mean) * (y - mean) / float64(n.Trials)
		}
		for t := range x {
			x[t] = (x[t] - mean) / math.Sqrt(squares)
		}
		all = append(all, x...)
	}
	return all, !slices.ContainsFunc(all, math.IsNaN)
}

// WriteAlgonauts fills dir with what the challenge would have made of this subject, the test split's responses included.
func (n NSD) WriteAlgonauts(dir string) error {
	r := n.Recipe(true)
	files := map[string][]byte{}
	for i, row := range r.Train {
		files[fmt.Sprintf("training_split/training_images/train-%04d_nsd-%05d.png", i+1, row)] = encoded(row)
	}
	for i, row := range r.Test {
		files[fmt.Sprintf("test_split/test_images/test-%04d_nsd-%05d.png", i+1, row)] = encoded(row)
	}
	q := 0.0
	for _, k := range r.TestRepeats {
		q += 1 / float64(k) / float64(len(r.TestRepeats))
	}
	from := 0
	for k, side := range []string{"lh", "rh"} {
		kept := r.Kept[k]
		part := func(rows [][]float64) []byte {
			var data []float32
			for _, row := range rows {
				for _, x := range row[from:][:len(kept)] {
					data = append(data, float32(x))
				}
			}
			return array(data, len(rows), len(kept))
		}
		files["training_split/training_fmri/"+side+"_training_fmri.npy"] = part(r.TrainData)
		files["test_split/test_fmri/"+side+"_test_fmri.npy"] = part(r.TestData)
		from += len(kept)
		mask, ceiling := make([]int64, wholeSurface), make([]float64, len(kept))
		for j, v := range kept {
			mask[v] = 1 + int64(j%5)/4
			x := float64(NSDNCSNR(v))
			ceiling[j] = x * x / (x*x + q)
		}
		files["test_split/noise_ceiling/"+side+"_noise_ceiling.npy"] = array(ceiling, len(ceiling))
		files["roi_masks/"+side+".all-vertices_fsaverage_space.npy"] = array(mask, wholeSurface)
		for f, family := range Families {
			whole, own := make([]int64, wholeSurface), make([]int64, len(kept))
			for j, v := range kept {
				own[j] = int64(NSDLabel(f, v))
				whole[v] = own[j]
			}
			at := "roi_masks/" + side + "." + family.Name
			files[at+"_fsaverage_space.npy"], files[at+"_challenge_space.npy"] = array(whole, wholeSurface), array(own, len(own))
		}
	}
	for _, f := range Families {
		names := map[int]string{0: "Unknown"}
		for l, name := range f.Labels {
			names[l+1] = name
		}
		files["roi_masks/mapping_"+f.Name+".npy"] = neuroiotest.Mapping(names)
	}
	return write(dir, files)
}

func encoded(row int) []byte {
	img, _ := picture(rand.New(rand.NewPCG(11, uint64(row))))
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}
