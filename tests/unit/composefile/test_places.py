"""Fields found again in the text they were read from."""

import pytest

from composefile.places import place_of

TEXT = """\
services:
  web:
    image: web:1
    deploy:
      update_config:
        order: start-first
"""


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("services.web.deploy.update_config.order", (6, 9)),
        ("services.web.x-rope.canary", (2, 3)),
        ("services.web.image", (3, 5)),
        ("services.db", (1, 1)),
        ("volumes", (0, 0)),
    ],
)
def test_a_field_is_found_or_the_nearest_above_it(field: str, place: tuple[int, int]) -> None:
    assert place_of(TEXT, field) == place
