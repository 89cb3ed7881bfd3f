"""Where the shipped bundle is."""

from __future__ import annotations

from pathlib import Path

from damsel.errors import InvalidBundleError

__all__ = ["DEFAULT_BUNDLE", "default_bundle"]

DEFAULT_BUNDLE = Path("models") / "default"


def default_bundle() -> Path:
    """Return the folder of the bundle that is used unless told otherwise.

    It is looked for upwards from the working directory, then upwards from this file: in a
    repository the workspace that holds the installed package lies below the models.

    Raises:
        InvalidBundleError: If there is none.
    """
    here = Path(__file__).resolve()
    for folder in (Path.cwd(), *Path.cwd().parents, *here.parents):
        if (folder / DEFAULT_BUNDLE / "bundle.yaml").is_file():
            return folder / DEFAULT_BUNDLE
    raise InvalidBundleError(f"no bundle in {DEFAULT_BUNDLE}; name one with --bundle DIR")
