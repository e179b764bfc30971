package extract

import (
	"cortexmap/internal/stimuli"
	"cortexmap/models"
)

// Rect is a rectangle in the pixels of a picture, with fractions; it may reach beyond the picture.
type Rect struct{ X, Y, W, H float64 }

// Preprocess writes a picture into dst as the card's network wants it: len 3·height·width.
func Preprocess(dst []float32, img *stimuli.RGB, c models.Card) { preprocess(dst, img, c) }

// PreprocessBytes is Preprocess for a network that takes the pixels themselves (a uint8 input): resized, cropped,
// in the card's colour order and layout, not normalised. len 3·height·width.
func PreprocessBytes(dst []byte, img *stimuli.RGB, c models.Card) { preprocessBytes(dst, img, c) }

// PaperCard is what protocol paper feeds a network instead of its own card: squashed with an antialiased
// bilinear kernel and normalised with ImageNet's statistics. Size and layout stay the network's.
func PaperCard(c models.Card) models.Card { return paperCard(c) }

// Field is the part of a w x h picture that the network's input shows.
func Field(w, h int, c models.Card) Rect { return field(w, h, c) }

func preprocess([]float32, *stimuli.RGB, models.Card)   { panic("being written") }
func preprocessBytes([]byte, *stimuli.RGB, models.Card) { panic("being written") }
func paperCard(models.Card) models.Card                 { panic("being written") }
func field(int, int, models.Card) Rect                  { panic("being written") }
