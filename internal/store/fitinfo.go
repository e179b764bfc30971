package store

import (
	"encoding/json"
	"math"
)

// FitInfo is fit.json: how a mapping came about.
type FitInfo struct {
	Format      int                `json:"format"`
	Key         string             `json:"key"`
	FeaturesKey string             `json:"features_key,omitempty"` // of the feature store it was fitted to
	Model       string             `json:"model"`                  // the network's name
	Network     ModelRef           `json:"network"`
	Subject     string             `json:"subject"`
	SubjectKind string             `json:"subject_kind,omitempty"` // simulated, plain, …
	Licence     string             `json:"licence,omitempty"`      // of the subject's data, repeated by the report
	Attribution string             `json:"attribution,omitempty"`
	Protocol    string             `json:"protocol"` // sound or paper
	Method      string             `json:"method"`   // factortopy or ridge
	Ablation    string             `json:"ablation,omitempty"`
	Refit       string             `json:"refit,omitempty"` // not a mapping of its own: "half-sample 2", "shuffled", "random weights"
	Family      string             `json:"family,omitempty"`
	Seed        int                `json:"seed"`
	Swept       string             `json:"swept,omitempty"`     // what a sweep set for it: "fit.images=500"; for people
	Simulated   bool               `json:"simulated"`           // the responses are
	Generator   string             `json:"generator,omitempty"` // network that generated simulated responses
	Surface     string             `json:"surface,omitempty"`   // the space of vertex, e.g. fsaverage5
	Degrees     *float64           `json:"stimulus_degrees,omitempty"`
	Readout     string             `json:"readout,omitempty"` // how selected channels become a response: sum or mean
	Regions     []Region           `json:"regions,omitempty"` // of the subject, in the order in which tables show them
	Layers      []Layer            `json:"layers"`
	Parameters  int64              `json:"parameters"` // fitted numbers
	Settings    any                `json:"settings"`
	Images      int                `json:"images"` // used for training
	Split       Split              `json:"split"`
	Flat        *Flat              `json:"flat,omitempty"` // nil: every unit varies on every side
	Curve       []CurvePoint       `json:"curve,omitempty"`
	Scores      Scores             `json:"scores,omitempty"`
	LayerScores []LayerScore       `json:"layer_scores,omitempty"`
	Warnings    []Warning          `json:"warnings,omitempty"`
	Seconds     map[string]float64 `json:"seconds,omitempty"` // of phases
	Parts       map[string]float64 `json:"parts,omitempty"`   // seconds of the descent's parts
	Waited      float64            `json:"waited,omitempty"`  // part of the time that reading tokens was waited for
	Provider    string             `json:"provider,omitempty"`
	Library     string             `json:"library,omitempty"`
	Threads     int                `json:"threads,omitempty"`
	Version     string             `json:"version,omitempty"`
}

// Region is where a region of a subject comes from.
type Region struct {
	Name    string   `json:"name"`             // FAMILY/NAME
	Source  string   `json:"source,omitempty"` // "" if nobody said
	Parts   []string `json:"parts,omitempty"`  // the regions that it is put together from
	Units   int      `json:"units"`
	Outside int      `json:"outside"` // vertices that its file names and the subject has no units at
}

// Split holds the images' digests, 64 hex digits each, of each side.
type Split struct {
	Train []string `json:"train"`
	Val   []string `json:"val"`
	Test  []string `json:"test"`
}

// Flat names the units whose responses don't vary, or are missing, over the images of a side: hemisphere and vertex
// ("lh 1234"), or "unit 7". Over the training images (or without a place): not fitted. Over the others: no score there.
type Flat struct {
	Train []string `json:"train,omitempty"`
	Val   []string `json:"val,omitempty"`
	Test  []string `json:"test,omitempty"`
}

// CurvePoint is one point of a learning curve; NaN where a number was not computed.
type CurvePoint struct {
	Images int     // training images seen so far
	Loss   float64 // mean since the point before
	R2Val  float64 // mean over vertices, on validation images
}

type curveJSON struct {
	Images int      `json:"images"`
	Loss   *float64 `json:"loss"`
	R2Val  *float64 `json:"r2_val"`
}

// MarshalJSON writes NaN as null, which is the only word JSON has for it.
func (p CurvePoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(curveJSON{p.Images, finite(p.Loss), finite(p.R2Val)})
}

// UnmarshalJSON reads null as NaN.
func (p *CurvePoint) UnmarshalJSON(data []byte) error {
	var c curveJSON
	err := json.Unmarshal(data, &c)
	*p = CurvePoint{c.Images, orNaN(c.Loss), orNaN(c.R2Val)}
	return err
}

// Scores are named numbers, e.g. r2_mean; in JSON, NaN is null.
type Scores map[string]float64

// MarshalJSON writes NaN and infinities as null.
func (s Scores) MarshalJSON() ([]byte, error) {
	m := make(map[string]*float64, len(s))
	for name, x := range s {
		m[name] = finite(x)
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads null as NaN.
func (s *Scores) UnmarshalJSON(data []byte) error {
	var m map[string]*float64
	if err := json.Unmarshal(data, &m); err != nil || m == nil {
		return err
	}
	*s = make(Scores, len(m))
	for name, x := range m {
		(*s)[name] = orNaN(x)
	}
	return nil
}

// LayerScore is how well one layer alone predicts the responses (a ridge regression of that layer's tokens).
type LayerScore struct {
	Layer  int    `json:"layer"`
	Scores Scores `json:"scores"` // r_median, r2_mean, r_shuffled, …
}

func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func orNaN(x *float64) float64 {
	if x == nil {
		return math.NaN()
	}
	return *x
}
