"""Where the shipped bundle is."""

from __future__ import annotations

import contextlib
from pathlib import Path

from damsel.errors import InvalidBundleError

__all__ = ["DEFAULT_BUNDLE", "default_bundle"]

DEFAULT_BUNDLE = Path("models") / "default"


def default_bundle() -> Path:
    """Return the folder of the bundle that is used unless told otherwise.

    It is looked for upwards from this file, since whatever holds the installed package lies in the
    clone; only then upwards from the working directory, which may be in another clone.

    Raises:
        InvalidBundleError: If there is none.
    """
    here = Path(__file__).resolve()
    for folder in (*here.parents, Path.cwd(), *Path.cwd().parents):
        with contextlib.suppress(PermissionError):  # somebody else's folder is not ours to search
            if (folder / DEFAULT_BUNDLE / "bundle.yaml").is_file():
                return folder / DEFAULT_BUNDLE
    raise InvalidBundleError(f"no bundle in {DEFAULT_BUNDLE}; name one with --bundle DIR")
