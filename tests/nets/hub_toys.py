"""A repository's name and a call's failure, for the tests of the Hub."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub_client import ClientError, HubClient

REPO = "alice/tiny"


def failure(client: HubClient, *words: Any, **settings: Any) -> str:
    """Return the one sentence with which a call fails."""
    with pytest.raises(ClientError) as caught:
        client.call(*words, **settings)
    assert caught.value.kind in {"HubError", "HubUnreachableError", "CheckpointError"}
    assert "\n" not in caught.value.sentence
    return caught.value.sentence
