package store

import "math"

// vertexRow is Vertex as mapping.parquet has it: the columns and their order are the contract's, and a
// missing number is null.
type vertexRow struct {
	Hemi          string   `parquet:"hemi,dict"`
	Vertex        int32    `parquet:"vertex"`
	ROIs          []string `parquet:"rois,list"`
	X             *float32 `parquet:"x"`
	Y             *float32 `parquet:"y"`
	Z             *float32 `parquet:"z"`
	R2            *float32 `parquet:"r2"`
	R             *float32 `parquet:"r"`
	R2Val         *float32 `parquet:"r2_val"`
	Ceiling       *float32 `parquet:"ceiling"`
	R2Norm        *float32 `parquet:"r2_norm"`
	LayerArgmax   *int32   `parquet:"layer_argmax"`
	LayerExpected *float32 `parquet:"layer_expected"`
	LayerEntropy  *float32 `parquet:"layer_entropy"`
	Depth         *float32 `parquet:"depth"`
	Scale         *float32 `parquet:"scale"`
	LocalShare    *float32 `parquet:"local_share"`
	SpaceX        *float32 `parquet:"space_x"`
	SpaceY        *float32 `parquet:"space_y"`
	EccDeg        *float32 `parquet:"ecc_deg"`
	AngleDeg      *float32 `parquet:"angle_deg"`
	Cluster       *int32   `parquet:"cluster"`
	Fitted        bool     `parquet:"fitted"`
}

// shareRow is a row of layers.parquet.
type shareRow struct {
	Hemi     string   `parquet:"hemi,dict"`
	Vertex   int32    `parquet:"vertex"`
	Layer    int32    `parquet:"layer"`
	Selector *float32 `parquet:"selector"`
	Share    *float32 `parquet:"share"`
	R2       *float32 `parquet:"r2"` // of the layer by itself
	R        *float32 `parquet:"r"`
}

// firstShareRow is a row of layers.parquet as it was written before layers had scores.
type firstShareRow struct {
	Hemi     string   `parquet:"hemi,dict"`
	Vertex   int32    `parquet:"vertex"`
	Layer    int32    `parquet:"layer"`
	Selector *float32 `parquet:"selector"`
	Share    *float32 `parquet:"share"`
}

// tensorRow is a row of weights.parquet.
type tensorRow struct {
	Name  string  `parquet:"name"`
	Shape []int64 `parquet:"shape,list"`
	Data  []byte  `parquet:"data,plain"`
}

// numbers gives the float32 of a Vertex, in the order in which those of a vertexRow are given.
func (v *Vertex) numbers() []*float32 {
	return []*float32{&v.X, &v.Y, &v.Z, &v.R2, &v.R, &v.R2Val, &v.Ceiling, &v.R2Norm, &v.LayerExpected, &v.LayerEntropy,
		&v.Depth, &v.Scale, &v.LocalShare, &v.SpaceX, &v.SpaceY, &v.EccDeg, &v.AngleDeg}
}

func (r *vertexRow) numbers() []**float32 {
	return []**float32{&r.X, &r.Y, &r.Z, &r.R2, &r.R, &r.R2Val, &r.Ceiling, &r.R2Norm, &r.LayerExpected, &r.LayerEntropy,
		&r.Depth, &r.Scale, &r.LocalShare, &r.SpaceX, &r.SpaceY, &r.EccDeg, &r.AngleDeg}
}

func (v *Vertex) row() vertexRow {
	r := vertexRow{Hemi: v.Hemi, Vertex: v.Vertex, ROIs: v.ROIs, Fitted: v.Fitted,
		LayerArgmax: orNull(&v.LayerArgmax, v.LayerArgmax >= 0), Cluster: orNull(&v.Cluster, v.Cluster >= 0)}
	from := v.numbers()
	for i, to := range r.numbers() {
		*to = present(from[i])
	}
	return r
}

func (r *vertexRow) vertex() Vertex {
	v := NewVertex(r.Hemi, r.Vertex)
	v.ROIs, v.Fitted = r.ROIs, r.Fitted
	if r.LayerArgmax != nil {
		v.LayerArgmax = *r.LayerArgmax
	}
	if r.Cluster != nil {
		v.Cluster = *r.Cluster
	}
	from := r.numbers()
	for i, to := range v.numbers() {
		if *from[i] != nil {
			*to = **from[i]
		}
	}
	return v
}

// present is x, or nil where it is NaN.
func present(x *float32) *float32 { return orNull(x, !math.IsNaN(float64(*x))) }

func orNull[T any](x *T, present bool) *T {
	if !present {
		return nil
	}
	return x
}
