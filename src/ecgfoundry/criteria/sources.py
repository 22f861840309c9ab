"""Where limits are from; each is named beside the limit that it gives."""

from __future__ import annotations

__all__ = [
    "AHA_2007",
    "BRUGADA_2012",
    "CHOICE",
    "CORNELL",
    "EARLY_REPOLARIZATION_2015",
    "EC57",
    "MINNESOTA",
    "MORRIS",
    "PART_III",
    "PART_IV",
    "PART_V",
    "PART_VI",
    "PEGUERO",
    "PERICARDITIS",
    "REVERSAL",
    "SOKOLOW",
    "TWELVE_SL",
    "UDMI_4",
]

AHA_2007 = "Mason et al., AHA/ACC/HRS statement list (part II), Circulation 115:1325, 2007"
PART_III = "Surawicz et al., AHA/ACCF/HRS 2009 part III, J Am Coll Cardiol 53:976"
PART_IV = "Rautaharju et al., AHA/ACCF/HRS 2009 part IV, J Am Coll Cardiol 53:982"
PART_V = "Hancock et al., AHA/ACCF/HRS 2009 part V, J Am Coll Cardiol 53:992"
PART_VI = "Wagner et al., AHA/ACCF/HRS 2009 part VI, J Am Coll Cardiol 53:1003"
UDMI_4 = "Thygesen et al., Fourth Universal Definition of MI, Circulation 138:e618, 2018"
EARLY_REPOLARIZATION_2015 = "Macfarlane et al., consensus, J Am Coll Cardiol 66:470, 2015"
BRUGADA_2012 = "Bayes de Luna et al., consensus report, J Electrocardiol 45:433, 2012"
SOKOLOW = "Sokolow and Lyon, Am Heart J 37:161, 1949"
CORNELL = "Casale et al., Circulation 75:565, 1987"
PEGUERO = "Peguero et al., J Am Coll Cardiol 69:1694, 2017"
MINNESOTA = "Prineas, Crow and Zhang, The Minnesota Code Manual, 2nd ed., 2010, code 7-2-1"
MORRIS = "Morris et al., Circulation 29:242, 1964"
PERICARDITIS = "Adler et al., ESC guidelines on pericardial diseases, Eur Heart J 36:2921, 2015"
REVERSAL = "Batchvarov et al., Europace 9:1081, 2007"
EC57 = "ANSI/AAMI EC57, classes of beats"
TWELVE_SL = "wording of GE 12SL statements"
CHOICE = "our choice"
