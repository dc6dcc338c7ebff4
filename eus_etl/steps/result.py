"""What a step reports."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one asset check, with ids and counts only."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one step for one patient.

    Attributes:
        version: changes when, and only when, what was made changes.
        metadata: counts and other facts for the page, paths below the root among them; no names, no pixels
            that are not masked.
        checks: outcomes of the asset's checks.
        pictures: small WebP files for the page, by title; masked pictures and charts only.
        outputs: files and folders that were made. If one is lost, changed or was not made at all, the asset
            counts as stale.
        shares: names of inputs of which only a part concerns the patient, to the version of the part that was
            used; None where nothing in them did.
        screens: signatures of the screens that the patient's videos show, by which such a part is looked up.
        again_at: when the step has to be tried again, because something outside may have changed unseen, in
            seconds since 1970; None where only its inputs count.
    """

    version: str
    metadata: Mapping[str, int | float | str | bool | Path] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    outputs: tuple[Path, ...] = ()
    shares: Mapping[str, str | None] = field(default_factory=dict)
    screens: tuple[str, ...] | None = None
    again_at: float | None = None


def version_of(*facts: object) -> str:
    """Sixteen hex digits of the facts' JSON: equal facts, equal version."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
