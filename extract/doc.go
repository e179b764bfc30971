// Package extract makes features of pictures: an .onnx file and an image set in, a feature store out.
//
//	net, err := extract.OpenNetwork(ctx, rt, "clip.onnx", extract.NetworkOptions{})   // find, probe, understand
//	manifest, err := extract.Run(ctx, rt, net, set, dir, extract.RunOptions{…})       // tap, run, store
//
// # Finding layers
//
// A layer worth mapping is the output of one of the units that a network repeats. They are found in the
// graph alone, whatever its tensors are called ([FindLayers]):
//
//  1. Follow the picture through the graph. What depends on its size only, and other inputs, drop out.
//
//  2. Node a dominates node b if every way from the picture to b passes a. The dominators of a node form a
//     chain, and along a residual network that chain is the residual stream itself: whatever bypasses a
//     unit ends in the sum behind it, and nothing inside the unit is passed by everything.
//
//  3. The chain is taken to the node that has most sums and concatenations of branches on it (an output of
//     the model if one will do), so that decoders with skip connections, auxiliary heads and outputs of
//     hidden states do no harm.
//
//  4. Between two links of the chain lies a segment. One that holds products and ends in a sum or
//     concatenation of branches is a unit. Its output lies behind the activation that follows, or the norm
//     in post-norm networks. A unit that mixes tokens and the channel-only ones behind it are one block
//     (attention and MLP), but for rows in which some units of that kind do without the second (MobileNetV4); so is a
//     group of different units that repeats. A sum of convolutions with nothing bent in between is one
//     convolution (RepVGG's before its branches are folded): it belongs to the unit behind it.
//
//  5. Between blocks lie runs without branches: a linear bottleneck (MobileNet, EfficientNet where the grid
//     or width changes) or a run with activations is a transition. A network without branches (VGG) has a
//     layer behind every activated convolution.
//
//  6. What lies beside the chain is read where rows of residual blocks follow each other there: streams side by side
//     (HRNet, two networks joined at their ends, TNT's two sizes of tokens), blocks inside a CSP stage or a tree of DLA.
//     The rows are the blocks; the join is kind fusion, mapped on request. Recurrent networks without skips have a layer
//     for every state.
//
// What lies inside calls of the file's own functions is tapped by writing the nodes that lead there a second time. A
// block whose attention reaches the class token alone is kind class, and not mapped unless asked for.
//
// Exporters' module paths and tensors' names name what was found. They correct it too. Units that stand in one list of
// modules are not joined to one block; and where structure finds most of what a family of such lists ends in
// (stages.#.blocks.#), an entry is one block from where it begins to where it ends, entries without branches are blocks as well,
// what lies in no entry leads from one stage to the next, and what comes behind the last entry is the head. Scopes that don't
// fit the structure are not believed.
//
// Without names some blocks look like others: attention and MLP that a list counts apart (MobileNetV5, iFormer), the residual
// units inside a module that makes the maps smaller (SHViT, RepViT), a stage's closing norm (Swin v2 of timm's "ns" kind).
//
// # Reading tokens
//
// What the axes of a layer mean is learnt by running noise ([OpenNetwork]): the axis that doubles with the
// batch counts images; a grid has the picture's aspect; what is left over in front of a sequence are prefix
// tokens. Where several readings fit, and always for sequences, small squares of the picture are changed:
// the right reading is the one in which the token at the square's place changes most. Where none does, the
// tokens' order is learnt: stripes of the picture that spell the bits of rows and columns tell where each token
// looks, and the regular order that explains most of them (window by window, Hiera's) is put into the tap. Tokens in
// an order that nothing explains are refused. The global token is the first prefix token, else the mean.
//
// Integer tensors of quantised networks are read through the scale and zero point of the operator that made them.
//
// # Guessed preprocessing
//
// Where nothing says how a network wants its pictures, its first layer is asked: a guess that makes it implausibly faint
// or loud gets a warning. checkGuess tells what can be seen that way and what can't.
//
// # Tapping
//
// Nodes that bring each layer to the fit grid, in float32 and then to float16, are appended to the model's
// bytes (package onnx: a patch), so weights are never written again and only [65, D] an image comes back.
//
//	sound   each cell of the fit grid is the mean of the native cells under it, weighted by overlap; bilinear
//	        where the native grid is coarser
//	paper   bilinear everywhere, no antialias
//
// On the first batch of every extraction it is checked that the model's own outputs are what they are
// without taps, and that a picture has the same tokens alone and among others; in every batch, that each
// number is finite.
//
// # The simulated subject
//
// [Statistics] and [ReadOut] read a network's native tokens for package synth, by nodes in the graph: no
// token leaves it.
package extract
