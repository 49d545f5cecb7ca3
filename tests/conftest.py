"""What all levels of tests share: the fixtures for several real hosts."""

pytest_plugins = ["tests.docker.lab_fixtures"]
