"""Simulated seconds per second of one core, beside Meta-World and beside the physics alone."""
