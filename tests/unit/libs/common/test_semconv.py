"""The names in use are those of the conventions' version that spans claim to follow."""

from __future__ import annotations

import re

from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
)
from opentelemetry.semconv.schemas import Schemas

from libs.common.telemetry import semconv

PUBLISHED = (
    error_attributes,
    http_attributes,
    messaging_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
)


def test_the_schema_is_a_published_one() -> None:
    assert semconv.SCHEMA_URL in {schema.value for schema in Schemas}


def test_every_name_is_in_the_conventions() -> None:
    ours = {
        name: value
        for name, value in vars(semconv).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z]+(\.[a-z_]+)+", value)
    }
    published = {name: value for module in PUBLISHED for name, value in vars(module).items()}
    assert len(ours) >= 18
    assert ours == {name: published[name] for name in ours}


def test_methods_are_those_that_the_conventions_know() -> None:
    known = {method.value for method in http_attributes.HttpRequestMethodValues}
    assert {*semconv.KNOWN_METHODS, semconv.OTHER_METHOD} == known
