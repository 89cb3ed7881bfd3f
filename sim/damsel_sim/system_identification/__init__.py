"""From a recorded run to the parameters of the simulated arm."""
