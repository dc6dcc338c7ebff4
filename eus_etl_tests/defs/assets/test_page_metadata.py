"""What Dagster's page is told of the assets: columns, owners, code, groups, freshness, severities, facts."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from benchmarks.support.places import CONFIGS
from eus_etl.defs.assets.events import REJECTIONS, facts_of, picture_event, rejections_of
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.keys import patients_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import StudyConfig, load_study
from eus_etl.steps.observation.snapshot import OF_THE_STUDY, SOURCES
from eus_etl.steps.result import StepResult
from eus_etl.steps.study_tables import assemble_rejected
from eus_etl.storage.tables.parts import part_outputs, write_rejected

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
SEVERITIES = {
    "videos_open": ERROR,
    "no_problem_unseen": ERROR,
    "images_equal_rows": ERROR,
    "frames_equal_rows": ERROR,
    "every_layout_has_a_region": WARN,
    "labels_inside_recording": WARN,
    "synchronised": WARN,
    "no_readable_text": WARN,
}


def owned(*owners: str) -> StudyConfig:
    study = load_study(CONFIGS / "eus_config.yaml")
    return StudyConfig.model_validate(study.model_dump() | {"owners": owners})


@pytest.fixture(scope="module")
def graph() -> StudyGraph:
    return study_graph(owned("someone@example.org", "team:imaging"))


@pytest.fixture(scope="module")
def specs(graph: StudyGraph) -> dict[str, dg.AssetSpec]:
    """All assets as Dagster has them."""
    found = [
        spec
        for asset in graph.assets()
        for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset])
    ]
    return {spec.key.path[-1]: spec for spec in found}


def test_each_table_shows_its_columns_with_meaning_and_unit(specs: dict[str, dg.AssetSpec]) -> None:
    shown = {name: spec.metadata.get("dagster/column_schema") for name, spec in specs.items()}
    assert {name for name, schema in shown.items() if schema is None} == {
        *SOURCES,
        *OF_THE_STUDY,
        Asset.TIMELINE,
    }
    schema = shown[Asset.LABELS]
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == LABELS.names
    assert all(column.description for column in schema.columns)
    (start,) = [column for column in schema.columns if column.name == "start_s"]
    assert start.type == "Float64"
    assert str(start.description).endswith("(s of procedure time)")


def test_each_asset_has_its_stage_and_its_owners(specs: dict[str, dg.AssetSpec]) -> None:
    groups = {
        group: {name for name, spec in specs.items() if spec.group_name == group}
        for group in ("sources", "visit", "tables", "releases")
    }
    assert groups["sources"] == {*SOURCES, *OF_THE_STUDY}
    assert groups["releases"] == {"release"}
    assert groups["tables"] == {n for n in specs if n.endswith("_csv")} | {"dataset"}
    assert sum(map(len, groups.values())) == len(specs)
    assert all(list(spec.owners) == ["someone@example.org", "team:imaging"] for spec in specs.values())
    assert all(spec.kinds for spec in specs.values())
    assert {spec.tags["eus_etl/study"] for spec in specs.values()} == {"eusml"}


@pytest.mark.parametrize("owner", ["someone", "team:", "team: x", "a b@example.org", ""])
def test_an_owner_that_dagster_would_refuse_is_refused_with_the_configuration(owner: str) -> None:
    with pytest.raises(ValidationError):
        owned(owner)


def test_code_leads_to_the_function_that_does_the_work(specs: dict[str, dg.AssetSpec]) -> None:
    for name in Asset:
        references = specs[name].metadata["dagster/code_references"]
        assert isinstance(references, dg.CodeReferencesMetadataValue)
        (place,) = references.code_references
        assert isinstance(place, dg.LocalFileCodeReference)
        line = Path(place.file_path).read_text().splitlines()[int(place.line_number or 0) - 1]
        assert "/eus_etl/steps/" in place.file_path
        assert line.startswith(f"def {place.label}(")


def test_a_source_that_the_nightly_pass_has_not_seen_is_late(specs: dict[str, dg.AssetSpec]) -> None:
    policies = {name: spec.freshness_policy for name, spec in specs.items()}
    assert {name for name, policy in policies.items() if policy is not None} == set(SOURCES)
    poll = timedelta(hours=1, seconds=owned().sources.poll_s)
    assert policies["label_items"] == dg.FreshnessPolicy.time_window(
        warn_window=timedelta(days=1) + poll, fail_window=timedelta(days=2) + poll
    )


def test_each_check_declares_how_bad_its_failure_is(graph: StudyGraph) -> None:
    declared = {name: check.severity for spec in graph.specs for name, check in spec.checks.items()}
    assert declared == SEVERITIES


def test_facts_are_in_plain_units_and_paths_say_where_they_begin(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    facts: dict[str, int | float | str | bool | Path] = {
        "bytes": 8_400_000,
        "duration_s": 12.5,
        "frames_decoded_per_s": 90.0,
        "statistics": paths.statistics,
    }
    assert facts_of(paths, facts, "Quiet-Otter-2") == {
        "alias": "Quiet-Otter-2",
        "size": "8.4 MB",
        "duration": "12.5 s",
        "frames_decoded_per_s": 90.0,
        "statistics": dg.MetadataValue.path(paths.relative(paths.statistics)),
        "below the root": dg.MetadataValue.path(str(tmp_path)),
    }
    assert facts_of(paths, {"frames": 3}, None) == {"frames": 3}


def test_pictures_have_an_event_of_their_own_that_names_the_visit() -> None:
    key = dg.AssetKey(["eusml", "timeline"])
    assert picture_event(key, "one", "Quiet-Otter-2", StepResult(version="v")) is None
    event = picture_event(
        key, "one", "Quiet-Otter-2", StepResult(version="v", pictures={"timeline": b"RIFF"})
    )
    assert event is not None
    assert event.partition == "one"
    assert list(event.metadata) == ["timeline of Quiet-Otter-2"]
    assert "data:image/webp;base64,UklGRg==" in str(event.metadata["timeline of Quiet-Otter-2"].value)


def test_the_study_is_in_the_key_and_in_the_partition(specs: dict[str, dg.AssetSpec]) -> None:
    assert {spec.key.path[0] for spec in specs.values()} == {"eusml"}
    partitioned = [spec.partitions_def for spec in specs.values() if spec.partitions_def]
    assert set(partitioned) == {patients_of("eusml")}


def records(shown: dict[str, dg.TableMetadataValue], name: str = REJECTIONS) -> list[dict[str, object]]:
    return [dict(record.data) for record in shown[name].records]


def test_the_page_says_why_something_was_rejected_and_shows_no_text_from_outside(tmp_path: Path) -> None:
    study = load_study(CONFIGS / "eus_config.yaml").model_copy(update={"root": tmp_path})
    paths = StudyPaths(tmp_path)
    assert rejections_of(paths, part_outputs(paths, "raw_videos", "one"), "one") == {}
    broken = Rejection(
        item="local-1",
        reason="unreadable",
        detail="cannot be opened as a video file",
        remedy="remove the file",
        file_name="Jane Roe.mp4",
    )
    foreign = Rejection(item="Jane Roe 1", reason="no_stop|unknown_label", detail="not used")
    write_rejected(paths, "raw_videos", "one", [broken])
    write_rejected(paths, "labels", "one", [foreign])
    why = {
        "item": "local-1",
        "reason": "unreadable",
        "detail": "cannot be opened as a video file",
        "remedy": "remove the file",
    }
    assert records(rejections_of(paths, part_outputs(paths, "raw_videos", "one"), "one")) == [why]
    of_study = rejections_of(paths, assemble_rejected(study).outputs, None)
    assert records(of_study)[1] == {"patient_id": "one", "stage": "raw_videos", **why}
    assert records(of_study)[0]["item"] == "an unknown label"
    assert "Roe" not in str(of_study)


def test_an_event_holds_no_thousand_rejections(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    many = (Rejection(item=f"local-{n}", reason="unreadable", detail="broken") for n in range(1000))
    write_rejected(paths, "raw_videos", "one", many)
    shown = rejections_of(paths, part_outputs(paths, "raw_videos", "one"), "one")
    assert len(records(shown, f"{REJECTIONS} (950 more in rejected.csv)")) == 50
