"""The program built with the snippet iothub-fota and tests/zephyr/fota/sim.conf, and MCUboot as another program of native_sim."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
sys.path.insert(0, str(HERE))
from bench import Bench  # noqa: E402
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


@pytest.fixture(scope="session")
def boot_loader(program):
    """MCUboot's own application, of the workspace that the program comes from; IOTHUB_BOOT_LOADER names one that is built."""
    if named := os.environ.get("IOTHUB_BOOT_LOADER"):
        return pathlib.Path(named).resolve()
    build = program.parents[1]
    modules = dict(re.findall(r'"(\w[\w-]*)":"([^"]+)"', (build / "zephyr_modules.txt").read_text()))
    if "mcuboot" not in modules:
        pytest.fail("the workspace has no MCUboot: name one for native_sim in IOTHUB_BOOT_LOADER")
    # A list on the command line hides the one of the environment.
    extra = ";".join([*filter(None, [os.environ.get("EXTRA_ZEPHYR_MODULES")]), str(HERE / "boot_loader")])
    subprocess.run(
        ["cmake", "-GNinja", "-B", build / "mcuboot", "-S", pathlib.Path(modules["mcuboot"], "boot", "zephyr"),
         "-DBOARD=native_sim/native/64", f"-DEXTRA_ZEPHYR_MODULES={extra}",
         f"-DEXTRA_CONF_FILE={HERE / 'boot_loader' / 'boot_loader.conf'}"],
        check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", build / "mcuboot"], check=True, stdout=subprocess.DEVNULL)
    return build / "mcuboot" / "zephyr" / "zephyr.exe"


@pytest.fixture
def flash(tmp_path):
    return Flash(tmp_path / "flash.bin", "0.1.0")


@pytest.fixture
def bench(hub, flash, start, request):
    bench = Bench(hub, flash, start, re.sub(r"\W+|_", "-", request.node.name).strip("-"))
    yield bench
    hub.rest("DELETE", "/admin/firmware/faults")
