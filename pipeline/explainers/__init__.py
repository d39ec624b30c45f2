"""One file per explainer: from a model, images and targets to attribution maps."""
