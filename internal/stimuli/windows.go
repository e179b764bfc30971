package stimuli

// Windows cuts perPhoto square windows out of every photograph of a set of whole pictures: the centre square
// first, then random squares of 45 to 90 % of the short side, anywhere, half of them mirrored. The windows of
// one photograph follow each other and share its photo id and columns.
//
// The draw depends on the seed and the photograph's digest only (PCG, math/rand/v2), so adding photographs
// changes no window of the others. A set that holds windows already, an unreadable header, and a photograph too
// small for perPhoto different windows are faults.
func Windows(set *Set, seed uint64, perPhoto int) (*Set, error) { return windows(set, seed, perPhoto) }
