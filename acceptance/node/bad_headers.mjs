// Owns what the official Node propagators make of headers: reads a JSON array of rows from stdin, prints one of outcomes.
//
// Rows and outcomes are those of ../python/bad_headers.py.

import { ROOT_CONTEXT, propagation, trace } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';

const propagator = new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] });
const getter = { get: (headers, name) => headers[name], keys: Object.keys };

function outcome(row) {
  // As node's http hands lines on: trimmed, joined, and as latin-1, which is how the rows have them.
  const lines = row.values.map((line) => line.replace(/^[ \t]+|[ \t]+$/g, ''));
  const headers = { ...row.with, [row.header]: lines.join(', ') };
  let context;
  try {
    context = propagator.extract(ROOT_CONTEXT, headers, getter);
  } catch (error) {
    return { error: String(error) };
  }
  const span = trace.getSpanContext(context);
  const entries = propagation.getBaggage(context)?.getAllEntries() ?? [];
  return {
    trace_id: span?.traceId ?? null,
    span_id: span?.spanId ?? null,
    flags: span?.traceFlags ?? null,
    tracestate: span?.traceState?.serialize() ?? '',
    baggage: Object.fromEntries(entries.map(([name, entry]) => [name, entry.value])),
  };
}

const parts = [];
for await (const part of process.stdin) parts.push(part);
console.log(JSON.stringify(JSON.parse(Buffer.concat(parts)).map(outcome)));
