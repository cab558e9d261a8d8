"""The program of tests/zephyr/end_to_end, built with overlay-fota.conf, and the boot loader that native_sim has not."""
import importlib.util
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
_path = pathlib.Path(__file__).parents[1] / "end_to_end" / "conftest.py"
_spec = importlib.util.spec_from_file_location("end_to_end", _path)
_end_to_end = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_end_to_end)
program, network, start = _end_to_end.program, _end_to_end.network, _end_to_end.start

from mcuboot import Flash  # noqa: E402


@pytest.fixture(scope="module")
def hub(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "images").mkdir()
    hub = _end_to_end.support.Hub(folder, options=[
        "--firmware", folder / "images", "--firmware-http", "127.0.0.1:0", "--firmware-https", "127.0.0.1:0"]).start()
    yield hub
    hub.stop()


@pytest.fixture
def flash(tmp_path):
    return Flash(tmp_path / "flash.bin", "0.1.0")
