"""One job of the step: the frames of one video, preprocessed by one recipe.

Says where its images are, what they depend on, and whether they are finished. ``images`` makes them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import PREPROCESSED
from eus_etl.errors import OutputLostError
from eus_etl.settings import RecipeConfig
from eus_etl.steps.previews.safe_images import mask_facts
from eus_etl.storage.extraction_store import ExtractedVideo
from eus_etl.storage.files.atomic import sync_folder
from eus_etl.storage.files.removal import remove_file
from eus_etl.storage.outputs import count_files
from eus_etl.storage.tables.table_files import read_part

FORMAT = 5
"""Increased when the same input gives other images or rows."""


@dataclass(frozen=True, slots=True)
class Job:
    """One video and one recipe: what is made, and where."""

    paths: StudyPaths
    patient_id: str
    recipe_name: str
    recipe: RecipeConfig
    video: ExtractedVideo
    layouts: pl.DataFrame

    @property
    def folder(self) -> Path:
        """The finished images."""
        return self.paths.preprocessed_folder(self.recipe_name, self.patient_id, self.video.video_id)

    @property
    def manifest_file(self) -> Path:
        """Written last: while it exists and describes this job, the job is done."""
        return self.paths.preprocessed_manifest(self.recipe_name, self.patient_id, self.video.video_id)

    @property
    def rows_file(self) -> Path:
        """The rows of ``tables.PREPROCESSED`` of this job."""
        return self.manifest_file.with_suffix(".parquet")

    def outputs(self) -> tuple[Path, ...]:
        """The outputs of a finished job; without the folder if no frame has a region."""
        return (self.manifest_file, self.rows_file, *([self.folder] if self.folder.is_dir() else []))

    def facts(self) -> dict[str, object]:
        """Everything that the images depend on."""
        return {
            "format": FORMAT,
            "recipe": self.recipe.fingerprint(),
            "extraction": self.video.fingerprint(),
            "layouts": mask_facts(self.layouts),
        }

    def manifest(self) -> bytes:
        """The facts as the manifest holds them."""
        return json.dumps(self.facts(), sort_keys=True).encode()

    def is_done(self) -> bool:
        """Whether the images of exactly this job are on the disk, and all of them."""
        if not self.manifest_file.is_file() or self.manifest_file.read_bytes() != self.manifest():
            return False
        return self.is_whole()

    def is_whole(self) -> bool:
        """Whether its rows can be read, and all images that they name are on the disk."""
        try:
            return count_files(self.folder) == read_part(self.rows_file, PREPROCESSED).height
        except OutputLostError:
            return False


def forget(manifest: Path) -> None:
    """Remove a manifest durably, before the images it describes change."""
    if manifest.is_file():
        remove_file(manifest)
        sync_folder(manifest.parent)
