"""A model as portable C99 for small devices: the recipe, the gate, the network and its calibration.

``network`` takes a bundle's network apart into layers, ``quantization`` brings them to eight bits,
``tables`` writes C declarations, ``folder`` puts them together with the programs in ``files``,
which know layers and steps but no model.
"""
