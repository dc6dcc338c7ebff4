"""Secret keys: each is in an environment variable that the configuration names, and in no file."""

import os

from eus_etl.errors import ConfigError

KEY_BYTES = 32


def secret_key(variable: str, role: str, effect: str) -> bytes:
    """The key that an environment variable holds.

    Args:
        variable: its name.
        role: the part of the configuration that names it.
        effect: what another key would lead to.

    Raises:
        ConfigError: the variable is not set or its key is too short.
    """
    key = os.environ.get(variable, "").encode()
    if len(key) < KEY_BYTES:
        raise ConfigError(
            role,
            f"the environment variable {variable} holds {len(key) or 'no'} bytes of a key"
            f" that needs {KEY_BYTES}",
            "set it from a secret store, for example to what `openssl rand -hex 32` printed once; "
            f"another key gives {effect}",
        )
    return key
