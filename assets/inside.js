// The Why tab, below: what happens inside the model at one token.
