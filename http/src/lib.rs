//! HTTP/1.1 server: app, router, extractors, responses, middleware.
