"""The readable difference of two specifications, with nothing secret in it, and the lines of a project's history."""

import msgspec
import pytest

from controlplane.core.command import Deploy, Scale
from controlplane.core.history import changes, history_entry, is_secret, masked_text
from tests.unit.controlplane.core.releases import bad
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed


def _told(**fields: object) -> dict[str, tuple[str, str]]:
    old = a_project("shop", a_service(environment={"COLOUR": "red", "DB_PASSWORD": "old", "GONE": "1"}))
    new = a_project("shop", msgspec.structs.replace(a_service(environment={"COLOUR": "red"}), **fields))
    return {c.field: (c.before, c.after) for c in changes(old, new)}


def test_what_changed_is_told_field_by_field() -> None:
    env = {"COLOUR": "blue", "DB_PASSWORD": "old", "NEW": "2"}
    assert _told(image="web:2", replicas=3, environment=env) == {
        "services.web.image": ("web:1", "web:2"),
        "services.web.replicas": ("", "3"),
        "services.web.environment.COLOUR": ("red", "blue"),
        "services.web.environment.GONE": ("1", ""),
        "services.web.environment.NEW": ("", "2"),
    }


def test_values_of_keys_that_look_secret_are_never_told() -> None:
    told = _told(environment={"COLOUR": "red", "DB_PASSWORD": "new", "GONE": "1", "API_TOKEN": "t0p"})
    assert told == {
        "services.web.environment.DB_PASSWORD": ("(secret)", "(another secret)"),
        "services.web.environment.API_TOKEN": ("", "(secret)"),
    }


@pytest.mark.parametrize(
    "key",
    ["PASSWORD", "db_passwd", "PGPASSWORD", "SECRET_KEY_BASE", "apiKey", "AWS_ACCESS_KEY_ID", "GH_TOKEN", "TLS_KEY"],
)
def test_keys_that_look_secret(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["COLOUR", "KEYBOARD", "PATH", "MONKEY", "image", "replicas", "COMPASS"])
def test_keys_that_do_not(key: str) -> None:
    assert not is_secret(key)


@pytest.mark.parametrize(
    "text",
    ["postgres://app:hunter2@db:5432/app", "serve --password hunter2 --port 1", "TOKEN=hunter2", "secret: hunter2"],
)
def test_passwords_inside_other_values_are_masked(text: str) -> None:
    assert "hunter2" not in masked_text(text)
    told = _told(
        command=tuple(text.split()), environment={"COLOUR": "red", "DB_PASSWORD": "old", "GONE": "1", "U": text}
    )
    assert not any("hunter2" in value for pair in told.values() for value in pair)


def test_services_that_come_and_go_are_told_by_their_image() -> None:
    old, new = a_project("shop", a_service()), a_project("shop", a_service("api", image="api:1"))
    assert [(c.field, c.before, c.after) for c in changes(old, new)] == [
        ("services.api", "", "api:1"),
        ("services.web", "web:1", ""),
    ]


def test_the_history_says_who_how_long_and_how_it_ended() -> None:
    world = World()
    deployed(world, a_service())
    bad(world, "web:2")
    failed = world.send(Deploy(spec=a_project("shop", a_service(image="web:2")), actor="mei"))
    waits = world.send(Scale(project="shop", services={"web": 2}, actor="li"))
    waiting = history_entry(world.cluster, world.deployment(waits.deployment), world.now.wall)
    assert (waiting.state, waiting.took_s, waiting.changes) == ("waiting", None, ())
    assert waiting.reason == f"waiting for deployment {failed.deployment}"
    world.until(lambda: world.deployment(waits.deployment).state == "succeeded")
    first, second, third = (
        history_entry(world.cluster, world.deployment(n), world.now.wall)
        for n in (1, failed.deployment, waits.deployment)
    )
    assert [(c.field, c.after) for c in first.changes] == [("services.web", "web:1")]
    assert (second.actor, second.state, second.revision, second.from_revision) == ("mei", "rolled_back", 2, 1)
    assert [(c.field, c.before, c.after) for c in second.changes] == [("services.web.image", "web:1", "web:2")]
    assert second.took_s is not None and second.took_s > 0
    assert (third.actor, third.state) == ("li", "succeeded")
    assert [(c.field, c.after) for c in third.changes] == [("services.web.replicas", "2")]
