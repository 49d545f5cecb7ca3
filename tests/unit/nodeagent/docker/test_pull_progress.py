"""The sum of a pull's layers."""

import msgspec

from nodeagent.core.container import PullProgress
from nodeagent.docker.pull_progress import PullLine, PullSum


def read(text: str) -> PullLine:
    return msgspec.json.decode(text, type=PullLine)


def test_layers_add_up_and_end_whole() -> None:
    total = PullSum()
    seen = [
        total.add(read(text))
        for text in (
            '{"status":"Pulling from app","id":"sha256:00"}',
            '{"status":"Pulling fs layer","progressDetail":{},"id":"a"}',
            '{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"a"}',
            '{"status":"Downloading","progressDetail":{"current":40,"total":50},"id":"b"}',
            '{"status":"Downloading","progressDetail":{"current":5,"total":100},"id":"a"}',
            '{"status":"Download complete","progressDetail":{},"id":"b"}',
            '{"status":"Extracting","progressDetail":{"current":3,"total":100},"id":"a"}',
            '{"status":"Pull complete","progressDetail":{},"id":"a"}',
            '{"status":"Already exists","progressDetail":{},"id":"c"}',
            '{"status":"Digest: sha256:00"}',
        )
    ]
    assert [p.done for p in seen] == [0, 0, 10, 50, 50, 60, 150, 150, 150, 150]
    assert seen[-1] == PullProgress(done=150, total=150)


def test_a_size_that_is_not_known_never_makes_more_done_than_there_is() -> None:
    total = PullSum()
    seen = total.add(read('{"status":"Downloading","progressDetail":{"current":10,"total":-1},"id":"a"}'))
    assert seen.done <= seen.total


def test_a_failure_is_told() -> None:
    assert read('{"errorDetail":{"message":"manifest unknown"},"error":"short"}').failure == "manifest unknown"
    assert read('{"error":"short"}').failure == "short"
    assert read('{"status":"fine"}').failure == ""
