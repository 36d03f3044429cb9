"""The mathematics of the core models in numpy; imported only where a model is trained."""
