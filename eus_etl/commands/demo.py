"""The demo: a synthetic hospital, both studies run through the asset graph, and a summary."""

import json
import os
import shutil
from pathlib import Path

import polars as pl
import yaml

from eus_etl import terminal
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.request import request_release
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.errors import ForeignRootError
from eus_etl.sample.hospital import make_hospital
from eus_etl.settings import StudyConfig, load_study, shipped, study_files
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.tables.table_files import read_part

_MARK = ".eus_etl_demo"
_RELEASE = "default"
_KEY = "a key for people who were made up: it protects nobody"


def run_demo(root: Path) -> bool:
    """Make the hospital below ``root`` (once), run both studies, and print what was made and where.

    Returns:
        Whether everything could be made.

    Raises:
        ForeignRootError: the folder holds something other than a demo.
    """
    if root.is_dir() and any(root.iterdir()) and not (root / _MARK).is_file():
        raise ForeignRootError(
            str(root), "the folder is not empty and holds no demo", "name another folder with --root"
        )
    write_atomically(root / _MARK, b"")
    if not (root / "incoming").is_dir():
        _make_hospital(root)
    _write_configs(root)
    complete = True
    with open_instance(root / "dagster_home") as instance:
        for file in study_files(root / "configs"):
            study = load_study(file)
            _copy_sync(root, study)
            with terminal.visits_progress(study.study) as tell:
                session = StudySession(study, instance)
                report = session.run(progress=tell)
            _summarise(study)
            terminal.show_report(study.study, report)
            complete = complete and report.complete and _release(session)
    _say_where(root)
    return complete


def _make_hospital(root: Path) -> None:
    """Build it elsewhere, then move it into place: an interrupted one is not mistaken for a complete one."""
    aside = root / "incoming.partial"
    shutil.rmtree(aside, ignore_errors=True)
    with terminal.steps_progress("synthetic hospital") as tell:
        make_hospital(aside, progress=tell)
    shutil.rmtree(root / "truth", ignore_errors=True)
    (aside / "truth").replace(root / "truth")
    (aside / "incoming").replace(root / "incoming")
    aside.rmdir()


def _write_configs(root: Path) -> None:
    """The shipped study files, with the hospital's sources and their own roots."""
    folder = root / "configs"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(shipped("configs") / "preprocess_config.yaml", folder / "preprocess_config.yaml")
    for file in study_files(shipped("configs")):
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = config["study"]
        config["root"] = f"../{name}"  # beside dagster_home, where `eus-etl run` looks for it
        config["sources"]["videos"]["path"] = f"../incoming/{name}/videos"
        config["sources"]["label_items"]["path"] = f"../incoming/{name}/items.json"
        config["sources"]["patient_rows"]["path"] = f"../incoming/{name}/patients.csv"
        config["sources"]["poll_s"] = 5
        write_atomically(folder / file.name, yaml.safe_dump(config, sort_keys=False).encode())


def _release(session: StudySession) -> bool:
    """Make a release of the study, and say where it is and how to load it.

    Nobody reviewed the demo's masks, so it is made as such a release is, and its card says so.
    """
    study = session.graph.study
    os.environ.setdefault(study.releases[_RELEASE].key_variable, _KEY)
    report = request_release(session, _RELEASE, accept_unreviewed=True)
    for failed in report.failed:
        terminal.show_error(f"{study.study}, {failed.asset}", failed.error)
    for made in report.made:
        folder = study.root / str(made.metadata["folder"])
        terminal.console.print()
        terminal.console.print(f"release of {study.study}: {folder}", soft_wrap=True)
        terminal.console.print("  nobody reviewed its masks (--accept-unreviewed), and its README.md says so")
        terminal.console.print(f'  load it: eus_etl.dataset.load("{folder}")', soft_wrap=True)
    return not report.failed


def _copy_sync(root: Path, study: StudyConfig) -> None:
    """Give the study the hospital's hand-written corrections of time, once."""
    written, target = root / "truth" / study.study / "sync.csv", StudyPaths(study.root).sync_csv
    if written.is_file() and not target.exists():
        write_atomically(target, written.read_bytes())


def _summarise(study: StudyConfig) -> None:
    paths = StudyPaths(study.root)
    rejected = pl.read_csv(paths.table(catalog.REJECTED.name), schema=catalog.REJECTED.schema)
    rows = [
        _visit_row(study, paths, path, rejected)
        for path in listed(paths.parts(catalog.PATIENTS.name), "*.parquet")
    ]
    terminal.console.print()
    terminal.console.print(terminal.data_table(study.title, pl.DataFrame(rows)))
    unassigned = (
        rejected.filter(pl.col("patient_id").is_null())
        .group_by("stage", "reason")
        .len()
        .sort("stage", "reason")
    )
    for stage, reason, count in unassigned.iter_rows():
        terminal.console.print(f"  not given to a visit: {count} {reason} ({stage})")
    statistics = json.loads(paths.statistics.read_bytes())
    for family, found in statistics["frames_per_label"].items():
        counts = ", ".join(
            f"{label} {n['all']} ({n['ok_and_certain']} ok and certain)" for label, n in found.items()
        )
        terminal.console.print(f"  frames of {family}: {counts or 'none'}")


def _visit_row(
    study: StudyConfig, paths: StudyPaths, part: Path, rejected: pl.DataFrame
) -> dict[str, object]:
    patient = part.stem
    facts = pl.read_parquet(part).row(0, named=True)
    frames = read_part(
        paths.frame_table(patient).with_suffix(".parquet"), catalog.frame_table(study.families)
    )
    intervals = read_part(paths.part(catalog.LABELS.name, patient), catalog.LABELS)
    reasons = rejected.filter(patient_id=patient)["reason"].value_counts().sort("reason")
    return {
        "visit": patient,
        "alias": facts["pseudo_name"],
        "videos": read_part(paths.part(catalog.VIDEOS.name, patient), catalog.VIDEOS).height,
        "frames": frames.height,
        "disturbed": int(frames["disturbed"].sum()),
        "labelled": frames.filter(pl.any_horizontal(pl.col(*study.families).is_not_null())).height,
        "intervals used": intervals.filter(pl.col("status") != "rejected").height,
        "rejected": terminal.reasons(dict(reasons.iter_rows())),
    }


def _say_where(root: Path) -> None:
    terminal.console.print()
    for file in study_files(root / "configs"):
        study = load_study(file)
        paths = StudyPaths(study.root)
        terminal.console.print(f"{study.study}:")
        for path, what in (
            (paths.data, "tables: labels, patients, videos, preprocess_metadata, layouts, rejected, dataset"),
            (paths.frames, "extracted frames, and one table per visit"),
            (paths.preprocessed, "masked frames, one folder per recipe"),
        ):
            terminal.console.print(f"  {path}  {what}", soft_wrap=True)
    terminal.console.print(f"known truth: {root / 'truth'}", soft_wrap=True)
    terminal.console.print("to see it in Dagster's page: make ui", soft_wrap=True)
