"""Pieces of `docs/draw_scene.py`."""
