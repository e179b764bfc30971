package store

// WriteMatrix writes data [rows, cols], row-major, as a NumPy .npy file.
func WriteMatrix(path string, rows, cols int, data []float32) error { panic("store: later") }

// ReadMatrix reads what WriteMatrix wrote.
func ReadMatrix(path string) (rows, cols int, data []float32, err error) { panic("store: later") }
