"""Every path in a study's root, defined once. No other module joins these names."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_safe_id(identifier: str) -> bool:
    """Whether an id from outside may become a partition key and a folder's name."""
    return bool(_SAFE_ID.fullmatch(identifier))


def safe_file_name(uploaded: str) -> str:
    """An uploaded name made safe: NFC, no separators, control characters or leading dot, 200 bytes at most.

    The suffix is kept. An empty result becomes ``file``.
    """
    text = unicodedata.normalize("NFC", uploaded)
    text = "".join("_" if c in '/\\:*?"<>|' or unicodedata.category(c).startswith("C") else c for c in text)
    text = text.strip().lstrip(".").strip() or "file"
    stem, dot, suffix = text.rpartition(".")
    if not dot or len(suffix) > 16:
        stem, suffix = text, ""
    tail = f".{suffix}" if suffix else ""
    limit = 200 - len(tail.encode())
    while len(stem.encode()) > limit:
        stem = stem[:-1]
    return f"{stem or 'file'}{tail}"


@lru_cache(maxsize=256)
def _joined(folder: Path, name: str) -> Path:
    """Joined once: every visit's state is asked for several times in a pass, and joining takes long."""
    return folder / name


@dataclass(frozen=True, slots=True)
class StudyPaths:
    """Where everything of one study is, below ``root``."""

    root: Path

    # what users read

    @property
    def raw_data(self) -> Path:
        """Verified copies of the uploaded videos."""
        return self.root / "raw_data"

    @property
    def master(self) -> Path:
        """What users read: tables and frames."""
        return self.root / "master-dataset"

    @property
    def data(self) -> Path:
        """Study tables and hand-written corrections."""
        return self.master / "Data"

    @property
    def frames(self) -> Path:
        """Extracted frames and the frame tables."""
        return self.master / "Frames"

    @property
    def preprocessed(self) -> Path:
        """Preprocessed frames, one folder per recipe."""
        return self.master / "Preprocessed"

    @property
    def releases(self) -> Path:
        """Released snapshots."""
        return self.root / "releases"

    @property
    def sync_csv(self) -> Path:
        """Hand-written corrections of time."""
        return self.data / "sync.csv"

    @property
    def sync_proposal(self) -> Path:
        """Rows to choose from for ``sync_csv``; no asset reads it."""
        return self.data / "sync_proposal.csv"

    @property
    def regions_csv(self) -> Path:
        """Hand-written regions."""
        return self.data / "regions.csv"

    @property
    def pictures(self) -> Path:
        """Charts, outlines and masked contact sheets."""
        return self.data / "pictures"

    @property
    def report(self) -> Path:
        """The study as one page."""
        return self.data / "report.html"

    def layout_pictures(self, patient_id: str) -> Path:
        """Outlines of one visit's layouts, one picture each."""
        return self.pictures / "layouts" / patient_id

    @property
    def statistics(self) -> Path:
        """Study-wide numbers of the dataset."""
        return self.data / "statistics.json"

    def leak_sheets(self, release: str) -> Path:
        """Masked pictures of a refused release that are too much alike, and a table of them."""
        return self.pictures / "leaks" / release

    def contact_sheet(self, recipe: str) -> Path:
        """Masked thumbnails of one recipe, one row per label."""
        return self.pictures / f"contact_sheet_{recipe}.png"

    def visit_pictures(self, patient_id: str) -> Path:
        """Pictures of one visit: its timeline, and one masked contact sheet per recipe."""
        return self.pictures / "visits" / patient_id

    def timeline_picture(self, patient_id: str) -> Path:
        """Labels, status and masked thumbnails of one visit over time."""
        return self.visit_pictures(patient_id) / "timeline.png"

    def visit_contact_sheet(self, patient_id: str, recipe: str) -> Path:
        """Masked thumbnails of one visit and recipe, one row per layout."""
        return self.visit_pictures(patient_id) / f"contact_sheet_{recipe}.png"

    def table(self, name: str) -> Path:
        """A study table, ``labels`` for ``labels.csv``."""
        return self.data / f"{name}.csv"

    def raw_folder(self, patient_id: str) -> Path:
        """The raw videos of one visit."""
        return self.raw_data / patient_id

    def frames_folder(self, patient_id: str, video_id: str) -> Path:
        """The extracted images of one video."""
        return self.frames / patient_id / video_id

    def frames_of_patient(self, patient_id: str) -> Path:
        """The extracted images of one visit, one folder per video."""
        return self.frames / patient_id

    def frame_table(self, patient_id: str) -> Path:
        """The frame table of one visit; its Parquet twin has the suffix ``.parquet``."""
        return self.frames / f"{patient_id}.csv"

    def preprocessed_folder(self, recipe: str, patient_id: str, video_id: str) -> Path:
        """The preprocessed images of one video."""
        return self.preprocessed / recipe / patient_id / video_id

    # what was there before the root was adopted

    @property
    def legacy_tables(self) -> Path:
        """Tables, frames and preprocessed frames of earlier scripts."""
        return self.data / "legacy"

    @property
    def legacy(self) -> Path:
        """Raw files that no source has, and whatever else was in this package's way."""
        return self.root / "legacy"

    # per-patient parts that tables are assembled from

    @property
    def all_parts(self) -> Path:
        """The folder of all parts of all tables."""
        return self.data / "parts"

    def parts(self, table: str) -> Path:
        """The folder of a table's parts."""
        return self.all_parts / table

    def part(self, table: str, patient_id: str) -> Path:
        """One patient's part of a table."""
        return self.parts(table) / f"{patient_id}.parquet"

    # the pipeline's own state: only this package reads it

    @property
    def state(self) -> Path:
        """Folder of the pipeline's own state."""
        return _joined(self.root, ".eus_etl")

    @property
    def owner_file(self) -> Path:
        """The mark that a root is ours."""
        return self.state / "root.json"

    @property
    def home_note(self) -> Path:
        """Which Dagster home the root is worked on with."""
        return self.state / "home.json"

    @property
    def forgotten(self) -> Path:
        """What is left of forgotten visits: hashes of their names."""
        return _joined(self.state, "forgotten.json")

    @property
    def adopting(self) -> Path:
        """Observations of the sources while the root is adopted; removed afterwards."""
        return self.state / "adopting"

    @property
    def inventory(self) -> Path:
        """What the last observation of each source found."""
        return _joined(self.state, "inventory")

    def observed(self, source: str) -> Path:
        """What the last observation of one source found."""
        return _joined(self.inventory, source)

    @property
    def md5_sums(self) -> Path:
        """MD5 sums of a local folder's files, so that each is hashed once."""
        return self.inventory / "md5_sums.json"

    @property
    def drive_mirror(self) -> Path:
        """What is known of a drive."""
        return self.inventory / "drive.sqlite"

    @property
    def unseen(self) -> Path:
        """Since when a source could not be observed: a file per such source."""
        return self.state / "unseen"

    @property
    def review(self) -> Path:
        """Sheets for reviewing regions, one folder per visit; unmasked, like extracted frames."""
        return self.state / "review"

    @property
    def copies(self) -> Path:
        """What is remembered of the verified copies in ``raw_data``, a file a visit."""
        return self.state / "raw"

    def gathered(self, name: str) -> Path:
        """The rows of all visits' small tables of this name, so that they need not be read one by one."""
        return self.state / "gathered" / f"{name}.parquet"

    @property
    def pages(self) -> Path:
        """What the assets were last made from, a page a visit."""
        return _joined(self.state, "ledger")

    def ledger(self, patient_id: str) -> Path:
        """What each asset of a visit was last made from."""
        return self.pages / f"{patient_id}.json"

    @property
    def extracted(self) -> Path:
        """Frame rows, cell grids and manifests of all extracted videos."""
        return self.state / "extracted"

    def extracted_folder(self, patient_id: str, video_id: str) -> Path:
        """Frame rows, cell grid and manifest of one extracted video."""
        return self.extracted / patient_id / video_id

    def extracted_of_patient(self, patient_id: str) -> Path:
        """The state folders of one visit's extracted videos."""
        return self.extracted / patient_id

    @property
    def verification(self) -> Path:
        """How far the last verification came, and what it found."""
        return self.state / "verification.json"

    @property
    def preprocessed_state(self) -> Path:
        """Manifests and rows of preprocessed videos: a folder a recipe, in it a folder a visit."""
        return self.state / "preprocessed"

    def looks(self, recipe: str, patient_id: str) -> Path:
        """What one visit's preprocessed images look like, for the search for leaks."""
        return self.state / "looks" / recipe / f"{patient_id}.npz"

    def preprocessed_manifest(self, recipe: str, patient_id: str, video_id: str) -> Path:
        """What one recipe made of one video."""
        return self.preprocessed_state / recipe / patient_id / f"{video_id}.json"

    @property
    def release_records(self) -> Path:
        """What leads back from each release to the study, a folder a release; never leaves the hospital."""
        return self.state / "releases"

    def release_record(self, release: str) -> Path:
        """What leads back from one release to the study."""
        return self.release_records / release

    def relative(self, path: Path) -> str:
        """``path`` below the root, with ``/``, as tables show it."""
        return path.relative_to(self.root).as_posix()
