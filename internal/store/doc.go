// Package store is every file that one stage leaves for another: features, mappings, and what says how they
// were made. This comment is the formats' specification.
//
// All files are written by durable, whole or not at all. In a folder, what is referred to comes before what
// refers to it, and the file that says "this is finished" last: manifest.json of a feature store, fit.json of a
// mapping. Folders are named by people's words and found by their Key. Parquet files are readable by anything
// that reads Parquet; blobs are little-endian and row-major.
//
// # Feature store, one a (network, image set)
//
//	features/MODEL-IMAGESET-KEY/
//	  layers.json                          the ordered layers (Layer)
//	  layer=03-NAME/part-00000.parquet     part after part, numbered without a gap
//	  manifest.json                        what made it (Manifest)
//
// A part holds some rows (images) of one layer; every layer has the same images in the same order, with
// ascending index, though its parts may be cut elsewhere. Columns, none of which may be null:
//
//	image    FIXED_LEN_BYTE_ARRAY(32)  SHA-256 of the picture (contract: of the encoded file, of the RGB bytes
//	                                   where there is no file, or of a picture's digest and a window)
//	index    INT64                     position in the image set
//	tokens   BYTE_ARRAY                float16 [T, D]: T−1 local tokens of the fit grid, row-major from the top
//	                                   left, then the global token; T = 65 at fit grid 8. Always T·D·2 bytes
//
// Where principal components are kept, D is K of them at most, and the folder of a layer that is wider holds what its
// tokens x were projected on, y = (x − mean)·axesᵀ, local tokens and the global one apart, fitted on training pictures:
//
//	components.npy   float32 [2(1+K), D]: mean and K axes of local tokens, largest variance first, then those of the global one
//
// Key-value metadata: cortexmap.shape "T,D", .dtype "float16", .layer, .index (of the layer), .model_sha256,
// .key (of the store), .version, and of native grids .grid "H,W" (T = H·W + 1).
//
// Written with plain encoding, one row a page, row groups of 256, offset index, checksums, no statistics of
// tokens, and no compression by default (snappy and zstd are settings). A row of an uncompressed part is then
// one read of known length: the page's last T·D·2 bytes, after the 4 bytes of its length, which are compared
// with the shape; Read does that without a Parquet library in between. Parts that are compressed, or laid out
// otherwise by another program, are read through parquet-go. Checksums are compared by Verify only.
//
// In Python:
//
//	import numpy as np, pandas as pd                       # or polars.read_parquet, duckdb
//	d = pd.read_parquet("layer=03-NAME/part-00000.parquet")
//	x = np.stack([np.frombuffer(b, np.float16).reshape(65, -1) for b in d.tokens]).astype(np.float32)
//
// # Mapping, one a (network, subject, protocol, seed)
//
//	mappings/MODEL/SUBJECT/PROTOCOL-seedS-KEY/
//	  mapping.parquet      a row a vertex, in the responses' order
//	  layers.parquet       a row a (vertex, layer), vertices as above, layers 0..L−1 within each
//	  weights.parquet      a row a tensor
//	  predictions.parquet  a row a fitted vertex: responses predicted for the test images (Predictions)
//	  truth.parquet        what was planted, of a simulated subject whose generator is this network; else absent
//	  fit.json             settings, split, curves, scores, warnings (FitInfo)
//
// mapping.parquet: hemi (text: lh, rh, or empty), vertex (INT32), rois (list of text, FAMILY/NAME), then FLOAT
// that may be null: x, y, z, r2, r, r2_val, ceiling, r2_norm, then layer_argmax (INT32, may be null), FLOAT
// layer_expected, layer_entropy, depth, scale, local_share, space_x, space_y, ecc_deg, angle_deg, then cluster
// (INT32, may be null) and fitted (BOOLEAN). Meanings, units and ranges: Vertex. What is missing is null in
// files; in memory it is NaN, and −1 of the two integers. cluster is always null here: clusters are found by the analysis,
// which writes them into vertices.parquet among its results and leaves finished mappings as they are.
//
// layers.parquet: hemi, vertex, layer (INT32), r2 and r on test images of each layer fitted by itself (FLOAT, null but for
// ridge regressions of layers), selector and share (FLOAT, null where not fitted; all null where
// a method has none). Metadata cortexmap.layers is L.
//
// weights.parquet: name, shape (list of INT64), data (float32). Metadata cortexmap.readout: sum, mean or empty.
// With l the layer's index, V the fitted vertices in mapping.parquet's order, C the channels:
//
//	local.l.weight [C, D_l], local.l.centre [D_l]      bottleneck of local tokens; the centre is subtracted first
//	global.l.weight, global.l.centre                   of the global token
//	space.0.weight [128, 192], space.0.bias [128], space.1.weight [128, 128], space.1.bias [128], space.2.weight [2, 128]
//	layer.*, scale.*                                   alike, with [L, 128] and [1, 128]
//	position.low [3], position.range [1]               of the position code
//	readout.weight [V, C], readout.bias [V]
//	space.free [V, 2], layer.free [V, L], scale.free [V]   without topology, instead of the networks
//	joint.free [V, 65, L], joint.*                     without factorisation, instead of all three: each vertex's distribution
//	                                                   over the 64 local tokens, row by row, and the global one, of
//	                                                   every layer; the network as above, with [65·L, 128]
//
// predictions.parquet: hemi, vertex, offset and scale (FLOAT), predicted (float16 [N]), N the test images in the order
// of fit.json's split.test, metadata cortexmap.images; the response predicted is offset + scale · predicted, in the unit
// of the subject's responses. Absent where nothing was predicted (weights published for the paper).
//
// truth.parquet: depth, x, y, global, sigma, ceiling (DOUBLE), a row a vertex as above; metadata
// cortexmap.generator and .layers. fit.json and manifest.json hold null where a number is not finite.
//
// In Python:
//
//	import numpy as np, pandas as pd
//	v = pd.read_parquet("mapping.parquet"); w = pd.read_parquet("weights.parquet").set_index("name")
//	r = np.frombuffer(w.data["readout.weight"], np.float32).reshape(w["shape"]["readout.weight"])
//
// # Matrix
//
// Responses of a simulated subject: .npy version 1.0, '<f4', row-major, [images, units]. numpy.load reads it.
//
// # Versions
//
// Every file carries the number of its format: cortexmap.version in Parquet, "format" in JSON. A reader takes
// its own version and all older ones; a newer one is a fault that says so. testdata/v1 holds files of each
// version, read by the tests of all later ones.
//
//	1   the first
package store

// Version is the number of the format written here.
const Version = 1
