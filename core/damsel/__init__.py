"""DAMSEL's runtime core: tasks, bundles, adaptation, control and safety for one arm.

The package needs NumPy, onnxruntime and PyYAML; neither ROS nor torch nor a physics engine.
Import from its modules (`from damsel.tasks import Task`): each module is one concept.
"""

from __future__ import annotations

__all__: list[str] = []
