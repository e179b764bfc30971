// Package stimuli is an ordered set of pictures: which ones, which part of each, and their pixels.
//
// # Identity
//
// A picture is its content, never its name. Its digest is the SHA-256 of the encoded file as it lies in the
// folder or zip, or, where there is no file but an array of pictures (Brick), of its RGB bytes. A window of a picture (a rectangle, perhaps mirrored) is a stimulus of its own, with the digest
//
//	SHA-256(digest of the file ‖ x ‖ y ‖ w ‖ h ‖ mirror)      x, y, w, h uint32 little-endian, mirror one byte
//
// so a crop of the same photograph has the same digest in every set, on every machine. The photo id says which
// stimuli show the same photograph and must stay on one side of a split; by default it is the file's digest.
//
// # Order
//
// A list gives its own order, one stimulus a row, repeats included. Without one, every picture of the folder
// comes once, sub-folders included, in byte order of its path.
//
// # Pixels
//
// Pixels are 8-bit RGB, row-major from the top left, of the upright picture: EXIF orientation is applied, and
// windows are rectangles of the upright picture. Alpha is dropped (not composed onto anything), palettes and grey
// are expanded, 16-bit samples are divided by 257, CMYK is converted without a profile, and embedded colour
// profiles are ignored, as networks' own training pipelines do. PNG, JPEG, WebP, TIFF and BMP are read, recognised
// by their first bytes. They agree with Pillow 13: JPEG within 3 levels of libjpeg-turbo, which the decoders of
// Pillow and PyTorch use; 16-bit samples within 1; everything else exactly.
//
// Every read is checked against the digest taken when the set was opened, so that what was digested is what is seen.
package stimuli
