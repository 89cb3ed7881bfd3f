"""How well the arm goes where it is told, and how hard it presses where it cannot."""
