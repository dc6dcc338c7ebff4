"""What a picture is."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]
"""Grey (height, width) or BGR (height, width, 3), as shown: full range, rotation applied."""
