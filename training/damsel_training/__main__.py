"""`python -m damsel_training` is `damsel-train`."""

import sys

from damsel_training.cli import main

sys.exit(main())
