package store

// Truth is what was planted in a simulated subject, a number a unit in the responses' order.
type Truth struct {
	Generator string    // the network whose tokens made the responses
	Layers    int       // L, of the generator
	Depth     []float64 // mean layer that the unit reads, in layer indices 0..L-1
	X, Y      []float64 // centre of its receptive field, −1..1 from edge to edge, x right, y down
	Global    []float64 // part of its signal that comes from global tokens, 0..1
	Sigma     []float64 // standard deviation of its receptive field, in half-widths of the image
	Ceiling   []float64 // explainable fraction of the test responses' variance, 0..1
}

// Write puts the truth under path.
func (t *Truth) Write(path string) error { panic("store: later") }

// ReadTruth reads what Write wrote.
func ReadTruth(path string) (*Truth, error) { panic("store: later") }
