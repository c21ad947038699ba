"""Runs statements by drivers that are instrumented by libraries of their own, and exports their spans.

usage: client.py pymysql|connector PORT COLLECTOR
"""

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult

STATEMENTS = [
    "INSERT INTO traced VALUES (%s, 'c4n4ry')",
    "SELECT v FROM traced WHERE id = %s",
    "UPDATE traced SET v = 'other c4n4ry' WHERE id = %s",
    "SELECT COUNT(*) FROM traced WHERE id <> %s",
]


class Switch(Sampler):
    """Samples or does not, as it is told: also where the driver begins a trace of its own."""

    now = ALWAYS_ON

    def should_sample(self, *arguments, **named) -> SamplingResult:
        return self.now.should_sample(*arguments, **named)

    def get_description(self) -> str:
        return "Switch"


def main() -> None:
    driver, port, collector = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    switch = Switch()
    provider = TracerProvider(sampler=switch, resource=Resource({"service.name": f"shop-{driver}"}))
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{collector}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    named = {"host": "127.0.0.1", "port": port, "user": "app", "password": "app", "database": "test", "autocommit": True}
    if driver == "pymysql":
        import pymysql
        from opentelemetry.instrumentation.pymysql import PyMySQLInstrumentor

        PyMySQLInstrumentor().instrument(enable_commenter=True)
        connection = pymysql.connect(**named)
    else:
        import mysql.connector
        from mysql.connector.opentelemetry.instrumentation import MySQLInstrumentor

        MySQLInstrumentor().instrument(tracer_provider=provider)
        connection = mysql.connector.connect(**named)
    cursor = connection.cursor()
    tracer = trace.get_tracer("shop")
    for number in range(1, 51):
        with tracer.start_as_current_span("order"):
            for statement in STATEMENTS:
                cursor.execute(statement, (number,))
                cursor.fetchall() if cursor.description else None
    switch.now = ALWAYS_OFF
    with tracer.start_as_current_span("not recorded"):
        cursor.execute("SELECT 'unsampled' FROM traced WHERE id = %s", (1,))
        cursor.fetchall()
    switch.now = ALWAYS_ON
    connection.close()
    provider.shutdown()


main()
