"""Compose files to begin with, offered on the page of a new project. Text only; `composing.py` shows them."""

from collections.abc import Mapping

_WEB = """services:
  web:
    image: nginx:1.29-alpine
    ports: ["80"]
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1/"]
      interval: 5s
    deploy:
      replicas: 2
"""

_CANARY = """services:
  web:
    image: nginx:1.29-alpine
    ports: ["80"]
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1/"]
      interval: 5s
    deploy:
      replicas: 4
      update_config:
        order: start-first
        failure_action: rollback
    x-rope:
      canary: {replicas: 1}
"""

_DATA = """services:
  db:
    image: redis:8-alpine
    volumes: ["data:/data"]
    healthcheck:
      test: [CMD, redis-cli, ping]
      interval: 5s
  web:
    image: nginx:1.29-alpine
    ports: ["80"]
    depends_on:
      db: {condition: service_healthy}
volumes:
  data:
"""

SAMPLES: Mapping[str, str] = {"web": _WEB, "canary": _CANARY, "data": _DATA}
"""Name in `?sample=` -> the file. The first is shown when none is named."""
