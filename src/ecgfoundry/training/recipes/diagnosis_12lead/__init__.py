"""Recipe of the bundle ``diagnosis-12lead``: superclasses and statements, any subset of leads.

Data: the part of PTB-XL 1.0.3 that the recipe ``ptbxl_superclass`` learns from, 103 more of its
records in millivolts, and 249 of the PhysioNet/CinC Challenges 2020 and 2021 (all CC BY 4.0), whose
SNOMED CT codes are read through the reviewed label maps; what a source has no code for is unknown.

The network is that of ``ptbxl_superclass``, and so are the views (its averaged beats, made once).
New are the targets (every statement with at least 25 positives, with rarer ones, the frontal axis,
age and sex beside them in training), noise of 5 to 40 Hz in the augmented copies, and mixing of
records. Cross-validation in four groups of folds by person decides which statements are reported:
those whose AUROC has a lower limit above 0.80. One last network learns from all records; it has the
calibration and the thresholds of the out-of-fold answers.

Every stage leaves a file and is skipped when that file is there: an interrupted run continues.
"""

from ecgfoundry.training.recipes.diagnosis_12lead.recipe import learned_from, run

__all__ = ["learned_from", "run"]
