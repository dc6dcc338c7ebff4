"""Proposals for ``sync.csv`` beside what is true of the synthetic hospital."""

import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.commands.sync_check import Proposal, propose
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import SYNC
from eus_etl.settings import load_study
from eus_etl_tests.support.commands import call
from eus_etl_tests.support.hospitals.demo_run import Demo


@pytest.mark.slow
def test_the_truth_of_the_sample_is_proposed_within_a_second(demo: Demo) -> None:
    """Both planted corrections, and that nothing was planted in the other visits."""
    visits = 0
    for study in demo.studies.values():
        truth = pl.read_csv(study.demo / "truth" / study.name / "sync.csv", schema=SYNC.schema)
        planted = {row["patient_id"]: (row["offset_s"], row["scale"]) for row in truth.to_dicts()}
        ids = study.true_videos["patient_id"].drop_nulls().unique().to_list()
        for proposal in propose(study.study, ids):
            if not proposal.proposed:
                continue
            off_s = off(proposal, *planted.get(proposal.patient_id, (0.0, 1.0)))
            # the tables cannot always tell, but then they say so
            assert min(off_s[: max(1, proposal.alike)]) <= 1.0, (proposal, off_s)
            visits += 1
    assert visits >= 5


def off(proposal: Proposal, offset_s: float, scale: float) -> list[float]:
    """How far each candidate is from the truth over the procedure, at most, in seconds."""
    return [one.most_off_s(offset_s, scale) for one in proposal.proposed]


def test_the_command_writes_rows_to_choose_from_and_moves_nothing(made_hospital: TinyHospital) -> None:
    study = load_study(made_hospital.config)
    paths = StudyPaths(study.root)
    before = {file: file.read_bytes() for file in paths.master.rglob("*") if file.is_file()}
    done = call("sync-check", "--config", made_hospital.config)
    assert done.exit_code == 0, done.output
    after = {file: file.read_bytes() for file in paths.master.rglob("*") if file.is_file()}
    assert after.keys() - before.keys() <= {paths.sync_proposal}
    assert all(after[file] == content for file, content in before.items())


def test_an_unknown_visit_is_refused(made_hospital: TinyHospital) -> None:
    done = call("sync-check", "--config", made_hospital.config, "--patient", "nobody")
    assert done.exit_code == 1
    assert "no visit of this study" in done.output
