"""The recipes of the shipped bundles: public data in, weights and figures out."""
