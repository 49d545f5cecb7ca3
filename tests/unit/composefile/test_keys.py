"""Every key of the specification has one class, and each class does what it says."""

from pathlib import Path

import pytest

from composefile import inner, keys
from composefile.rules import Rule
from tests.unit.composefile.sample import compose, errors, service, web_error, web_warning

# properties of "service" in schema/compose-spec.json of compose-spec, 170098b of 2026-06-23
_WRITTEN = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends
external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging
mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period
stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir
"""
SPECIFICATION = _WRITTEN.split()

ALL = [*keys.SERVICE.items(), *keys.TOP.items(), *(pair for rules in inner.TABLES.values() for pair in rules.items())]


def of_kind(kind: str) -> list[str]:
    return [name for name, rule in keys.SERVICE.items() if rule.kind == kind]


def test_every_key_of_the_specification_is_decided() -> None:
    assert len(SPECIFICATION) == 92
    assert set(keys.SERVICE) == set(SPECIFICATION)
    assert set(keys.TOP) == {
        "version",
        "name",
        "include",
        "services",
        "models",
        "networks",
        "volumes",
        "secrets",
        "configs",
    }


@pytest.mark.parametrize(("name", "rule"), ALL)
def test_every_refusal_has_a_reason_and_a_fix(name: str, rule: Rule) -> None:
    assert rule.text
    assert rule.kind == "supported" or rule.fix.endswith(".")


@pytest.mark.parametrize("name", of_kind("refused") + of_kind("permission"))
def test_a_refused_key_is_an_error_with_reason_and_fix(name: str) -> None:
    problem = web_error(f"{name}: x")
    rule = keys.SERVICE[name]
    assert (problem.line, problem.column, problem.field) == (4, 5, f"services.web.{name}")
    assert rule.text in problem.message and problem.fix == rule.fix
    assert problem.message.startswith("needs permission" if rule.kind == "permission" else "not supported")


@pytest.mark.parametrize("name", of_kind("warning"))
def test_a_harmless_key_is_a_warning(name: str) -> None:
    warning = web_warning(f"{name}: x")
    assert warning.field == f"services.web.{name}" and warning.message.startswith("ignored: ")


@pytest.mark.parametrize("name", of_kind("supported"))
def test_a_supported_key_is_read(name: str) -> None:
    if name == "image":
        return
    assert compose(service(f"{name}:")).warnings == ()  # nothing written after it: as if it were not there
    # no supported key takes a list of a mapping of an unknown word without a word about it
    assert errors(service(f"{name}: [{{unheard: of}}]"))


@pytest.mark.parametrize("name", ["configs", "secrets", "models"])
def test_top_level_keys_that_are_refused(name: str) -> None:
    problem = web_error("", f"{name}: {{}}\n")
    assert problem.field == name and problem.fix == keys.TOP[name].fix


@pytest.mark.parametrize("name", ["env_file", "label_file", "profiles", "extends"])
def test_what_rope_works_out_is_an_error_at_the_center(name: str) -> None:
    problem = web_error(f"{name}: [x]")
    assert problem.field == f"services.web.{name}" and "Deploy with rope" in problem.fix
    (included,) = errors(service("", "include: [x]\n"))
    assert included.field == "include" and "Deploy with rope" in included.fix


@pytest.mark.parametrize(
    ("written", "meant"),
    [("comand", "command"), ("Image", "image"), ("volume", "volumes"), ("depends-on", "depends_on")],
)
def test_a_near_miss_is_told(written: str, meant: str) -> None:
    problem = web_error(f"{written}: x")
    assert (problem.message, problem.fix) == ("unknown key", f'Did you mean "{meant}"?')


def test_a_far_miss_gets_no_guess() -> None:
    assert "Did you mean" not in web_error("qqq: x").fix


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "compose.md"
    expected = keys.markdown()
    assert page.read_text(encoding="utf-8") == expected, "write keys.markdown() to docs/compose.md"
    assert all(f"| `{name}` |" in expected for name, _ in ALL)
