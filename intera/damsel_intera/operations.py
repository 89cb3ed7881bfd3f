"""Answers the operators' requests; what takes long runs beside the server's loop."""

from __future__ import annotations

import queue
import threading
from typing import Callable, NamedTuple, Tuple

from damsel_intera.errors import InteraError, RefusedError, WireError
from damsel_intera.logbook import Logbook
from damsel_intera.operator_messages import NAME_BYTES, TEXT_BYTES
from damsel_intera.reasons import TOWARDS_MOTION, HoldReason, Operation
from damsel_intera.robot import RobotPort
from damsel_intera.supervisor import Supervisor
from damsel_intera.wire import Header, OperatorReply, OperatorRequest, decode, encode

__all__ = ["Operations"]

Envelope = Tuple[bytes, ...]
Answer = Tuple[Envelope, bytes]

# The vendor allows five seconds for each of reset and enable.
_LONGEST_ENABLE_S = 16.0
# Always towards less motion, so whoever can reach the port may ask without a greeting.
_WITHOUT_SESSION = frozenset({Operation.HELLO, Operation.STOP, Operation.HOLD})


class _Enabling(NamedTuple):
    """An enable that is under way.

    Attributes:
        called_off: how many had been called off before.
        at_s: when it was asked for.
        fault: why the arm could not move until then; None if it could.
    """

    called_off: int
    at_s: float
    fault: HoldReason | None


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
        self._enabling: _Enabling | None = None
        self._called_off = 0
        self._done: queue.Queue[tuple[Envelope | None, OperatorRequest, InteraError | None]] = (
            queue.Queue()
        )
        self._handlers: dict[
            Operation, Callable[[Header, OperatorRequest, float], OperatorReply]
        ] = {
            Operation.HELLO: self._hello,
            Operation.CLAIM: self._claim,
            Operation.RELEASE: self._release,
            Operation.HOLD: self._hold,
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
        age_s = now_s - message.seen_monotonic_s
        if operation in TOWARDS_MOTION and not 0 <= age_s <= self._supervisor.cfg.request_s:
            return self._refusal(
                envelope,
                operation,
                f"{age_s:.1f} s old; allowed: {self._supervisor.cfg.request_s:g} s, so ask again",
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
        if request.operation is Operation.ENABLE and self._enabling is not None:
            begun, self._enabling = self._enabling, None
            if self._called_off != begun.called_off:
                # Whichever of the two the robot heard last, the stop is what counts.
                self._run(None, OperatorRequest(Operation.STOP, request.name), self._robot.stop)
                error = RefusedError("stopped meanwhile; allowed: enable again")
            elif now_s - begun.at_s > _LONGEST_ENABLE_S:
                error = RefusedError("it took too long; allowed: enable again")
            elif error is None:
                error = self._clear_faults(now_s)
            elif begun.fault and self._supervisor.hold_reason is HoldReason.DISABLED:
                self._supervisor.hold(begun.fault, now_s)  # which is still what must be mended
        if envelope is None:
            if error is not None:
                self._log.note(f"the robot was to be stopped: {error}")
            return self.finished(now_s)
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
            self._called_off += 1
            self._supervisor.hold(HoldReason.OPERATOR_STOP, now_s)
            self._run(envelope, request, self._robot.stop)
            return
        if self._enabling is not None:
            raise RefusedError("an enable is under way; allowed: one at a time")
        fault = self._supervisor.hold_reason if self._supervisor.latched else None
        self._enabling = begun = _Enabling(self._called_off, now_s, fault)
        # Whatever was asked for before this must not be there when the motors come on.
        self._supervisor.hold(HoldReason.DISABLED, now_s)
        self._run(
            envelope,
            request,
            lambda: self._robot.enable(lambda: self._called_off != begun.called_off),
        )

    def _run(
        self, envelope: Envelope | None, request: OperatorRequest, call: Callable[[], None]
    ) -> None:
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
        self._ready_robot()
        lease = self._supervisor.claim(request.name, now_s)
        self._log.note(f"{request.name!r} has control")
        return self._reply(Operation.CLAIM, "you have control", lease_number=lease.number)

    def _ready_robot(self) -> None:
        """Set what another program may have changed since the server was started."""
        cfg = self._supervisor.cfg
        try:
            self._robot.set_command_timeout(cfg.command_timeout_s)
            self._robot.set_speed_ratio(cfg.follow_speed_ratio)
        except InteraError as error:
            raise RefusedError(str(error)) from None

    def _release(self, header: Header, _request: OperatorRequest, now_s: float) -> OperatorReply:
        self._supervisor.release(header.lease, now_s)
        return self._reply(Operation.RELEASE, "released")

    def _hold(self, _header: Header, request: OperatorRequest, now_s: float) -> OperatorReply:
        if self._enabling is not None:
            self._called_off += 1
        self._supervisor.hold(HoldReason.OPERATOR_HOLD, now_s)
        self._log.note(f"hold, asked for by {request.name!r}")
        return self._reply(Operation.HOLD, "holding")

    def _reply(
        self,
        operation: Operation,
        text: str,
        *,
        accepted: bool = True,
        lease_number: int = 0,
    ) -> OperatorReply:
        cfg = self._supervisor.cfg
        data = text.encode("utf-8", "replace")[:TEXT_BYTES]
        return OperatorReply(
            operation=operation,
            accepted=accepted,
            text=data.decode("utf-8", "ignore"),
            lease_number=lease_number,
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
