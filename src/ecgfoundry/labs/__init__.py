"""Laboratory values estimated from ECGs: labels, training, estimates, live trends, evaluation."""
