"""Who is asked, and how an answer is told from what was typed before."""

from __future__ import annotations

import os
import pty
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from damsel_ros.person import StandIn, TerminalPerson


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    keys, screen = pty.openpty()
    with os.fdopen(screen, "r") as stdin:
        yield keys, stdin
    os.close(keys)


def press(keys: int) -> None:
    os.write(keys, b"\n")
    time.sleep(0.05)


def test_enter_agrees_once(terminal: tuple[int, TextIO]) -> None:
    keys, stdin = terminal
    said: list[str] = []
    person = TerminalPerson(said.append, stdin)
    assert person.present
    person.ask("the objects go back")
    assert said == ["the objects go back [press Enter]"]
    assert not person.has_agreed()
    press(keys)
    assert person.has_agreed()
    assert not person.has_agreed()


def test_an_enter_too_many_answers_no_later_question(terminal: tuple[int, TextIO]) -> None:
    keys, stdin = terminal
    person = TerminalPerson(lambda _: None, stdin)
    person.ask("the objects go back")
    press(keys)
    assert person.has_agreed()
    press(keys)
    assert not person.has_agreed()
    person.ask("the objects go back")
    assert not person.has_agreed()
    press(keys)
    assert person.has_agreed()


def test_what_was_typed_before_the_question_is_no_answer(terminal: tuple[int, TextIO]) -> None:
    keys, stdin = terminal
    person = TerminalPerson(lambda _: None, stdin)
    press(keys)
    press(keys)
    person.ask("the objects go back")
    assert not person.has_agreed()


def test_without_a_terminal_nobody_agrees() -> None:
    said: list[str] = []
    read, write = os.pipe()
    os.write(write, b"\n")
    with os.fdopen(read, "r") as stdin:
        person = TerminalPerson(said.append, stdin)
        assert not person.present
        person.ask("the objects go back")
        assert not person.has_agreed()
    os.close(write)
    assert said == [
        "the objects go back [no terminal here: call service /damsel/robot/confirm_reset]"
    ]


def test_a_stand_in_does_it_and_agrees_once() -> None:
    done: list[str] = []
    person = StandIn(lambda: done.append("put back"), done.append)
    person.ask("the objects go back")
    assert done == ["the objects go back [done by the rehearsal]", "put back"]
    assert person.has_agreed()
    assert not person.has_agreed()


def typed(keys: int, text: bytes) -> None:
    os.write(keys, text)
    time.sleep(0.05)


@pytest.mark.parametrize("text", [b"no, stop!\n", b"y\n", b"\xff\n"])
def test_whatever_is_typed_but_enter_alone_is_no_yes(
    terminal: tuple[int, TextIO], text: bytes
) -> None:
    keys, stdin = terminal
    said: list[str] = []
    person = TerminalPerson(said.append, stdin)
    person.ask("the arm will be enabled")
    typed(keys, text)
    assert not person.has_agreed()
    assert said[1:] == [
        "this is not taken for a yes; allowed: Enter alone, or Ctrl-C to end",
        "the arm will be enabled [press Enter]",
    ]
    assert not person.has_agreed()
    typed(keys, b"  \n")
    assert person.has_agreed()


def test_a_terminal_that_is_gone_has_nobody_at_it() -> None:
    keys, screen = pty.openpty()
    said: list[str] = []
    with os.fdopen(screen, "r") as stdin:
        person = TerminalPerson(said.append, stdin)
        os.close(keys)
        person.ask("the objects go back")
        assert not person.present
        assert not person.has_agreed()
    assert said == [
        "the terminal has ended: call service /damsel/robot/confirm_reset instead",
        "the objects go back [no terminal here: call service /damsel/robot/confirm_reset]",
    ]


def test_a_terminal_that_goes_while_it_is_waited_for_agrees_to_nothing() -> None:
    keys, screen = pty.openpty()
    with os.fdopen(screen, "r") as stdin:
        person = TerminalPerson(lambda _: None, stdin)
        person.ask("the objects go back")
        os.close(keys)
        assert not person.has_agreed()
        assert not person.present


def test_a_process_without_any_input_has_nobody_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    person = TerminalPerson(lambda _: None)
    assert not person.present
    person.ask("the objects go back")
    assert not person.has_agreed()


def test_a_line_without_enter_keeps_nobody_waiting(terminal: tuple[int, TextIO]) -> None:
    keys, stdin = terminal
    said: list[str] = []
    person = TerminalPerson(said.append, stdin)
    person.ask("the objects go back")
    typed(keys, b"y\x04")  # Ctrl-D hands on what was typed so far
    began_s = time.monotonic()
    assert not person.has_agreed()
    assert time.monotonic() - began_s < 1.0
    assert person.present
    press(keys)
    assert not person.has_agreed()
    assert "not taken for a yes" in said[1]
    press(keys)
    assert person.has_agreed()
