"""What the cameras say of the markers, as positions of the objects in the robot's base."""

from __future__ import annotations

from damsel.calibration import OBJECT_NAMES, Calibration
from damsel.errors import DamselError
from damsel.perception import ObjectPoses, PerceptionCfg
from damsel.rigid import RigidTransform
from damsel_ros.backends.pose_clock import PoseClock

__all__ = ["MarkerPoses"]


class MarkerPoses(ObjectPoses):
    """`ObjectPoses` that are fed with markers, and say why a marker's pose was not taken."""

    def __init__(self, cfg: PerceptionCfg, calibration: Calibration) -> None:
        """Know of no object yet.

        Args:
            cfg: When a pose is believed.
            calibration: Where cameras stand and markers stick.
        """
        super().__init__(cfg)
        self._calibration = calibration
        self._clocks = {name: PoseClock() for name in OBJECT_NAMES}
        self._refused: dict[str, str] = {}

    def see_marker(
        self, name: str, frame_id: str, marker: RigidTransform, stamp_s: float, now_s: float
    ) -> None:
        """Take the pose of an object's marker in a frame.

        Args:
            name: Of the object.
            frame_id: Of the frame.
            marker: The marker in it.
            stamp_s: When it was measured, seconds of the camera's own clock.
            now_s: When it arrived.
        """
        try:
            position = self._calibration.object_position(name, frame_id, marker)
        except DamselError as error:
            self._refused[name] = str(error)
            return
        if stamp_s == 0:
            self.refuse(name, "it carries no stamp; allowed: when the picture was taken")
            return
        self._refused.pop(name, None)
        measured_s = self._clocks[name].measured_s(stamp_s, now_s, anew=self.jumps_allowed)
        self.see(name, position, measured_s, now_s)

    def refuse(self, name: str, cause: str) -> None:
        """Keep why the newest pose of an object was not taken."""
        self._refused[name] = f"a pose of the {name.replace('_', ' ')} was refused: {cause}"

    def problem(self, now_s: float) -> str:
        """What is wrong with any object, in one line; empty if all can be used."""
        problems = []
        for name, tracker in self._trackers.items():
            problem = tracker.problem(now_s)
            if problem:
                problems.append(self._refused.get(name, problem))
        return "; ".join(problems)
