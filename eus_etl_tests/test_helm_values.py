"""The values for Dagster's Helm chart: keys that the chart knows, and what one pod per visit needs.

The models hold the part of the chart's own `values.schema.json` that the values use. They were never run on
Kubernetes.
"""

from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from eus_etl.settings import shipped


class Values(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)


class Image(Values):
    repository: str
    tag: str
    pull_policy: Literal["Always", "IfNotPresent", "Never"]


class Variable(Values):
    name: str
    value: str


class Named(Values):
    name: str


class Claim(Values):
    claim_name: str


class Volume(Values):
    name: str
    persistent_volume_claim: Claim


class Mount(Values):
    name: str
    mount_path: str


class Enabled(Values):
    enabled: bool


class UserDeployment(Values):
    name: str
    image: Image
    dagster_api_grpc_args: list[str]
    port: int
    env: list[Variable]
    env_secrets: list[Named]
    include_config_in_launched_runs: Enabled
    volumes: list[Volume]
    volume_mounts: list[Mount]


class UserDeployments(Values):
    enabled: bool
    deployments: list[UserDeployment]


class Resources(Values):
    requests: dict[Literal["cpu", "memory"], str]
    limits: dict[Literal["cpu", "memory"], str]


class Container(Values):
    resources: Resources


class SecurityContext(Values):
    run_as_user: int
    run_as_group: int
    fs_group: int


class PodSpec(Values):
    termination_grace_period_seconds: int
    security_context: SecurityContext


class JobSpec(Values):
    backoff_limit: int
    ttl_seconds_after_finished: int


class RunK8sConfig(Values):
    container_config: Container
    pod_spec_config: PodSpec
    job_spec_config: JobSpec


class K8sRunLauncher(Values):
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"]
    run_k8s_config: RunK8sConfig = Field(alias="runK8sConfig")


class LauncherConfig(Values):
    k8s_run_launcher: K8sRunLauncher = Field(alias="k8sRunLauncher")


class Launcher(Values):
    type: Literal["K8sRunLauncher"]
    config: LauncherConfig


class Service(Values):
    type: str
    port: int


class Webserver(Values):
    replica_count: int
    service: Service


class PerValue(Values):
    apply_limit_per_unique_value: bool


class TagLimit(Values):
    key: str
    value: PerValue
    limit: int


class Queue(Values):
    max_concurrent_runs: int
    tag_concurrency_limits: list[TagLimit]


class CoordinatorConfig(Values):
    queued_run_coordinator: Queue


class Coordinator(Values):
    enabled: bool
    type: Literal["QueuedRunCoordinator"]
    config: CoordinatorConfig


class Sensors(Values):
    use_threads: bool
    num_workers: int


class Monitoring(Values):
    enabled: bool
    start_timeout_seconds: int
    max_resume_run_attempts: int
    free_slots_after_run_end_seconds: int


class Retries(Values):
    enabled: bool
    max_retries: int


class Daemon(Values):
    enabled: bool
    run_coordinator: Coordinator
    sensors: Sensors
    run_monitoring: Monitoring
    run_retries: Retries


class Days(Values):
    purge_after_days: int | dict[Literal["skipped", "failure", "success", "started"], int]


class Retention(Values):
    enabled: bool
    sensor: Days
    schedule: Days


class Postgresql(Values):
    enabled: bool
    postgresql_database: str
    postgresql_username: str


class Global(Values):
    postgresql_secret_name: str


class Chart(Values):
    user_deployments: UserDeployments
    run_launcher: Launcher
    dagster_webserver: Webserver
    dagster_daemon: Daemon
    retention: Retention
    postgresql: Postgresql
    generate_postgresql_password_secret: bool
    global_: Global
    additional_instance_config: dict[str, Any]
    telemetry: Enabled


def values() -> dict[str, Any]:
    raw = yaml.safe_load(shipped("deploy/k8s/values.yaml").read_text(encoding="utf-8"))
    raw["userDeployments"], raw["global_"] = raw.pop("dagster-user-deployments"), raw.pop("global")
    assert isinstance(raw, dict)
    return raw


def test_the_chart_knows_every_key() -> None:
    chart = Chart.model_validate(values())
    (deployment,) = chart.user_deployments.deployments
    # the run's pod gets what the code server's pod has, so that both see the same data and studies
    assert deployment.include_config_in_launched_runs.enabled
    assert {mount.name for mount in deployment.volume_mounts} == {
        volume.name for volume in deployment.volumes
    }
    configs = next(variable.value for variable in deployment.env if variable.name == "EUS_ETL_CONFIGS")
    assert any(configs.startswith(mount.mount_path) for mount in deployment.volume_mounts)


def test_an_unknown_key_is_found() -> None:
    raw = values()
    raw["dagsterDaemon"]["runMonitoring"]["start_timeout"] = 1
    with pytest.raises(ValidationError):
        Chart.model_validate(raw)


def test_it_limits_and_retries_as_one_machine_does() -> None:
    daemon = Chart.model_validate(values()).dagster_daemon
    here = yaml.safe_load(shipped("dagster.yaml").read_text(encoding="utf-8"))
    (limit,) = here["concurrency"]["runs"]["tag_concurrency_limits"]
    (found,) = daemon.run_coordinator.config.queued_run_coordinator.tag_concurrency_limits
    assert (found.key, found.limit) == (limit["key"], limit["limit"])
    assert found.value.apply_limit_per_unique_value
    assert daemon.run_retries.max_retries == here["run_retries"]["max_retries"]
    assert daemon.run_monitoring.enabled
    added = values()["additionalInstanceConfig"]
    assert added["concurrency"]["pools"] == here["concurrency"]["pools"]


def test_kubernetes_itself_tries_nothing_again() -> None:
    launcher = Chart.model_validate(values()).run_launcher.config.k8s_run_launcher
    assert launcher.run_k8s_config.job_spec_config.backoff_limit == 0
