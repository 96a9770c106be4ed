//! Any bytes as the beginning of a connection: a PROXY header is the same however it is cut, is within its bounds, and
//! version 1 says what it was read as.

#![no_main]

use corelane_http_proto::proxy::{HEADER_BYTES_MAX, LINE_BYTES_MAX, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    for cut in 0..data.len() {
        match parse(&data[..cut]) {
            Ok(None) => {}
            early => assert_eq!(early, whole, "decided after {cut} bytes"),
        }
    }
    let Ok(Some(header)) = whole else {
        assert!(whole.is_err() || data.len() < HEADER_BYTES_MAX, "it waits for no more than the bound");
        return;
    };
    let is_line = data.starts_with(b"PROXY ");
    assert!(header.len <= if is_line { LINE_BYTES_MAX } else { HEADER_BYTES_MAX } && header.len <= data.len());
    assert_eq!(header.client.is_some(), header.server.is_some());
    if let (true, Some(client), Some(server)) = (is_line, header.client, header.server) {
        let line = std::str::from_utf8(&data[..header.len]).expect("text");
        let words: Vec<_> = line.trim_end().split(' ').collect();
        assert_eq!(words[2].parse(), Ok(client.ip()));
        assert_eq!(words[3].parse(), Ok(server.ip()));
        assert_eq!((words[4], words[5]), (&*client.port().to_string(), &*server.port().to_string()));
    }
});
