"""Disks, web server and code server, as seen from this machine."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from eus_etl.commands.doctor.filesystem import nearest_folder
from eus_etl.domain.alerts.problem import Problem
from eus_etl.domain.numbers import bytes_in_units
from eus_etl.settings.alerts import AlertsConfig
from eus_etl.storage.files.begun import begun_at

_TIMEOUT_S = 10.0
_UPKEEP_S = 24 * 3600.0
_CODE_SERVICE = "DagsterApi"
_GB = 10**9
_SERVER_ERROR = 500  # RFC 9110: from here on the server itself has failed


def full_disks(places: Iterable[tuple[str, str, Path]], config: AlertsConfig) -> Iterator[Problem]:
    """Disks with less free space than they should have; each once.

    Args:
        places: study (empty for what all use), what it is, and a path on the disk.
        config: the configuration.
    """
    told: set[int] = set()
    for study, word, path in places:
        folder = nearest_folder(path)
        device, free = folder.stat().st_dev, shutil.disk_usage(folder).free
        if free < config.disk_free_gb * _GB and device not in told:
            told.add(device)
            yield Problem(
                kind="disk",
                study=study,
                word=word,
                detail=f"{bytes_in_units(free)} free on its disk",
                look="free space or enlarge the disk: work stops when it is full, and nothing is lost",
            )


def unfinished_upkeep(places: Iterable[tuple[str, str, Path]], now: float) -> Iterator[Problem]:
    """Upkeep that began a day ago or more, and since then no try has come to its end.

    Args:
        places: study (empty for what all use), what it is, and the mark of one that has begun.
        now: seconds since 1970.
    """
    for study, word, mark in places:
        since = begun_at(mark)
        if since is not None and now - since > _UPKEEP_S:
            yield Problem(
                kind="upkeep",
                study=study,
                word=word,
                detail=f"began {(now - since) / 3600:.0f} hours ago, and no try since then came to its end",
                apart=f"{since:.0f}",
                look="the journal of its service says why; if it was started by hand, start it again",
            )


def silent_services(config: AlertsConfig) -> Iterator[Problem]:
    """Services that are configured and do not answer."""
    if config.webserver and not _web_server_answers(config.webserver):
        yield silent_service("webserver")
    if config.code_server and not _code_server_serves(config.code_server):
        yield silent_service("code_server")


def silent_service(word: str) -> Problem:
    """A service that does not answer."""
    return Problem(
        kind="service",
        study="",
        word=word,
        detail="does not answer",
        look="start its service, or start it again; its journal says why",
    )


def _web_server_answers(url: str) -> bool:
    try:
        answer = requests.get(
            f"{url.rstrip('/')}/server_info", timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        )
    except requests.RequestException:
        return False
    with answer:
        return answer.status_code < _SERVER_ERROR


def _code_server_serves(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        asked = health_pb2.HealthCheckRequest(service=_CODE_SERVICE)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=_TIMEOUT_S)
        except grpc.RpcError:
            return False
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return name == "SERVING"
