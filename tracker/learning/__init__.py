"""Between a config and the learned methods: movies, recipes, training, scores. Imported only where a model is asked."""
