// Package encoder makes one .onnx of a network and what was fitted to it, from prepared pixels to a brain's
// responses, and predicts with it.
//
//	NAME.onnx        the network down to its layers, the taps, and (5) and (7) of package fit
//	NAME.yaml        its card: how a picture becomes its input
//	NAME.units.csv   a row an output column: hemi, vertex, rois, and the scores on the fit's test images
//
// A run's folder has all that is needed but the network itself, which is known by its digest. The encoder's
// last part is checked before anything is written: on test images' stored tokens it must predict what plain
// loops over the mapping's weights do.
package encoder
