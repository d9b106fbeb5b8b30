"""Owns the Python hop: aiohttp and grpcio, context by the official OpenTelemetry propagators, cancellation by hand.

Prints {"http": port, "grpc": port} when it listens, and one line per cancelled request. The protocol is in ../README.md.
"""

import asyncio
import json
import os
import sys
import threading
import time
import uuid
from dataclasses import dataclass

import grpc
from aiohttp import ClientSession, web
from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

HOP = "python"
REQUEST_ID, TIMEOUT = "x-request-id", "x-request-timeout-ms"
METHOD = "/hop.Hop/Go"
# How much may be left of a deadline when a cancellation is taken for its passing: callers round what they send.
DEADLINE_SLACK = 0.1
# A connection for each call unless the request asks for a shared one: on a connection grpc sends the grpc-timeout of an earlier
# call again if that is at most 3 % longer, so the time that is left may grow from hop to hop.
CHANNEL = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]

propagator = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
tracer = TracerProvider().get_tracer(HOP)


def say(line):
    print(json.dumps(line), flush=True)


@dataclass
class Request:
    """One request as it arrived; `deadline` is on the clock of `time.monotonic`."""

    protocol: str
    request_id: str
    deadline: float | None
    body: dict
    started: float

    def remaining(self):
        return None if self.deadline is None else self.deadline - time.monotonic()

    def record(self, span, parent):
        left = self.remaining()
        return {
            "hop": HOP,
            "protocol": self.protocol,
            "trace_id": format(span.trace_id, "032x"),
            "span_id": format(span.span_id, "016x"),
            "parent_span_id": parent and format(parent.span_id, "016x"),
            "request_id": self.request_id,
            "baggage": dict(baggage.get_all()),
            "remaining_ms": left and left * 1000,
        }

    def log_cancelled(self):
        left = self.remaining()
        late = left is not None and left <= DEADLINE_SLACK
        say({
            "event": "cancelled",
            "hop": HOP,
            "request_id": self.request_id,
            "cause": "deadline" if late else "disconnected",
            "after_ms": (time.monotonic() - self.started) * 1000,
        })


class Hop:
    """The one handler behind both servers, and the clients of the next hop."""

    def __init__(self, session):
        self.session = session
        self.channels = {}

    async def handle(self, request, headers):
        token = context.attach(propagator.extract(headers, context.get_current()))
        try:
            caller = trace.get_current_span().get_span_context()
            with tracer.start_as_current_span("hop", kind=trace.SpanKind.SERVER) as span:
                record = request.record(span.get_span_context(), caller if caller.is_valid else None)
                say({"event": "arrived", "hop": HOP, "request_id": request.request_id})
                async with asyncio.timeout(request.remaining()):
                    return [record, *await self.act(request)]
        except (asyncio.CancelledError, TimeoutError):
            request.log_cancelled()
            raise
        finally:
            context.detach(token)

    async def act(self, request):
        await asyncio.sleep(request.body.get("work_ms", 0) / 1000)
        route = request.body["route"]
        if route:
            return await self.forward(request, route[0], {**request.body, "route": route[1:]})
        if request.body["act"] == "hang":
            await asyncio.Event().wait()
        return []

    async def forward(self, request, peer, body):
        headers = {REQUEST_ID: request.request_id}
        propagator.inject(headers)
        send = self.over_http if peer["protocol"] == "http" else self.over_grpc
        return await send(peer["addr"], headers, body, request.remaining())

    async def over_http(self, addr, headers, body, remaining):
        if remaining is not None:
            headers[TIMEOUT] = str(int(remaining * 1000))
        async with self.session.post(f"http://{addr}/hop", headers=headers, json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def over_grpc(self, addr, headers, body, remaining):
        message, metadata = json.dumps(body).encode(), tuple(headers.items())
        if body.get("channel") == "shared":
            return json.loads(await self.shared(addr).unary_unary(METHOD)(message, metadata=metadata, timeout=remaining))
        async with grpc.aio.insecure_channel(addr, options=CHANNEL) as channel:
            return json.loads(await channel.unary_unary(METHOD)(message, metadata=metadata, timeout=remaining))

    def shared(self, addr):
        if addr not in self.channels:
            self.channels[addr] = grpc.aio.insecure_channel(addr, options=CHANNEL)
        return self.channels[addr]

    async def post_hop(self, http):
        started = time.monotonic()
        timeout = http.headers.get(TIMEOUT)
        deadline = started + int(timeout) / 1000 if timeout else None
        body = await http.json()
        request = Request("http", http.headers.get(REQUEST_ID), deadline, body, started)
        return web.json_response(await self.handle(request, http.headers))

    async def go(self, message, call):
        started = time.monotonic()
        headers = dict(call.invocation_metadata())
        left = call.time_remaining()
        deadline = None if left is None else started + left
        request = Request("grpc", headers.get(REQUEST_ID), deadline, json.loads(message), started)
        return json.dumps(await self.handle(request, headers)).encode()

    async def post_start(self, http):
        """Starts a request of its own: a fresh trace, and the rest as the body says."""
        start = await http.json()
        started = time.monotonic()
        timeout = start.get("timeout_ms")
        deadline = started + timeout / 1000 if timeout else None
        request = Request("origin", start.get("request_id") or str(uuid.uuid4()), deadline, start, started)
        fresh = context.Context()
        for name, value in start.get("baggage", {}).items():
            fresh = baggage.set_baggage(name, value, fresh)
        token = context.attach(fresh)
        try:
            return web.json_response(await self.handle(request, {}))
        finally:
            context.detach(token)


async def main():
    async with ClientSession() as session:
        hop = Hop(session)
        app = web.Application()
        app.add_routes([web.post("/hop", hop.post_hop), web.post("/start", hop.post_start)])
        # aiohttp tells a handler that its client has left only where it is asked to.
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(hop.go)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("hop.Hop", {"Go": handler})])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()

        say({"http": runner.addresses[0][1], "grpc": port})
        await server.wait_for_termination()


def exit_with_the_driver():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=exit_with_the_driver, daemon=True).start()
asyncio.run(main())
