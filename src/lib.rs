//! Corelane: thread-per-core HTTP/1.1 application framework on io_uring.
