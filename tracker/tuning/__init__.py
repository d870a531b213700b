"""Learning the weights of the cost model from a truth or from pins."""
