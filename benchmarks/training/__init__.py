"""How fast training learns: gradient steps per second and memory, each case in its own process."""
