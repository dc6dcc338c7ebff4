"""One look at everything: list the problems, decide which are new, send those, remember them.

A message is sent before it is recorded: after a crash in between it comes twice, never not at all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from eus_etl.commands.upkeep.verification import mark_of_begun
from eus_etl.commands.watch import of_services, of_study
from eus_etl.commands.watch.of_cluster import silent_workers
from eus_etl.commands.watch.send import channels, deliver, require_mail_server
from eus_etl.defs import health
from eus_etl.defs.event_store.clean_up import BEGUN
from eus_etl.defs.instance import dagster_home, is_ready, opened
from eus_etl.domain.alerts.message import Message, compose
from eus_etl.domain.alerts.problem import Problem
from eus_etl.domain.alerts.record import after_telling, decide, morning_due
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.settings import AlertsConfig, StudyConfig, load_study, study_files
from eus_etl.settings.alerts import BLOCKING, KINDS, Kind
from eus_etl.steps.observation.snapshot import alias_of
from eus_etl.storage.files.locks import file_lock
from eus_etl.storage.told_record import read_record, write_record
from eus_etl.storage.trouble import told

_Look = Callable[[], Iterable[Problem]]


@dataclass(slots=True)
class Look:
    """What one look found.

    Attributes:
        problems: what is wrong now.
        looked: the kinds that could be looked for.
    """

    problems: list[Problem] = field(default_factory=list)
    looked: set[Kind] = field(default_factory=lambda: set(KINDS))


@dataclass(slots=True)
class Outcome:
    """What one look led to.

    Attributes:
        problems: what is wrong now.
        sent: messages that arrived.
        failures: in words, what could not be told, and why.
    """

    problems: Sequence[Problem]
    sent: list[Message] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def watch_once(configs: Path, config: AlertsConfig, now: float) -> Outcome:
    """Look at everything once, and tell what is new.

    Args:
        configs: folder of the studies' files.
        config: who is told, of what, and when.
        now: seconds since 1970.
    """
    record_lock = config.record.with_name(f".{config.record.name}.lock")
    with ExitStack() as held:
        try:
            record_lock.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(record_lock))
        except OSError:
            pass  # the record has a second place; two looks at once tell twice at worst
        return _watch(configs, config, now)


def _watch(configs: Path, config: AlertsConfig, now: float) -> Outcome:
    before = read_record(config.record)
    morning = morning_due(before, config, now)
    wanted = set(KINDS) if morning else {*config.at_once, *BLOCKING}
    look = look_at(configs, config, wanted, now)
    outcome = Outcome(look.problems)
    if config.smtp is not None:
        try:
            require_mail_server(config.smtp)
        except EusEtlError as error:
            outcome.failures.append(str(error))
            look.problems.append(_dead_mail_server())
    decision = decide(before, look.problems, look.looked, config, now)
    record = decision.record
    write_record(config.record, record)
    waiting = list(decision.morning) if morning else []
    for problems in (decision.at_once, waiting):
        if not problems:
            continue
        if not channels(config):
            outcome.failures.append(f"told to nobody, as no channel is configured: {len(problems)} problems")
            continue
        message = compose(problems, config)
        delivery = deliver(config, message)
        outcome.failures += [
            str(error) for error in delivery.failures.values() if str(error) not in outcome.failures
        ]
        if not delivery.arrived:
            outcome.failures.append(f"told to nobody: {message.subject}")
            return outcome
        outcome.sent.append(message)
        record = after_telling(record, problems, now)
        write_record(config.record, record)
    if morning:
        write_record(config.record, record.model_copy(update={"morning_on": morning}))
    return outcome


def look_at(configs: Path, config: AlertsConfig, wanted: set[Kind], now: float) -> Look:
    """List what is wrong, of the kinds that are wanted.

    What cannot be looked at is a problem of its own; of its kinds nothing is known then.
    """
    look = Look(looked=set(wanted))
    studies = _studies(configs, look)
    homes = {dagster_home(study).resolve() for study in studies}
    _gather(look, ("service",), "services", partial(of_services.silent_services, config))
    places = [(study.study, "root", study.root) for study in studies]
    places += [("", "dagster_home", home) for home in homes] + [("", "record", config.record)]
    _gather(look, ("disk",), "disks", partial(of_services.full_disks, places, config))
    upkeep = [(study.study, "verification", mark_of_begun(StudyPaths(study.root))) for study in studies]
    upkeep += [("", "clean_up", home / BEGUN) for home in homes]
    _gather(look, ("upkeep",), "upkeep", partial(of_services.unfinished_upkeep, upkeep, now))
    for home in homes:
        _gather(look, ("service",), "workers", partial(silent_workers, home))
        _look_at_home(look, home, studies, now)
    for study in studies:
        of_kinds: Sequence[tuple[tuple[Kind, ...], _Look]] = (
            (("source_unreachable",), partial(of_study.unreachable_sources, study)),
            (
                ("rejected_file", "rejected_row", "unassigned", "label_problem", "text_check"),
                partial(of_study.rejections, study),
            ),
            (("clock_drift",), partial(of_study.clock_drifts, study)),
            (("damaged_data",), partial(of_study.damages, study)),
            (("nothing_new",), partial(of_study.lull, study, config, now)),
        )
        for kinds, see in of_kinds:
            if wanted.intersection(kinds):
                _gather(look, kinds, study.study, see, StudyPaths(study.root))
    look.problems = [problem for problem in look.problems if problem.kind in wanted]
    return look


def _studies(configs: Path, look: Look) -> list[StudyConfig]:
    studies: list[StudyConfig] = []
    try:
        files = study_files(configs)
    except EusEtlError:
        files = []
        _unreadable(look, "the folder of the studies' files is not there")
    for path in files:
        try:
            studies.append(load_study(path))
        except EusEtlError:
            _unreadable(look, "a study's file cannot be used, so nothing of that study is done", path.name)
    return studies


def _unreadable(look: Look, detail: str, apart: str = "") -> None:
    look.problems.append(
        Problem(
            kind="unreadable",
            study="",
            word="configuration",
            detail=detail,
            apart=apart,
            look="`eus-etl check-config FILE` says what is wrong in it",
        )
    )
    # of a study that cannot be read nothing is known
    look.looked &= {"service", "disk", "mail_server", "unreadable"}


def _look_at_home(look: Look, home: Path, studies: Sequence[StudyConfig], now: float) -> None:
    kinds: tuple[Kind, ...] = ("daemon", "sensor", "sensor_off", "failed_run")
    names = {study.study: study for study in studies}

    def see() -> Iterator[Problem]:
        if not is_ready(home):
            yield Problem(
                kind="daemon",
                study="",
                word="dagster-daemon",
                detail="there is no Dagster home",
                look="mount its disk; on a new server, start the services, which make it",
            )
            return
        with opened(home) as instance:
            silent = list(health.silent_daemons(instance, now))
            yield from silent
            yield from health.troubled_sensors(instance, names, now, ticking=not silent)
            for problem in health.failed_runs(instance, now):
                yield _with_alias(problem, names)

    _gather(look, kinds, "dagster_home", see)


def _with_alias(problem: Problem, studies: dict[str, StudyConfig]) -> Problem:
    study = studies.get(problem.study)
    if study is None or not problem.visit:
        return problem
    return replace(problem, alias=alias_of(StudyPaths(study.root), problem.visit))


def _gather(
    look: Look, kinds: Sequence[Kind], word: str, see: _Look, paths: StudyPaths | None = None
) -> None:
    """What ``see`` finds; where it fails, that is the problem, and nothing is known of its kinds."""
    try:
        look.problems += list(see())
    except Exception as error:
        fit = told(error, word, paths)
        look.looked.difference_update(kinds)
        look.problems.append(
            Problem(
                kind="unreadable",
                study="",
                word=word,
                detail=f"cannot be looked at ({type(fit).__name__})",
                look="`eus-etl doctor` and the journal of the watchdog say more",
            )
        )


def _dead_mail_server() -> Problem:
    return Problem(
        kind="mail_server",
        study="",
        word="smtp",
        detail="does not take messages, so this one came by the webhook alone",
        look="check the server and the password; `eus-etl watch --test` sends a message",
    )
