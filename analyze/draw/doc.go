// Package draw turns a map and a surface into pixels without a display: brain plates and small charts.
//
// # Views
//
// Coordinates are RAS in mm: x to the right, y to the front, z up. A camera looks along d with u up; its
// right is d × u, and nearer points have the larger depth −d·p. Projection is orthographic, and one plate
// has one scale, so that panels can be compared.
//
//	view       lh d  lh up   rh d  rh up   what it looks like
//	lateral    +x    +z      −x    +z      lh front left, rh front right
//	medial     −x    +z      +x    +z      lh front right, rh front left
//	ventral    +z    −x      +z    +x      lateral edge up; front on the lateral view's side
//	posterior  +y    +z      +y    +z      lh's medial edge right, rh's left
//
// Flat maps are drawn from the flat surface's own triangles only (the others cross the cuts), lh on the
// left and rh on the right, up is up: the two occipital poles meet in the middle.
//
// # Colours
//
// A continuous value is interpolated over its triangle and then looked up, so that a pixel's colour is one
// of the colour bar's; a category is that of the nearest vertex, for mixed colours would look like other
// categories. Where the nearest vertex has no data (NaN) the underlay shows: curvature in two greys.
// Shading multiplies a colour by a + (1−a)·max(0, n·toward) with a = 0.62 on inflated surfaces and 1 on
// flat maps. Blending happens in display space, as matplotlib does it.
//
// Two styles: the default can be read by colour-blind people and survives a grey printer as far as a map
// can; Paper has the colours of Yang, Gee and Shi (CVPR 2024), as paper.md 1.10 decodes them:
//
//	rule        default                                          paper
//	layer       viridis of the depth, fading to grey             coolwarm of the depth, fading to black
//	            by f = clip(1.2 − e³), e the normalised entropy  by the same f (up to 1.2)
//	space       Oklab stamp of constant lightness                corners cyan, green, magenta, orange
//	scale       PuOr, 0 local (orange) … 1 global (purple)       the same
//	r2          inferno from 0; negative values slate         Reds
//	sequential  cividis                                          inferno
//	diverging   RdBu reversed, symmetric around 0                the same
//	categories  Okabe and Ito's eight, then tab10's others       the same
//
// # Outlines
//
// An ROI's 0/1 field is averaged with its neighbours' mean three times (a raw field gives a staircase), and
// its level 0.5 is found triangle by triangle (marching triangles). Islands of fewer than ten vertices are
// dropped. Lines are hidden where the surface before them is more than 1.5 mm nearer, and near the
// silhouette. They are drawn black on a white halo, visible on dark and on bright colours.
//
// # Output
//
// A Plate is a list of drawing operations in logical pixels: PNG paints them at Scale device pixels each,
// SVG writes text and lines as such and the coloured surface as an embedded picture.
package draw
