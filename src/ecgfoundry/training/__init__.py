"""Training: the loop, augmentation and the recipes of the shipped bundles.

Needs the ``torch`` extra (``pip install 'ecgfoundry[torch]'``).
"""
