"""Offline training: experts, dataset, DAMSEL meta-training, evaluation and export."""
