"""A valid file that uses most of what is supported; tests read it, change it and break it.

Short ways to read a text, and to say what one service becomes.
"""

import pytest

from composefile.errors import ComposeError
from composefile.read import Compose, read
from protocol.api import Problem
from protocol.spec import ServiceSpec

FILE = """\
name: shop
x-defaults: &defaults
  restart: always
  init: true
  environment: &env
    TZ: Europe/Berlin
x-rope:
  strategy: labels
  labels: {region: 北京}
services:
  web:
    <<: *defaults
    image: registry.example.com:5000/team/web:1.4@sha256:{digest}
    command: serve --title "two words" --price $$5
    entrypoint: [/bin/web, 10]
    environment:
      <<: *env
      WORKERS: 4
      DEBUG: false
    ports:
      - "8080:80"
      - 9090
      - "127.0.0.1:8000-8010:81/udp"
      - target: 443
        published: "8443"
        mode: host
    expose: [3000, "4000-4001/udp"]
    volumes:
      - data:/var/lib/data
      - type: bind
        source: /srv/shop
        target: /srv
        read_only: true
      - /cache
    tmpfs: /run:size=64m
    networks:
      front:
        aliases: [www]
      default:
    healthcheck:
      test: [CMD, wget, -q, localhost]
      interval: 1m30s
    depends_on:
      db:
        condition: service_healthy
    hostname: web
    container_name: web
    user: 1000:1000
    working_dir: /srv
    read_only: true
    stop_signal: SIGINT
    stop_grace_period: 1m
    labels:
      - com.example.team=shop
    deploy:
      replicas: 3
      resources:
        limits: {cpus: "1.5", memory: 512m, pids: 100}
        reservations: {cpus: 0.25, memory: 128M}
      placement:
        constraints:
          - node.labels.disk == ssd
          - node.hostname != old
        preferences:
          - spread: node.labels.zone
        max_replicas_per_node: 2
    x-rope:
      movable: true
      labels:
        required: {gpu: true}
        preferred: {rack: r1}
  db:
    image: postgres:16
    healthcheck:
      test: pg_isready
networks:
  front:
    driver: bridge
volumes:
  data:
""".replace("{digest}", "ab" * 32)


def compose(text: str) -> Compose:
    return read(text, project="shop")


def errors(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ComposeError) as caught:
        compose(text)
    return caught.value.problems


def service(body: str, rest: str = "") -> str:
    """A file with one service `web` of image nginx and further keys."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"services:\n  web:\n    image: nginx\n{lines}{rest}"


def web(body: str, rest: str = "") -> ServiceSpec:
    """The service of `service(body, rest)`."""
    return compose(service(body, rest)).spec.services["web"]


def web_error(body: str, rest: str = "") -> Problem:
    """The one error of `service(body, rest)`."""
    (problem,) = errors(service(body, rest))
    return problem


def web_warning(body: str, rest: str = "") -> Problem:
    """The one warning of `service(body, rest)`."""
    (warning,) = compose(service(body, rest)).warnings
    return warning
