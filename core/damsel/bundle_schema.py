"""The content of `bundle.yaml`: written from metadata, and read back with every check."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from damsel.bundle_metadata import BundleMetadata, Normalisation, require_mapping
from damsel.errors import InvalidBundleError, brief
from damsel.observation import ACTION_LAYOUT, CONTEXT_LAYOUT, OBSERVATION_LAYOUT

__all__ = [
    "ENCODER_FILE",
    "METADATA_FILE",
    "POLICY_FILE",
    "SCHEMA_VERSION",
    "document_of",
    "metadata_of",
]

SCHEMA_VERSION = 2
"""Version of the layout of `bundle.yaml` and of the graphs' interfaces."""

METADATA_FILE = "bundle.yaml"
ENCODER_FILE = "encoder.onnx"
POLICY_FILE = "policy.onnx"

_FRAME = "base"
_OBSERVATION_UNITS = ("m",) * len(OBSERVATION_LAYOUT)
_ACTION_UNITS = ("step_size_m",) * len(ACTION_LAYOUT)
_LAYOUTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "observation": {"names": OBSERVATION_LAYOUT, "units": _OBSERVATION_UNITS},
    "action": {"names": ACTION_LAYOUT, "units": _ACTION_UNITS},
    "context": {
        "names": CONTEXT_LAYOUT,
        "units": (*_OBSERVATION_UNITS, *_ACTION_UNITS, "1", *_OBSERVATION_UNITS),
    },
}
_NUMBERS = ("control_rate_hz", "horizon", "step_size_m")
_KEYS = (
    "schema_version",
    "layouts",
    "normalisation",
    "latent_dim",
    "families",
    *_NUMBERS,
    "provenance",
    "files",
    "sha256",
)


