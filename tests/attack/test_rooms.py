"""Strangers in the rooms of a public studio, with a browser: links, Hub ids, own networks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import torch
from safetensors.torch import save_file

from fermodels.nets.catalog import CONFIG, WEIGHTS
from fermodels.nets.checkpoint import FORMAT, half_weights
from tests.attack.conftest import Served
from tests.browser.conftest import chromium
from tests.toys import ROOT, tiny_net

pytestmark = pytest.mark.browser

SIDEBAR = "[data-testid=stSidebar]"


@pytest.fixture(scope="module")
def public(servers: dict[str, Served]) -> Served:
    return servers["public"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A visitor's page, and the hosts that it asked for anything."""
    opened = browser.new_page()
    opened.hosts = set()
    opened.on("request", lambda request: opened.hosts.add(request.url.split("/")[2]))
    yield opened
    opened.close()


def settle(page: Any) -> None:
    from docs import screenshots

    screenshots.settle(page, 60)


def config(**network: Any) -> dict[str, Any]:
    layers = tiny_net().config.to_dict() | network
    return {"format": FORMAT, "variant": "shallow", "name": "![x](http://evil.example/x.png)",
            "network": layers}  # fmt: skip


def layer(**changes: Any) -> dict[str, Any]:
    return {"filters": 4, "kernel": 3, "stride": 1, "padding": -1, "batch_norm": True,
            "dropout": 0.0, "pool": 0} | changes  # fmt: skip


SOUND = half_weights(tiny_net())


def cast(kind: torch.dtype) -> dict[str, torch.Tensor]:
    return {
        k: v.to(kind) if v.is_floating_point() else v for k, v in half_weights(tiny_net()).items()
    }


WIDE = [layer(filters=1, kernel=1), *[layer(kernel=1, filters=500)] * 30]
WORDS = [layer(batch_norm="no", pool=4), layer(filters=6, pool=2)]
LARGE = {"classifier.bias": torch.full((7,), 1e300, dtype=torch.float64)}
NETWORKS: dict[str, tuple[Any, dict[str, torch.Tensor]]] = {
    "a huge computation": (config(conv=WIDE), SOUND),
    "a huge number": (json.dumps(config()).replace('s": 4', 's": ' + "9" * 6000), SOUND),
    "words for truth values": (config(conv=WORDS), SOUND),
    "whole numbers for weights": (config(), cast(torch.int32)),
    "truth values for weights": (config(), cast(torch.bool)),
    "values too large": (config(), cast(torch.float64) | LARGE),
    "negative variances": (config(), SOUND | {"conv1.bn.running_var": -torch.ones(4).half()}),
    "another order of classes": (config() | {"id2label": {"0": "happy"}}, SOUND),
}


def test_networks_of_strangers_are_refused_in_a_sentence(
    public: Served, page: Any, tmp_path: Path
) -> None:
    """Uploaded one after the other through the page: no traceback, no path, no memory, no host."""
    process = psutil.Process(public.process.pid)
    page.goto(f"{public.root}/filters")
    settle(page)
    before = process.memory_info().rss
    page.locator(f"{SIDEBAR} [data-testid=stExpander] summary").first.click()
    for number, (told, weights) in enumerate(NETWORKS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = told if isinstance(told, str) else json.dumps(told)
        (folder / CONFIG).write_text(text)
        save_file(weights, folder / WEIGHTS)
        page.goto(f"{public.root}/filters")
        settle(page)
        page.locator(f"{SIDEBAR} [data-testid=stExpander] summary").first.click()
        page.locator(f"{SIDEBAR} input[type=file]").set_input_files(
            [folder / CONFIG, folder / WEIGHTS]
        )
        alert = page.locator(f"{SIDEBAR} [data-testid=stAlert]").last
        alert.wait_for(timeout=60_000)
        said = alert.inner_text()
        assert 20 < len(said) < 700 and "Traceback" not in said and str(ROOT) not in said, said
        assert not page.locator("[data-testid=stException]").count()
    assert process.memory_info().rss - before < 500_000_000
    assert page.hosts == {public.root.removeprefix("http://")}


def test_a_sound_network_is_let_in_under_a_plain_name(
    public: Served, page: Any, tmp_path: Path
) -> None:
    (tmp_path / CONFIG).write_text(json.dumps(config()))
    save_file(SOUND, tmp_path / WEIGHTS)
    page.goto(f"{public.root}/filters")
    settle(page)
    page.locator(f"{SIDEBAR} [data-testid=stExpander] summary").first.click()
    page.locator(f"{SIDEBAR} input[type=file]").set_input_files(
        [tmp_path / CONFIG, tmp_path / WEIGHTS]
    )
    page.locator(SIDEBAR).get_by_text("(yours)").wait_for(timeout=60_000)
    settle(page)
    assert not page.locator("[data-testid=stException]").count()
    assert page.hosts == {public.root.removeprefix("http://")}


HOSTILE = (
    "![x](http://evil.example/x.png) [log in](http://evil.example) <img src=http://evil.example/y>"
)


@pytest.mark.parametrize("room", ["saliency", "filters", "dataset"])
def test_a_link_puts_no_picture_link_or_form_into_a_room(
    public: Served, page: Any, room: str
) -> None:
    keys = ("face", "own", "data", "model", "models", "method", "asked", "layer", "run", "page")
    query = "&".join(f"{key}={quote(HOSTILE)}" for key in keys)
    page.goto(f"{public.root}/{room}?{query}")
    settle(page)
    assert page.hosts == {public.root.removeprefix("http://")}
    assert page.locator("a[href*='evil.example'], img[src*='evil.example'], form").count() == 0
    assert not page.locator("[data-testid=stException]").count()


@pytest.mark.parametrize("own", ["hub:openai/whisper-tiny", "/etc", "checkpoints/deep", "~root"])
def test_nothing_that_a_visitor_names_is_fetched_or_opened(
    public: Served, page: Any, own: str
) -> None:
    """Neither the disk nor the Hub, which would be asked with the owner's token."""
    begun = time.monotonic()
    page.goto(f"{public.root}/filters?own={quote(own)}")
    settle(page)
    alert = page.locator("[data-testid=stAlert]").first
    said = alert.text_content()  # within the closed place for own networks
    assert "public" in said and "upload" in said
    assert time.monotonic() - begun < 60
    assert not list(Path.home().glob(".cache/huggingface/hub/models--openai--whisper-tiny"))


def test_a_link_asks_for_no_hours_of_computing(public: Served, page: Any) -> None:
    """It held a network, and a core, for hours after its page was closed."""
    options = "&".join(
        f"integrated-gradients.{name}={value}"
        for name, value in (("steps", 1000), ("smooth", 1000), ("refine", 20), ("tolerance", 0))
    )
    page.goto(f"{public.root}/saliency?methods=integrated-gradients&{options}")
    settle(page)
    page.get_by_text("a public studio makes at most").first.wait_for(timeout=60_000)
    assert public.lives()
