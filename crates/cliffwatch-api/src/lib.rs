//! REST, OpenAPI and /metrics.
