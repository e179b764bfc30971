// Package fit maps a network onto a brain: stored features and measured responses in, a mapping out.
//
// The model is FactorTopy (Yang, Gee & Shi, "Brain Decodes Deep Nets", arXiv 2312.01280). Every vertex
// reads a network through four picks: a distribution over layers, a point in the image, a mixture of
// local and global tokens, and a linear readout of the picked channels. The first three are functions of
// the vertex's place on the cortex, so that neighbours pick alike; the readout is the vertex's own.
// [Run] fits it, by the published procedure (protocol "paper") or by a faster and steadier one ("sound").
// Units without a known place pick each for itself. [Ridge] is the baseline: one ridge regression a layer.
//
// # Letters
//
//	N images   B images of a batch (b)   V vertices (v)   L layers (l)   D_l width of a layer
//	C bottleneck channels (c)   G side of the fit grid, 8   t a token: 0..G²-1 local, row-major; G² global
//	J = 5L coefficients of a vertex (j = kL + l, k = 0..3 corners, 4 global); (G²+1) L under (27)
//
// # The model
//
// Position code of a vertex at r_v (mm), 192 numbers; low and range are taken once, over the subject's
// whole mask, and stored with the mapping:
//
//	(1)  τ_vi = 100 (r_vi - low_i) / range           low_i = min_v r_vi, range = max_i (max_v r_vi - low_i)
//	     e_v[64i + 2k] = sin(ω_k τ_vi), e_v[64i + 2k + 1] = cos(ω_k τ_vi)      ω_k = 1000^(-k/32), k = 0..31
//
// Selectors: three networks of two hidden layers of 128, no bias in the last, gelu(a) = a Φ(a):
//
//	(2)  o_v = M2 gelu(M1 gelu(M0 e_v + m0) + m1)     for space (2 numbers), layer (L) and scale (1)
//	(3)  x = tanh o_space      p = softmax o_layer      s = sigmoid o_scale
//
// The 192 numbers of e say little more than 84 do (codeBasis): e = Rᵀ(R e) to float32's precision, so that
// (2) is computed from R e and M0 Rᵀ, and g_M0 = g_(M0 Rᵀ) R.
//
// Where a vertex looks: x in -1..1 from edge to edge of the image, x right and y down, hence at
//
//	(4)  u = (x + 1) G/2 - 1/2      cell = floor(u) in -1..G-1      f = u - cell
//	     q_0 = (1-fx)(1-fy), q_1 = fx(1-fy), q_2 = (1-fx)fy, q_3 = fx fy
//
// in units of tokens: the four corners of the cell are its upper left, upper right, lower left and lower
// right token. A corner outside the grid reads zeros. Bottlenecks bring every layer to C channels:
//
//	(5)  z_bltc = Σ_d K_lcd (X_bltd - κ_ld)  for local tokens,  the same with H_l and η_l for the global one
//
// The response, with α = 1/C in the published protocol (a mean over channels) and 1 in ours (a sum):
//
//	(6)  y_bv = α Σ_l p_vl [ (1-s_v) Σ_k q_vk w_v·z_bl,t(k) + s_v w_v·z_bl,G² ] + β_v
//
// # The same, grouped by cell
//
// All vertices of a cell read the same five tokens of every layer, Z [B, J, C]. So nothing of size B·V·C is
// ever needed:
//
//	(7)  a_vj = (1-s) q_k p_l  (k < 4),   a_vj = s p_l  (k = 4)
//	     P_vbj = w_v·Z_bj      one matrix product for a cell
//	     y_bv  = α Σ_j a_vj P_vbj + β_v
//
// # Loss
//
// With e = y - target; an image without a response (NaN) counts for nothing:
//
//	(8)  published: mean over b, v of  e²/(2δ) where |e| < δ = 0.1, else |e| - δ/2;    ours: mean of e²
//	(9)  published, added in the first 2,000 steps with weight λ (1 - step/2000), λ = 0.1:
//	     mean_v Σ_l p_vl ln(p_vl + 1e-8) / ln L  +  mean_v (s_v - 1/2)²
//
// # Gradients
//
//	(10) g_y   = clip(e/δ, -1, 1)/(BV)  or  2e/(BV)                   g_β = Σ_b g_y
//	(11) g_a   = α Σ_b g_y P              E_vbj = α g_y a_vj
//	     g_w   = Σ_bj E Z                 g_Z   = Σ_v E w     (added into the tokens that the cell reads)
//	(12) g_K_l = Σ_bt g_z (X - κ)ᵀ        g_H_l likewise from the global token
//	(13) g_p_l = (1-s) Σ_k q_k g_a[k,l] + s g_a[4,l]       (+ λ (ln(p+1e-8) + p/(p+1e-8)) / (V ln L))
//	     g_s   = Σ_l p_l g_a[4,l] - Σ_kl q_k p_l g_a[k,l]  (+ 2λ (s - 1/2) / V)
//	     g_q_k = (1-s) Σ_l p_l g_a[k,l]
//	     g_fx  = (1-fy)(g_q1 - g_q0) + fy (g_q3 - g_q2),   g_fy = (1-fx)(g_q2 - g_q0) + fx (g_q3 - g_q1)
//	(14) g_o_space = G/2 g_f (1 - x²)    g_o_layer = p (g_p - p·g_p)    g_o_scale = g_s s (1-s)
//
// and back through (2), where gelu'(a) = Φ(a) + a φ(a). The position gradient jumps where a vertex crosses
// into the next cell, since bilinear interpolation is smooth in pieces only. The optimiser is AdamW:
//
//	(15) m ← b1 m + (1-b1) g     v ← b2 v + (1-b2) g²
//	     θ ← θ (1 - rate·decay) - rate (m / (1-b1ᵗ)) / (sqrt(v / (1-b2ᵗ)) + 1e-8)
//
// # Protocol sound: most of it in closed form
//
// Responses are brought to mean 0 and SD 1 over the training images, and back at the end.
//
//	(16) κ_l, η_l = mean tokens.  K_l = the first C principal axes as rows, divided by (eigenvalue)^(1/4),
//	     then by one number that makes the mean variance of the channels 1.
//	(17) Score map: for every token of every layer the adjusted R² of least squares on its C channels,
//	     S = 1 - (1 - R²)(N-1)/(N-rank-1). Its centroid (over layers near the best, values above 60 % of the
//	     peak, squared) is the target of x, its profile over layers, softmax((best_l/best - 1)/0.04), that
//	     of p, and sigmoid((global - local)/(0.5 peak)) that of s; the networks (2) are fitted to these.
//	(18) Alignment: K_l ← U Vᵀ K_l from Z_{l-1}ᵀ Z_l = U S Vᵀ, upwards; then H_l onto the grid's mean of the
//	     local tokens. One readout has to read all layers through the same channels; whitening leaves
//	     every layer with an arbitrary rotation of its own.
//	(19) Readout: prior w ~ N(0, τ_v Σ), noise s2_v. With S, r, m2 the moments of the selected channels and
//	     the response, n images, P = (n/s2) S + (τΣ)⁻¹:
//	     w = P⁻¹ (n/s2) r     s2 ← m2 - 2 w·r + wᵀSw + tr(S P⁻¹)     τ ← (wᵀΣ⁻¹w + tr(Σ⁻¹P⁻¹))/C
//	     Σ ← mean of w wᵀ + P⁻¹ over some vertices, then held for all.
//	(20) Scale by evidence: with S(s), r(s) the moments at scale s and L Lᵀ = Σ, f = n/(0.68 m2),
//	     A = 1 + f LᵀS(s)L, q = f Lᵀr(s):   ev(s) = qᵀA⁻¹q/2 - log det A / 2
//	     The scale network is refitted to maximise it, and the readout taken again.
//	(21) Joint descent of everything on (8), batches of 16, the selectors on every 8th step with the mean
//	     of eight gradients, rates warmed up and then lowered along a cosine; a last readout (19) ends it.
//
// # Without places
//
// Units of which no place is known pick for themselves: o_v of (3) are numbers of their own, and (14) is
// their gradient. What starts the networks starts them: the map's targets (17) of all units, with 0.2 in place
// of 0.04 in the profile over layers, and
//
//	(24) s_v = Σ_k s_k exp ev_v(s_k) / Σ_k exp ev_v(s_k)        the posterior mean of the scale by (20)
//
// No neighbour steadies these picks, so they need more pictures than those of a cortex for equal precision.
//
// # Without factorisation
//
// The ablation no_factorisation puts one selector in the place of three: a distribution over all tokens of all
// layers, the global ones included. All else is as above, (7) to (12) with J = (G²+1) L coefficients:
//
//	(27) a_v = softmax o_v, o_v [G²+1, L] of one network (2) or free       g_o = a (g_a - a·g_a)
//	     it starts from softmax((S/best - 1)/0.04), S the score map of (17), cut off at 0; (9) is its entropy
//	     over ln J; (20) is left out
//	     reported:  p_l = Σ_t a_tl    s = Σ_l a_l,G²    x = mean place of the local tokens under a
//
// # What is reported
//
//	(22) R² = 1 - Σ(y-ŷ)²/Σ(y-ȳ)² on test images, Pearson r, R²/ceiling where the ceiling is 0.05 or more.
//	(23) share_l = cov(p_l, Σp)/var(Σp) over test images, p_l the part of the prediction through layer l;
//	     depth = Σ l/(L-1) share_l with negative shares cut off. Unlike the selector p the share counts how
//	     large the thing is that a layer contributes; neighbouring layers are correlated all the same.
//
// Which slow form each fast one must equal: the tests hold a float64 version of (1)-(15) made of plain
// loops, finite differences of it, and values computed by PyTorch from the same equations.
//
// # Memory and threads
//
// Products run through ONNX Runtime graphs, one single-threaded session for each worker; cells and images
// are given to workers by a fixed rule and sums are taken in a fixed order, so that the same inputs,
// settings, seed, thread count and library give the same bytes.
//
// On CUDA (Options.Device) the same graphs run with TF32 off. The binding knows memory of Go's only, so all that a
// Run reads and writes crosses the bus each time; nothing stays on the card between Runs. A step of B images
// carries, at the paper's scale (V = 37,984, L = 12, D = 768, C = 128) and B = 16:
//
//	tokens, float16, and bottlenecks               2 B·65·Σ D_l bytes, twice, and 8 C·Σ D_l    19 MB, 19 MB and 9 MB
//	the token table T, once for every chunk        4 B·66·L·C bytes × about V/150 chunks       1.7 GB
//	readout and its gradient, coefficients and g_a  8 V·C + 12 V·J bytes                        39 MB and up to 27 MB
//	g_Z of every chunk, where bottlenecks move     4 B·J·C bytes × chunks                      up to 0.1 GB
//
// so that the table rules the time: about 0.07 s at 25 GB/s, 4 ms an image. That is computed, not measured: no GPU
// was at hand. `go test ./fit -run CUDA` compares gradients there, `-bench StepCUDA` times steps.
package fit
