"""The application on a Cortex-M3 in QEMU, in place of the native_sim program: tests/zephyr/qemu/device has its command line."""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
from native import hub, network, start  # noqa: E402,F401


@pytest.fixture(scope="session")
def program(request):
    """Twister's pytest harness says where the image is; without Twister IOTHUB_ELF does."""
    folder = request.config.getoption("--build-dir", None)
    elf = pathlib.Path(folder, "zephyr", "zephyr.elf") if folder else pathlib.Path(os.environ.get("IOTHUB_ELF", "")).resolve()
    if not elf.is_file():
        pytest.fail(f"{elf} is no image: build one for mps2/an385, and name its zephyr.elf in IOTHUB_ELF")
    os.environ["IOTHUB_ELF"] = str(elf)
    return HERE / "device"
