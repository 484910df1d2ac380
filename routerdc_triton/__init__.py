"""The product's own name, and the command `routerdc`.

In a wheel, every private package lies in the folder `packages` here, so that installing it brings no top-level name
(`gateway`, `export`, …) that could collide with a package of the application's.
"""

import os
import sys
from pathlib import Path

_PACKAGES = Path(__file__).with_name("packages")


def make_packages_importable() -> None:
    """Puts the private packages on the import path of this process and of the Python processes that it starts.

    A working tree has no such folder: there the packages lie at the top and are on the path already.
    """
    if _PACKAGES.is_dir() and str(_PACKAGES) not in sys.path:
        sys.path.insert(0, str(_PACKAGES))
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGES), inherited]))
