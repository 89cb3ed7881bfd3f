"""Where the cameras stand and where the markers stick: from seen poses to positions in `base`."""

from damsel.calibration.fit import Fit, fit_camera_to_base
from damsel.calibration.model import OBJECT_NAMES, Calibration, load_calibration, save_calibration

__all__ = [
    "OBJECT_NAMES",
    "Calibration",
    "Fit",
    "fit_camera_to_base",
    "load_calibration",
    "save_calibration",
]
