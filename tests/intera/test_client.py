"""A client that cannot even open its sockets."""

from __future__ import annotations

import pytest

from damsel_intera.client import Client
from damsel_intera.errors import SettingError
from damsel_intera.transport import Addresses


@pytest.mark.parametrize("host", ["*", "ü.x"])
def test_a_host_that_cannot_be_one_is_named(host: str) -> None:
    with pytest.raises(SettingError) as error:
        Client(Addresses(host), "test").close()
    assert str(error.value).startswith(f"cannot connect to host {host!r}: ")
    assert str(error.value).endswith("allowed: a name or an address")
