// Package models knows what a network wants to be shown: size, crop, kernel, statistics, colour order, layout.
//
// # Why it matters
//
// A network gets numbers, not pictures, and every family was trained with its own way from one to the other.
// With another family's statistics a network still runs; it only sees everything paler, shifted or in wrong
// colours, and its features are quietly worse (EfficientNet-Lite0 drops from 88.0 to 79.5 % of its pictures
// with ImageNet's statistics). Nothing in an .onnx file must say how, so it is looked up, and every field of a
// Card records where it came from.
//
// # Where a field comes from
//
// From the first of these that says something:
//
//  1. the graph, for the size and layout of an input whose dimensions are fixed, and for a uint8 input, which takes
//     the pixels themselves
//  2. the card file that the user names (`card:` of the network)
//  3. MODEL.yaml beside MODEL.onnx
//  4. the file's own metadata: keys input.mean, input.std, input.scale, input.layout, input.size
//  5. preprocessor_config.json (Hugging Face) or config.json with a pretrained_cfg (timm) in the file's folder, or in
//     the one above if that is called onnx
//  6. a preset (cards/*.yaml), recognised by the file's name
//  7. a guess: ImageNet's statistics on the centre of the picture, with the warning guess-preprocessing
//
// Mean, std, scale and colour order only make sense together, so they are taken from one source as a whole; and a
// source that says squash or pad without crop means the whole picture. A card may say `base: PRESET` and give only
// what is different.
//
// # The card file
//
//	name: clip-b16             # every key is optional
//	family: clip
//	licence: MIT               # of the weights
//	origin: https://…          # where they come from
//	base: clip                 # a preset that fills in what is not said here
//	size: 224                  # input height, and width unless width is given
//	resize: crop               # squash | crop | pad
//	crop: 0.875                # part of the resized side that is kept, or
//	border: 32                 # pixels: the resized side is size + border
//	kernel: bicubic            # bilinear | bicubic | lanczos | nearest
//	scale: 255                 # the pixel value that counts as 1.0: 255, or 1 for networks that take 0…255
//	mean: [0.485, 0.456, 0.406]    # after scaling, in the order of the input's channels
//	std: [0.229, 0.224, 0.225]
//	order: RGB                 # RGB | BGR
//	layout: NCHW               # NCHW | NHWC
//	inputs: {timestep: [1]}    # constants for other inputs
//	layers: [blocks.*]         # what to map by default, as extract.layers
//
// Presets have match as well: an RE2 expression for the lower-case file name without its ending. Of several presets
// that match, the longest match wins; one that knows an architecture rather than a training says `last: true` and is
// asked only if no other matches (a clip_resnet50 is a CLIP).
package models