def document_of(metadata: BundleMetadata, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the content of `bundle.yaml`, plain data.

    Args:
        metadata: What the bundle is.
        files: Content of the other files by name.

    Raises:
        InvalidBundleError: If the provenance holds anything but plain data.
    """
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "layouts": {
            name: {"frame": _FRAME} | {key: list(values) for key, values in layout.items()}
            for name, layout in _LAYOUTS.items()
        },
        "normalisation": {
            name: {"centre": its.centre.tolist(), "scale": its.scale.tolist()}
            for name, its in (
                ("observation", metadata.observation_normalisation),
                ("context", metadata.context_normalisation),
            )
        },
        "latent_dim": metadata.latent_dim,
        "families": [
            {"name": name, "component": component.tolist()}
            for name, component in metadata.components.items()
        ],
        "control_rate_hz": float(metadata.control_rate_hz),
        "horizon": int(metadata.horizon),
        "step_size_m": float(metadata.step_size_m),
        "provenance": dict(metadata.provenance),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    digest = _digest(document)
    if digest is None:
        raise InvalidBundleError(
            "provenance holds values that are not plain; "
            "allowed: mappings with text keys, lists, text, finite numbers, true, false, null"
        )
    # A copy through JSON shares no lists, so that YAML has no reason to write aliases.
    return {**json.loads(json.dumps(document)), "sha256": digest}


def metadata_of(document: object) -> tuple[BundleMetadata, dict[str, str]]:
    """Check the content of `bundle.yaml`.

    Args:
        document: What the file holds.

    Returns:
        What the bundle is, and the SHA-256 of each of its other files by name.

    Raises:
        InvalidBundleError: If anything is missing, added, changed, or out of range.
    """
    content = require_mapping(document, METADATA_FILE)
    _check_schema_version(content)
    _check_keys(content, _KEYS, METADATA_FILE)
    if _digest(content) != content["sha256"]:
        raise InvalidBundleError(f"{METADATA_FILE} was changed: its sha256 does not match")
    _check_layouts(require_mapping(content["layouts"], "layouts"))
    normalisation = require_mapping(content["normalisation"], "normalisation")
    _check_keys(normalisation, ("observation", "context"), "normalisation")
    metadata = BundleMetadata(
        components=_listed_components(content["families"]),
        observation_normalisation=_normalisation(normalisation["observation"]),
        context_normalisation=_normalisation(normalisation["context"]),
        provenance=require_mapping(content["provenance"], "provenance"),
        **{name: content[name] for name in _NUMBERS},
    )
    if content["latent_dim"] != metadata.latent_dim or isinstance(content["latent_dim"], bool):
        raise InvalidBundleError(
            f"latent_dim is {brief(content['latent_dim'])}, "
            f"but the components have length {metadata.latent_dim}"
        )
    return metadata, _checksums(content["files"])


def _digest(content: Mapping[str, Any]) -> str | None:
    """SHA-256 of plain data other than the digest itself; None if the data is not plain."""
    signed = {key: value for key, value in content.items() if key != "sha256"}
    try:
        text = json.dumps(signed, sort_keys=True, allow_nan=False)
        if json.loads(text) != signed:  # keys that are not text, tuples
            return None
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _check_schema_version(content: Mapping[str, Any]) -> None:
    version = content.get("schema_version")
    if isinstance(version, int) and not isinstance(version, bool) and version == SCHEMA_VERSION:
        return
    advice = ""
    if isinstance(version, int) and not isinstance(version, bool):
        older = version < SCHEMA_VERSION
        advice = ", so export the bundle again" if older else ", so update damsel"
    raise InvalidBundleError(
        f"schema_version is {brief(version)}; allowed: {SCHEMA_VERSION}{advice}"
    )


def _check_layouts(layouts: Mapping[str, Any]) -> None:
    _check_keys(layouts, tuple(_LAYOUTS), "layouts")
    for name, expected in _LAYOUTS.items():
        layout = require_mapping(layouts[name], f"layout of the {name}")
        _check_keys(layout, ("frame", *expected), f"layout of the {name}")
        if layout["frame"] != _FRAME:
            raise InvalidBundleError(
                f"layout of the {name} is in frame {brief(layout['frame'])}; allowed: {_FRAME}"
            )
        _check_scene(name, layout["names"], expected["names"])
        for key, values in expected.items():
            if layout[key] != list(values):
                raise InvalidBundleError(
                    f"layout of the {name} has {key} {brief(layout[key])}; "
                    f"allowed: {', '.join(dict.fromkeys(values))}"
                )


def _check_scene(name: str, names: object, expected: Sequence[str]) -> None:
    """Tell a bundle of another scene from one that is damaged."""
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        return
    lacking = [one for one in expected if one not in names]
    more = [one for one in names if one not in expected]
    if lacking or more:
        lacks = f"lacks {brief(lacking)}" if lacking else ""
        has = f"has {brief(more)} besides" if more else ""
        raise InvalidBundleError(
            f"layout of the {name} {' and '.join(filter(None, (lacks, has)))}; allowed: a bundle "
            "that was made for this scene"
        )


def _listed_components(families: object) -> dict[str, Any]:
    if not isinstance(families, list) or not families:
        raise InvalidBundleError(f"families are {brief(families)}; allowed: a list of at least one")
    components: dict[str, Any] = {}
    for entry in families:
        entry_mapping = require_mapping(entry, "an entry of families")
        _check_keys(entry_mapping, ("name", "component"), "an entry of families")
        name = entry_mapping["name"]
        if not isinstance(name, str) or name in components:
            raise InvalidBundleError(f"family {brief(name)} is not a name or is there twice")
        components[name] = entry_mapping["component"]
    return components


def _normalisation(values: object) -> Normalisation:
    content = require_mapping(values, "normalisation")
    _check_keys(content, ("centre", "scale"), "normalisation")
    return Normalisation(content["centre"], content["scale"])


def _checksums(files: object) -> dict[str, str]:
    content = require_mapping(files, "files")
    # The names are fixed, so a bundle cannot point outside its folder.
    _check_keys(content, (ENCODER_FILE, POLICY_FILE), "files")
    for name, digest in content.items():
        if not isinstance(digest, str):
            raise InvalidBundleError(f"the SHA-256 of {name} is {brief(digest)}; allowed: text")
    return dict(content)


def _check_keys(content: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    missing = [key for key in keys if key not in content]
    extra = [key for key in content if key not in keys]
    if missing or extra:
        problem = f"lacks {', '.join(missing)}" if missing else f"has the key {brief(extra[0])}"
        raise InvalidBundleError(f"{what} {problem}; allowed: exactly {', '.join(keys)}")
