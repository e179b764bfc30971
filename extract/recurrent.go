package extract

// Recurrent networks are exported unrolled: the same weights at every step. Where a unit has a way round it (CORnet-S)
// each pass is a block on the chain. Where lateral connections only add to what comes from below,
//
//	h_l(t) = σ( W_l h_{l−1}(t) + U_l h_l(t−1) )
//
// there is neither a skip nor a chain: every state h is a layer.

// recurrent says whether most products with weights share them with another product.
func (f *flow) recurrent() bool {
	uses := map[string]int{}
	products := 0
	for i := range f.vertices {
		if v := &f.vertices[i]; v.kept && v.product.learned() && v.product != pairwise && len(v.node.Inputs) > 1 {
			products++
			uses[v.node.Inputs[1]]++
		}
	}
	shared := 0
	for _, n := range uses {
		if n > 1 {
			shared += n
		}
	}
	return 2*shared > products
}

// states lists the activations right behind products, or behind sums of them, of the whole graph.
func (c *chain) states() []Candidate {
	var found []Candidate
	sums := make([]bool, len(c.vertices)) // linear in products, nothing between
	for i := 1; i < len(c.vertices); i++ {
		v := &c.vertices[i]
		if !v.kept {
			continue
		}
		op := baseOp(v.node)
		sums[i] = v.product.learned()
		for _, p := range v.inputs {
			sums[i] = sums[i] || sums[p] && (isSum(v.node) || op == "BatchNormalization")
		}
		if activations[op] && sums[v.inputs[0]] {
			found = append(found, Candidate{Tensor: c.tensor(i), Kind: Conv, Why: "state of a recurrent network: activation behind products whose weights are used at every step"})
		}
	}
	return found
}
