"""Owns what the official Python propagators make of headers: reads a JSON array of rows from stdin, prints one of outcomes.

A row: {"header": name, "values": [..]}; each value a string whose characters are the bytes of one header line. A row may also have
"with": {name: value}, other headers of the same request. An outcome: {"trace_id", "span_id", "flags", "tracestate", "baggage"},
or {"error"} where the propagator raised.
"""

import json
import logging
import sys

from multidict import CIMultiDict
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

propagator = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def text(line):
    """The bytes as aiohttp hands them on, in a multidict."""
    return line.strip(" \t").encode("latin-1").decode("utf-8", "surrogateescape")


def outcome(row):
    lines = [*row.get("with", {}).items(), *((row["header"], value) for value in row["values"])]
    headers = CIMultiDict((name, text(value)) for name, value in lines)
    try:
        context = propagator.extract(headers, Context())
    except Exception as error:
        return {"error": repr(error)}
    span = trace.get_current_span(context).get_span_context()
    return {
        "trace_id": format(span.trace_id, "032x") if span.is_valid else None,
        "span_id": format(span.span_id, "016x") if span.is_valid else None,
        "flags": int(span.trace_flags) if span.is_valid else None,
        "tracestate": span.trace_state.to_header(),
        "baggage": {name: str(value) for name, value in baggage.get_all(context).items()},
    }


logging.disable()
print(json.dumps([outcome(row) for row in json.load(sys.stdin)]))
