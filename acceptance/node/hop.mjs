// Owns the Node hop: node's http and @grpc/grpc-js, context by the official OpenTelemetry propagators, cancellation by hand.
//
// Prints {"http": port, "grpc": port} when it listens, and one line per cancelled request. The protocol is in ../README.md.

import { randomUUID } from 'node:crypto';
import http from 'node:http';

import grpc from '@grpc/grpc-js';
import { ROOT_CONTEXT, SpanKind, context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';

const HOP = 'node';
const REQUEST_ID = 'x-request-id';
const TIMEOUT = 'x-request-timeout-ms';
// How much may be left of a deadline when a cancellation is taken for its passing: callers round what they send.
const DEADLINE_SLACK_MS = 100;

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(
  new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
);
const tracer = new BasicTracerProvider().getTracer(HOP);
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

/** One request as it arrived; `deadline` is on the clock of `performance.now`. */
class Request {
  started = performance.now();
  caller = new AbortController();

  constructor(protocol, requestId, timeout, body) {
    Object.assign(this, { protocol, requestId, body });
    this.deadline = timeout === undefined ? undefined : this.started + timeout;
  }

  get remaining() {
    return this.deadline === undefined ? null : this.deadline - performance.now();
  }

  /** Tells everything done for this request to stop, once. */
  cancel() {
    if (this.done || this.caller.signal.aborted) return;
    const late = this.remaining !== null && this.remaining <= DEADLINE_SLACK_MS;
    const cause = late ? 'deadline' : 'disconnected';
    const after_ms = performance.now() - this.started;
    say({ event: 'cancelled', hop: HOP, request_id: this.requestId, cause, after_ms });
    this.caller.abort();
  }

  record(span, caller) {
    const entries = propagation.getBaggage(context.active())?.getAllEntries() ?? [];
    return {
      hop: HOP,
      protocol: this.protocol,
      trace_id: span.traceId,
      span_id: span.spanId,
      parent_span_id: caller?.spanId ?? null,
      request_id: this.requestId,
      baggage: Object.fromEntries(entries.map(([name, entry]) => [name, entry.value])),
      remaining_ms: this.remaining,
    };
  }
}

/** Runs one request in the context its carrier tells of; the records of this hop and of all behind it. */
function handle(request, parent) {
  return context.with(parent, async () => {
    const span = tracer.startSpan('hop', { kind: SpanKind.SERVER });
    const late = request.deadline && setTimeout(() => request.cancel(), request.remaining);
    try {
      const record = request.record(span.spanContext(), trace.getSpanContext(parent));
      say({ event: 'arrived', hop: HOP, request_id: request.requestId });
      const behind = await context.with(trace.setSpan(context.active(), span), () => act(request));
      return [record, ...behind];
    } finally {
      request.done = true;
      clearTimeout(late);
      span.end();
    }
  });
}

async function act(request) {
  const { route, act, work_ms = 0 } = request.body;
  await pause(work_ms, request.caller.signal);
  if (route.length) return forward(request, route[0], { ...request.body, route: route.slice(1) });
  if (act === 'hang') await pause(2 ** 31 - 1, request.caller.signal);
  return [];
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new Error('cancelled'));
    });
  });
}

function forward(request, peer, body) {
  const headers = { [REQUEST_ID]: request.requestId };
  propagation.inject(context.active(), headers);
  const send = peer.protocol === 'http' ? overHttp : overGrpc;
  return send(request, peer.addr, headers, body);
}

function overHttp(request, addr, headers, body) {
  if (request.remaining !== null) headers[TIMEOUT] = String(Math.floor(request.remaining));
  headers['content-type'] = 'application/json';
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, signal: request.caller.signal };
    const call = http.request(`http://${addr}/hop`, options, async (answer) => {
      const text = await read(answer).catch(reject);
      answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${answer.statusCode}: ${text}`));
    });
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}

const identity = (bytes) => bytes;
const DEFINITION = {
  Go: {
    path: '/hop.Hop/Go',
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  },
};
const HopClient = grpc.makeGenericClientConstructor(DEFINITION, 'hop.Hop');
const clients = new Map();

function overGrpc(request, addr, headers, body) {
  if (!clients.has(addr)) {
    clients.set(addr, new HopClient(addr, grpc.credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 }));
  }
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const deadline = request.remaining === null ? Infinity : Date.now() + request.remaining;
  return new Promise((resolve, reject) => {
    const message = Buffer.from(JSON.stringify(body));
    const call = clients.get(addr).Go(message, metadata, { deadline }, (error, answer) =>
      error ? reject(error) : resolve(JSON.parse(answer)),
    );
    request.caller.signal.addEventListener('abort', () => call.cancel());
  });
}

async function read(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** Starts a request of its own: a fresh trace, and the rest as the body says. */
function start(body) {
  const request = new Request('origin', body.request_id ?? randomUUID(), body.timeout_ms, body);
  const entries = Object.entries(body.baggage ?? {}).map(([name, value]) => [name, { value }]);
  const parent = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage(Object.fromEntries(entries)));
  return [request, parent];
}

function arrive(headers, body) {
  const timeout = headers[TIMEOUT];
  const request = new Request('http', headers[REQUEST_ID], timeout === undefined ? undefined : Number(timeout), body);
  return [request, propagation.extract(ROOT_CONTEXT, headers)];
}

async function serveHttp(req, res) {
  const body = JSON.parse(await read(req));
  const [request, parent] = req.url === '/start' ? start(body) : arrive(req.headers, body);
  res.on('close', () => request.cancel());
  res.setHeader('content-type', 'application/json');
  try {
    res.end(JSON.stringify(await handle(request, parent)));
  } catch (error) {
    res.statusCode = 500;
    res.end(String(error));
  }
}

function serveGrpc(call, reply) {
  const headers = call.metadata.getMap();
  // grpc-js gives a Date, or Infinity, and the milliseconds that are left are whole.
  const deadline = Number(call.getDeadline());
  const timeout = Number.isFinite(deadline) ? deadline - Date.now() : undefined;
  const request = new Request('grpc', headers[REQUEST_ID], timeout, JSON.parse(call.request));
  call.on('cancelled', () => request.cancel());
  handle(request, propagation.extract(ROOT_CONTEXT, headers)).then(
    (records) => reply(null, Buffer.from(JSON.stringify(records))),
    (error) => reply({ code: grpc.status.CANCELLED, details: String(error) }),
  );
}

const web = http.createServer(serveHttp).listen(0, '127.0.0.1', () => {
  const server = new grpc.Server();
  server.addService(DEFINITION, { Go: serveGrpc });
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    say({ http: web.address().port, grpc: port });
  });
});

// The driver holds the other end: it is gone when that is closed.
process.stdin.on('end', () => process.exit()).resume();
