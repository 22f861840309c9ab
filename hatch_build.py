"""Build hook: compile the kernels into the wheel where a C compiler is there.

Without one the wheel is built all the same, holds a note with the reason, and works through NumPy
and SciPy. ``ECGFOUNDRY_BUILD_NATIVE=0`` leaves the kernels out (a wheel for any platform);
``ECGFOUNDRY_BUILD_NATIVE=require`` fails where they cannot be built.
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = "ecgfoundry/native"


class NativeKernels(BuildHookInterface):
    """Compiles ``src/ecgfoundry/native`` and sets the wheel's tag accordingly."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add the library, or a note why there is none."""
        if self.target_name != "wheel":
            return
        sources = Path(self.root) / "src" / _PLACE
        wish = os.environ.get("ECGFOUNDRY_BUILD_NATIVE", "auto").lower()
        spec = importlib.util.spec_from_file_location("_native_build", sources / "build.py")
        builder = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(builder)
        editable = version == "editable"
        self._temporary = tempfile.TemporaryDirectory(prefix="ecgfoundry-wheel-")
        folder = sources if editable else Path(self._temporary.name)
        try:
            if wish in ("0", "no", "off", "false"):
                raise builder.BuildError("left out when this wheel was built")
            library = builder.build(folder / builder.LIBRARY)
        except builder.BuildError as error:
            if wish == "require":
                raise
            self.app.display_warning(f"The compiled kernels are left out: {error}")
            note = folder / "not_built.txt"
            note.write_text(f"{error}\n", encoding="utf-8")
            if not editable:
                build_data["force_include"][str(note)] = f"{_PLACE}/{note.name}"
            return
        (sources / "not_built.txt").unlink(missing_ok=True)
        if not editable:
            build_data["force_include"][str(library)] = f"{_PLACE}/{library.name}"
            build_data["pure_python"] = False
            # No Python ABI in the library: any Python 3 on this platform.
            platform_tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform_tag}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled."""
        if hasattr(self, "_temporary"):
            self._temporary.cleanup()
