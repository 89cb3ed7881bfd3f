"""What the server is set to."""

from __future__ import annotations

from dataclasses import dataclass

from damsel_intera.errors import SettingError

__all__ = ["ServerCfg"]


@dataclass(frozen=True)
class ServerCfg:
    """Times and rates of the server; all times in seconds.

    Attributes:
        watchdog_s: without a fresh command for so long the arm holds.
        first_command_s: how long a new controller may take to its first command.
        robot_silent_s: joint states that are older than this count as missing.
        assembly_silent_s: the same for the robot's own state (enabled and so on).
        collision_silent_s: the same for what it feels of collisions, once it has told regularly.
        command_timeout_s: what the robot's own command timeout is set to.
        tick_s: targets are repeated and states are sent at least so often.
        target_slack_s: how far a target may jump, as time at the joints' velocity limits.
        follow_speed_ratio: part of the joints' velocity limits that the robot may use to follow
            targets; the controller's safety layer and the gauge limit the targets themselves.
        hold_resend_s: for so long a hold is repeated to the robot, then the robot is left alone.
        fault_resend_s: the same where the robot has stopped by itself.
        request_s: a request to claim or enable that is older than this is refused.
    """

    watchdog_s: float = 0.1
    first_command_s: float = 2.0
    robot_silent_s: float = 0.1
    assembly_silent_s: float = 1.0
    collision_silent_s: float = 1.0
    command_timeout_s: float = 0.2
    tick_s: float = 0.01
    target_slack_s: float = 0.05
    follow_speed_ratio: float = 1.0
    hold_resend_s: float = 1.0
    fault_resend_s: float = 0.1
    request_s: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, most in (
            ("watchdog_s", 1.0),
            ("first_command_s", 10.0),
            ("robot_silent_s", 1.0),
            ("assembly_silent_s", 5.0),
            ("collision_silent_s", 5.0),
            ("command_timeout_s", 1.0),
            ("tick_s", 0.02),
            ("target_slack_s", 0.2),
            ("follow_speed_ratio", 1.0),
            ("hold_resend_s", 10.0),
            ("fault_resend_s", 10.0),
            ("request_s", 10.0),
        ):
            value = getattr(self, name)
            if not 0 < value <= most:
                raise SettingError(f"{name} is {value}; allowed: above 0, at most {most}")
