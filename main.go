// Command cortexmap maps vision models (.onnx) onto visual cortex.
package main

func main() {}
