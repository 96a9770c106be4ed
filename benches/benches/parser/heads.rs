//! Request heads as real clients send them: what the parser benches read.

/// A name for the table and the bytes on the wire.
pub(crate) type Sample = (&'static str, &'static [u8]);

/// The samples, from the smallest to the largest.
pub(crate) const SAMPLES: [Sample; 5] =
    [("minimal", MINIMAL), ("curl", CURL), ("api_jwt", API_JWT), ("browser", BROWSER), ("many", MANY)];

/// What a load generator sends.
const MINIMAL: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// `curl` 8 with its defaults.
const CURL: &[u8] = b"GET /users/42?verbose=1 HTTP/1.1\r\n\
    Host: api.example.com:8080\r\n\
    User-Agent: curl/8.5.0\r\n\
    Accept: */*\r\n\r\n";

/// A call between services: JSON body, bearer token, trace context.
const API_JWT: &[u8] = b"POST /v1/orders/7f9c24e8/items?expand=customer,prices HTTP/1.1\r\n\
    Host: orders.internal.example.com\r\n\
    User-Agent: okhttp/4.12.0\r\n\
    Authorization: Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjIwMjYtMDEifQ.\
eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwic3ViIjoiYzJlZjM5YjEtNGU2Yy00YTk1LTlkMWQtN2IyM2YxNmQ4ZTAwIiwiYXVkIjoib3JkZXJzIiwiZXhwIjoxNzk4NzYxNjAwLCJzY29wZSI6Im9yZGVyczpyZWFkIG9yZGVyczp3cml0ZSJ9.\
Vb0yq9dS7J3kq8m1oXc2Zt5uR4nW6pLhG8aKfE3sYbQwTjD7vCxM0iNzO2lUeHrP5gSaJkB1mXyZqWtVcRnLd4oFhGp8uIeTsA3jKbM6vQxYwZr9\
fNc2lDhOgPi7tSuE5aRkJmBqXvCyWzTn1oLd0GfHp4sUeIiA3bKjMrQxVw\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 348\r\n\
    Accept: application/json\r\n\
    Accept-Encoding: gzip\r\n\
    X-Request-ID: 2f1b0c9e-8d63-4a53-8b80-0f6c1f6f6a51\r\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
    Connection: keep-alive\r\n\r\n";

/// Chrome, a page load with cookies.
const BROWSER: &[u8] = b"GET /articles/2026/thread-per-core?utm_source=newsletter&utm_medium=email HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-User: ?1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Referer: https://www.example.com/articles\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7\r\n\
    Cookie: session=Zk3v9QeT1mYx8nLw2RbC7uHs; theme=dark; _ga=GA1.1.1294810217.1760000000; consent=analytics%3D0%26ads%3D0\r\n\
    If-None-Match: W/\"5f3c-18c2a9d7b40\"\r\n\r\n";

/// A request that came through a content network, two proxies and a mesh.
const MANY: &[u8] = b"GET /api/v2/search?q=io_uring%20provided%20buffers&page=3&per_page=50&sort=updated HTTP/1.1\r\n\
    Host: search.example.com\r\n\
    X-Forwarded-For: 203.0.113.61, 198.51.100.14, 10.2.0.7\r\n\
    X-Forwarded-Proto: https\r\n\
    X-Forwarded-Port: 443\r\n\
    X-Forwarded-Host: search.example.com\r\n\
    X-Real-IP: 203.0.113.61\r\n\
    X-Request-ID: 9b2e7c1d4f6a48e3a5d0c8b7f1e2d3c4\r\n\
    X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n\
    X-Envoy-Expected-Rq-Timeout-Ms: 15000\r\n\
    X-Envoy-Attempt-Count: 1\r\n\
    X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7\r\n\
    X-B3-SpanId: e457b5a2e4d86bd1\r\n\
    X-B3-ParentSpanId: 05e3ac9a4f6e3b90\r\n\
    X-B3-Sampled: 1\r\n\
    traceparent: 00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01\r\n\
    tracestate: vendor=00f067aa0ba902b7,other=t61rcWkgMzE\r\n\
    CF-Ray: 8b1c2d3e4f5a6b7c-FRA\r\n\
    CF-Connecting-IP: 203.0.113.61\r\n\
    CF-IPCountry: DE\r\n\
    CF-Visitor: {\"scheme\":\"https\"}\r\n\
    CDN-Loop: cloudflare; loops=1\r\n\
    Via: 1.1 varnish, 1.1 edge-fra-17\r\n\
    Forwarded: for=203.0.113.61;proto=https;host=search.example.com\r\n\
    Accept: application/json, text/plain, */*\r\n\
    Accept-Encoding: gzip, br\r\n\
    Accept-Language: de-DE,de;q=0.9,en;q=0.8\r\n\
    User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15\r\n\
    Origin: https://app.example.com\r\n\
    Referer: https://app.example.com/search\r\n\
    Sec-Fetch-Site: same-site\r\n\
    Sec-Fetch-Mode: cors\r\n\
    Sec-Fetch-Dest: empty\r\n\
    Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l\r\n\
    Cache-Control: no-cache\r\n\
    Pragma: no-cache\r\n\
    Cookie: sid=31d4d96e407aad42; locale=de\r\n\
    Connection: keep-alive\r\n\
    Priority: u=1, i\r\n\
    X-Client-Version: web-4.17.2\r\n\r\n";
