"""Answers the operators' requests; what takes long runs beside the server's loop."""

from __future__ import annotations

import queue
import threading
from typing import Callable, Tuple

from damsel_intera.errors import InteraError, RefusedError, WireError
from damsel_intera.logbook import Logbook
from damsel_intera.operator_messages import NAME_BYTES, TEXT_BYTES
from damsel_intera.reasons import HoldReason, Operation
from damsel_intera.robot import RobotPort, fault_of
from damsel_intera.supervisor import Supervisor
from damsel_intera.wire import Header, OperatorReply, OperatorRequest, decode, encode

__all__ = ["Operations"]

Envelope = Tuple[bytes, ...]
Answer = Tuple[Envelope, bytes]

# Always towards less motion, so whoever can reach the port may ask without a greeting.
_WITHOUT_SESSION = frozenset({Operation.HELLO, Operation.STOP, Operation.HOLD})


class Operations:
    """One request in, one reply out; replies that take their time come from `finished`."""

    def __init__(
        self,
        supervisor: Supervisor,
        robot: RobotPort,
        wake: Callable[[], None],
        log: Logbook,
    ) -> None:
        self._supervisor = supervisor
        self._robot = robot
        self._wake = wake
        self._log = log
        self._version = robot.software_version()
        self._sequence = 0
        self._enabling = False
        self._done: queue.Queue[tuple[Envelope, OperatorRequest, InteraError | None]] = (
            queue.Queue()
        )
        self._handlers: dict[
            Operation, Callable[[Header, OperatorRequest, float], OperatorReply]
        ] = {
            Operation.HELLO: self._hello,
            Operation.CLAIM: self._claim,
            Operation.RELEASE: self._release,
            Operation.HOLD: self._hold,
            Operation.MOVE: self._begin_move,
        }

    def handle(self, envelope: Envelope, data: bytes, now_s: float) -> Answer | None:
        """Answer a request, or begin it and answer later."""
        try:
            header, message = decode(data)
        except WireError as error:
            return self._refusal(envelope, Operation.HELLO, f"not understood: {error}")
        if not isinstance(message, OperatorRequest):
            return self._refusal(envelope, Operation.HELLO, "allowed here: OperatorRequest")
        operation = message.operation
        if operation not in _WITHOUT_SESSION and header.session != self._supervisor.session:
            return self._refusal(
                envelope, operation, "of another start of the server; allowed: greet it first"
            )
        try:
            if operation in (Operation.ENABLE, Operation.STOP):
                self._begin(envelope, message, now_s)
                return None
            return self._answer(envelope, self._handlers[operation](header, message, now_s))
        except RefusedError as error:
            return self._refusal(envelope, operation, str(error))

    def finished(self, now_s: float) -> Answer | None:
        """The next answer of what was begun before, or None."""
        try:
            envelope, request, error = self._done.get_nowait()
        except queue.Empty:
            return None
        if request.operation is Operation.ENABLE:
            self._enabling = False
            if error is None:
                error = self._clear_faults(now_s)
        if error is not None:
            return self._refusal(envelope, request.operation, str(error))
        text = "enabled" if request.operation is Operation.ENABLE else "stopped"
        self._log.note(f"{text} for {request.name!r}")
        return self._answer(envelope, self._reply(request.operation, text))

    def _clear_faults(self, now_s: float) -> InteraError | None:
        state = self._robot.state()
        self._supervisor.clear_faults(now_s)
        self._supervisor.see_robot(state, now_s)
        if self._supervisor.latched:
            fault = self._supervisor.hold_reason
            return RefusedError(f"enabled, but {fault.text}; allowed: mend that and enable again")
        return None

    def _begin(self, envelope: Envelope, request: OperatorRequest, now_s: float) -> None:
        if request.operation is Operation.STOP:
            self._supervisor.hold(HoldReason.OPERATOR_STOP, now_s)
            call = self._robot.stop
        else:
            if self._enabling:
                raise RefusedError("an enable is under way; allowed: one at a time")
            self._enabling = True
            # Whatever was asked for before this must not be there when the motors come on.
            self._supervisor.hold(HoldReason.DISABLED, now_s)
            call = self._robot.enable

        def work() -> None:
            error: InteraError | None = None
            try:
                call()
            except InteraError as failure:
                error = failure
            except Exception as failure:  # noqa: BLE001 - the asker must get an answer
                error = InteraError(f"{type(failure).__name__}: {failure}")
            self._done.put((envelope, request, error))
            self._wake()

        threading.Thread(target=work, name=request.operation.name.lower(), daemon=True).start()

    def _hello(self, _header: Header, request: OperatorRequest, _now_s: float) -> OperatorReply:
        self._log.note(f"greeted by {request.name!r}")
        return self._reply(Operation.HELLO, "hello")

    def _claim(self, _header: Header, request: OperatorRequest, now_s: float) -> OperatorReply:
        lease = self._supervisor.claim(request.name, now_s)
        self._log.note(f"{request.name!r} has control")
        return self._reply(Operation.CLAIM, "you have control", lease_number=lease.number)

    def _release(self, header: Header, _request: OperatorRequest, now_s: float) -> OperatorReply:
        self._supervisor.release(header.lease, now_s)
        return self._reply(Operation.RELEASE, "released")

    def _hold(self, _header: Header, request: OperatorRequest, now_s: float) -> OperatorReply:
        self._supervisor.hold(HoldReason.OPERATOR_HOLD, now_s)
        self._log.note(f"hold, asked for by {request.name!r}")
        return self._reply(Operation.HOLD, "holding")

    def _begin_move(self, header: Header, request: OperatorRequest, now_s: float) -> OperatorReply:
        state = self._robot.state()
        if state is None or fault_of(state) is not HoldReason.NONE:
            raise RefusedError("the robot cannot move now; allowed: an operator's enable first")
        move = self._supervisor.begin_move(
            header.lease, request.joint_positions, request.speed_ratio, now_s
        )
        return self._reply(
            Operation.MOVE,
            f"moving for {move.duration_s:.1f} s",
            move_number=self._supervisor.move_number,
        )

    def _reply(
        self,
        operation: Operation,
        text: str,
        *,
        accepted: bool = True,
        lease_number: int = 0,
        move_number: int = 0,
    ) -> OperatorReply:
        cfg = self._supervisor.cfg
        data = text.encode("utf-8", "replace")[:TEXT_BYTES]
        return OperatorReply(
            operation=operation,
            accepted=accepted,
            text=data.decode("utf-8", "ignore"),
            lease_number=lease_number,
            move_number=move_number,
            sdk_version=self._version[:NAME_BYTES],
            robot=self._robot.kind,
            watchdog_s=cfg.watchdog_s,
            command_timeout_s=cfg.command_timeout_s,
        )

    def _refusal(self, envelope: Envelope, operation: Operation, text: str) -> Answer:
        self._log.rarely(f"refused {operation.name}", f"refused {operation.name}: {text}")
        return self._answer(envelope, self._reply(operation, text, accepted=False))

    def _answer(self, envelope: Envelope, reply: OperatorReply) -> Answer:
        self._sequence += 1
        lease = self._supervisor.lease
        granted = reply.operation is Operation.CLAIM and reply.accepted and lease is not None
        header = Header.now(
            session=self._supervisor.session,
            lease=lease.secret if granted and lease else 0,
            sequence=self._sequence,
        )
        return envelope, encode(header, reply)
