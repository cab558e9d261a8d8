import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "support"))
from native import hub, network, program, start  # noqa: E402,F401
