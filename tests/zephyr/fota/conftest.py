"""The program built with the snippet iothub-fota and tests/zephyr/fota/sim.conf, and the boot loader that native_sim has not."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from hub import Hub  # noqa: E402
from mcuboot import Flash  # noqa: E402
from native import network, program, start  # noqa: E402,F401


@pytest.fixture(scope="module")
def hub(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "images").mkdir()
    hub = Hub(folder, options=[
        "--firmware", folder / "images", "--firmware-http", "127.0.0.1:0", "--firmware-https", "127.0.0.1:0"]).start()
    yield hub
    hub.stop()


@pytest.fixture
def flash(tmp_path):
    return Flash(tmp_path / "flash.bin", "0.1.0")
