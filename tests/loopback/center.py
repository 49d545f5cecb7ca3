"""A real Center in this process on a free port, and a scripted agent that speaks the protocol by hand. For the tests
of the Center's doors; the agent here holds no containers but those a test gives it.
"""

import asyncio
import http.client
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from controlplane.app import Center, opened, serve
from controlplane.core.command import CreateTicket, Register
from controlplane.core.node import Node
from controlplane.listener import listen
from controlplane.settings import Settings
from protocol.codec import FRAME_MAX, decode_from_center, encode
from protocol.handshake import agent_claim, secret_hash
from protocol.messages import (
    PROTOCOL,
    SUBPROTOCOL,
    Capacity,
    Challenge,
    ContainerReport,
    Desired,
    FromAgent,
    FromCenter,
    Hello,
    Inventory,
    Proof,
    Versions,
    Welcome,
)

WAIT_S = 5.0
CAPACITY = Capacity(cpus=4, memory=8 << 30, disk=100 << 30)
ADMIN_TOKEN = "a-token-that-is-long-enough"

M = TypeVar("M")


class Running:
    """A Center that serves at `port`."""

    def __init__(self, center: Center, port: int) -> None:
        self.center = center
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.session_url = f"ws://127.0.0.1:{port}/api/agent/session"

    async def node(
        self,
        name: str,
        *,
        address: str = "10.0.0.1",
        labels: dict[str, str] | None = None,
        capacity: Capacity = CAPACITY,
    ) -> "Agent":
        """A registered node, made without the HTTP door, and its agent."""
        key, ticket = Ed25519PrivateKey.generate(), secrets.token_hex(4)
        ask = self.center.controller.ask
        await ask(CreateTicket(id=ticket, secret_hash=secret_hash("s"), ttl_s=900.0))
        node: Node = await ask(
            Register(
                ticket=ticket,
                secret_hash=secret_hash("s"),
                agent_id=secrets.token_hex(8),
                name=name,
                public_key=key.public_key().public_bytes_raw().hex(),
                address=address,
                labels=labels or {},
                capacity=capacity,
            )
        )
        return Agent(self.session_url, node.agent_id, key)


@asynccontextmanager
async def running_center(data: Path, port: int = 0, *, restored: bool = False) -> AsyncIterator[Running]:
    """Open the data folder and serve until the context ends; the end is orderly, as on SIGTERM."""
    settings = Settings(data=data, host="127.0.0.1", port=port, admin_token=ADMIN_TOKEN, restored=restored)
    stop = asyncio.Event()
    with listen(settings.host, settings.port) as listener:
        async with opened(settings) as center, asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(center, listener, stop))
            try:
                yield Running(center, listener.getsockname()[1])
            finally:
                stop.set()


class Agent:
    """The keys of an agent, and how it opens a session."""

    def __init__(self, url: str, agent_id: str, key: Ed25519PrivateKey) -> None:
        self.url = url
        self.agent_id = agent_id
        self.key = key
        self.nonce = secrets.token_hex(32)
        self.challenge: Challenge | None = None

    def hello(self) -> Hello:
        return Hello(
            agent_id=self.agent_id,
            nonce=self.nonce,
            protocol=PROTOCOL,
            boot_id="boot-1",
            versions=Versions(agent="test", os="linux", arch="amd64"),
            capacity=Capacity(cpus=4, memory=8 << 30, disk=100 << 30),
            engine_id=f"engine of {self.agent_id}",
        )

    def proof(self, challenge: Challenge) -> Proof:
        claim = agent_claim(challenge.cluster, self.agent_id, self.nonce, challenge.nonce)
        return Proof(signature=self.key.sign(claim).hex())

    @asynccontextmanager
    async def socket(self, **options: object) -> AsyncIterator["Rope"]:
        """A raw socket, nothing said yet."""
        async with connect(
            self.url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            ping_interval=None,
            max_size=FRAME_MAX,
            close_timeout=1,
            **options,  # type: ignore[arg-type]  # options of websockets by name
        ) as socket:
            yield Rope(socket)

    async def prove(self, rope: "Rope") -> None:
        """Hello, Challenge, Proof."""
        await rope.send(self.hello())
        self.challenge = await rope.expect(Challenge)
        await rope.send(self.proof(self.challenge))

    @asynccontextmanager
    async def session(self, *containers: ContainerReport) -> AsyncIterator["Rope"]:
        """An open session that has had its full desired state."""
        async with self.socket() as rope:
            await self.prove(rope)
            await rope.send(Inventory(containers=containers))
            rope.welcome = await rope.expect(Welcome)
            rope.desired = await rope.expect(Desired)
            yield rope


class Rope:
    """The agent's end of a socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: Welcome | None = None
        self.desired: Desired | None = None

    @property
    def epoch(self) -> int:
        assert self.welcome is not None
        return self.welcome.session_epoch

    async def send(self, message: FromAgent) -> None:
        await self.socket.send(encode(message).decode())

    async def receive(self) -> FromCenter:
        async with asyncio.timeout(WAIT_S):
            return decode_from_center(await self.socket.recv())

    async def expect(self, kind: type[M]) -> M:
        """The next message, which must be of this kind."""
        message = await self.receive()
        assert isinstance(message, kind), message
        return message

    async def closed(self) -> tuple[int, str]:
        """Read on until the Center closes; returns code and reason."""
        async with asyncio.timeout(WAIT_S):
            with suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


async def until(condition: Callable[[], bool], what: str = "") -> None:
    """Wait until the callable answers true. Raises TimeoutError naming what was awaited."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110 the Center has no events for what tests look at
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(what or "the condition did not come true") from None


def report(number: int, state_seq: int = 1, service: str = "web") -> ContainerReport:
    """A running container of the project `shop`."""
    made = ContainerReport(project="shop", service=service, replica=number, epoch=1, state="running", health="healthy")
    return msgspec.structs.replace(made, state_seq=state_seq, container_id=f"{number:064x}")


class Answer(NamedTuple):
    """What an HTTP request was answered."""

    status: int
    body: bytes
    headers: dict[str, str]


def fetch(url: str, path: str, body: bytes | None = None, token: str = "", method: str = "") -> Answer:
    """GET, or with a JSON body POST, unless another method is given. Blocks."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=WAIT_S)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()})
    finally:
        connection.close()
