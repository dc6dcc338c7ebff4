"""What all configuration models have in common."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A part of a study's file: unknown keys and infinite numbers are refused, values never change."""

    # built when first used: a command that reads one part does not wait for all of them
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def fingerprint(self) -> str:
        """Twelve hex digits that change when any value of this model changes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
