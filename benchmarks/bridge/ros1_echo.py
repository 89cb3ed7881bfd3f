"""The peer for ROS 1: one message there and back between two processes; on the system's Python.

`ros1_echo.py pong` answers, `ros1_echo.py ping COUNT` asks, and prints the round trips in seconds
as JSON. The message is about as large as the robot's joint command.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import rospy
from sensor_msgs.msg import JointState

_TIMEOUT_S = 10.0
_WARM_UP = 50


def _subscribe(topic: str, callback: object) -> None:
    rospy.Subscriber(topic, JointState, callback, queue_size=1, tcp_nodelay=True)


def _publisher(topic: str) -> rospy.Publisher:
    return rospy.Publisher(topic, JointState, queue_size=1, tcp_nodelay=True)


def _pong() -> None:
    answers = _publisher("/bench/pong")
    _subscribe("/bench/ping", answers.publish)
    rospy.spin()


def _ping(count: int) -> list[float]:
    came = threading.Event()
    _subscribe("/bench/pong", lambda _: came.set())
    questions = _publisher("/bench/ping")
    message = JointState(name=[f"right_j{n}" for n in range(7)], position=[0.1] * 7)
    taken_s: list[float] = []
    deadline_s = time.monotonic() + _TIMEOUT_S
    while len(taken_s) < count + _WARM_UP:
        came.clear()
        began_s = time.perf_counter()
        questions.publish(message)
        if came.wait(0.1):
            taken_s.append(time.perf_counter() - began_s)
            deadline_s = time.monotonic() + _TIMEOUT_S
        elif time.monotonic() > deadline_s:
            sys.exit("no answer")
        time.sleep(0.002)
    return taken_s[_WARM_UP:]


if __name__ == "__main__":
    rospy.init_node(f"bench_{sys.argv[1]}", anonymous=True, disable_signals=False)
    if sys.argv[1] == "pong":
        _pong()
    else:
        print(json.dumps(_ping(int(sys.argv[2]))))
