"""The docs' pictures of Dagster's page, taken on a walk through it: ``make pictures``, with Chromium.

The walk is the one that the tests take; it makes its own small study. Beside the picture of the asset graph
it leaves a hash of the graph that the picture shows: a test fails once the graph is another one.
"""

import hashlib
import json
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

from eus_etl.definitions import load_definitions

STUDY = "eusml"
FOLDER = Path(__file__).parent
SHOWN = FOLDER / "asset_graph.sha256"
LARGE_BYTES = 200_000
"""A larger picture gets by with 256 colors, its rare ones among them."""


def graph_hash() -> str:
    """Hash of what the page shows of the study's assets: names, dependencies, kinds, descriptions."""
    assets = [
        {
            "key": spec.key.path,
            "deps": sorted(dep.asset_key.path for dep in spec.deps),
            "kinds": sorted(spec.kinds),
            "description": spec.description,
        }
        for spec in load_definitions().resolve_all_asset_specs()
        if spec.key.path[0] == STUDY
    ]
    text = json.dumps(sorted(assets, key=lambda asset: asset["key"]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def packed(picture: bytes) -> bytes:
    """A PNG file made small."""
    small = BytesIO()
    with Image.open(BytesIO(picture)) as shown:
        colors = shown.convert("RGB")
    colors.save(small, "PNG", optimize=True)
    if small.tell() > LARGE_BYTES:
        small = BytesIO()
        few = colors.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    """Take the walk, and keep its pictures."""
    sys.path.insert(0, str(FOLDER.parents[1]))  # the walk lies beside the package, not in it
    from benchmarks.support.page.tour import take, tour

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tour(Path(folder)) as visitor:
        pictures = take(visitor)
    for name, picture in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(packed(picture))
    SHOWN.write_text(graph_hash() + "\n")


if __name__ == "__main__":
    main()
