package store

import (
	"errors"
	"strconv"

	"cortexmap/internal/durable"

	"github.com/parquet-go/parquet-go"
)

// VerticesName is the file with every mapping's vertices, for analyses of others that need neither tokens nor a
// network: the columns of mapping.parquet behind those that say which mapping it is, then the selector and the
// shares as lists over the layers (empty where a method has none). A row group a mapping.
const VerticesName = "vertices.parquet"

// anyVertex is a row of vertices.parquet.
type anyVertex struct {
	Model     string `parquet:"model,dict"`
	Family    string `parquet:"family,dict"`
	Subject   string `parquet:"subject,dict"`
	Seed      int64  `parquet:"seed"`
	Protocol  string `parquet:"protocol,dict"`
	Method    string `parquet:"method,dict"`
	Settings  string `parquet:"settings,dict"` // what a sweep set
	Simulated bool   `parquet:"simulated"`
	Key       string `parquet:"key,dict"` // of the mapping
	vertexRow
	Selector []float32 `parquet:"selector,list"`
	Share    []float32 `parquet:"share,list"`
}

// VerticesWriter writes vertices.parquet, one mapping after the other.
type VerticesWriter struct {
	path string
	file *durable.File
	w    *parquet.GenericWriter[anyVertex]
}

// CreateVertices begins the file; Abort (a no-op after Commit) gives it up.
func CreateVertices(path string) (*VerticesWriter, error) {
	file, err := durable.Create(path)
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{"cortexmap.version": strconv.Itoa(Version)}
	w := parquet.NewGenericWriter[anyVertex](file, append(writerOptions(metadata), parquet.Compression(&parquet.Zstd))...)
	return &VerticesWriter{path, file, w}, nil
}

// Add writes a mapping's vertices.
func (v *VerticesWriter) Add(m *Mapping) error {
	i, layers := &m.Info, len(m.Info.Layers)
	rows := make([]anyVertex, len(m.Vertices))
	part := func(x []float32, at int) []float32 {
		if x == nil || !m.Vertices[at].Fitted {
			return nil
		}
		return x[at*layers : (at+1)*layers]
	}
	for n := range rows {
		rows[n] = anyVertex{i.Model, i.Family, i.Subject, int64(i.Seed), i.Protocol, i.Method, i.Swept, i.Simulated, i.Key,
			m.Vertices[n].row(), part(m.Selector, n), part(m.Share, n)}
	}
	_, err := v.w.Write(rows)
	return durable.Explain(errors.Join(err, v.w.Flush()), v.path)
}

// Commit ends the file and gives it its name.
func (v *VerticesWriter) Commit() error {
	if err := v.w.Close(); err != nil {
		return durable.Explain(err, v.path)
	}
	return v.file.Commit()
}

// Abort removes what was written unless it was committed.
func (v *VerticesWriter) Abort() { v.file.Abort() }
