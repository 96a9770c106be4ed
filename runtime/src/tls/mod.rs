//! TLS over streams, by rustls: what comes back is an ordinary [`Stream`].
//!
//! [`Connector`] is the client's side, [`Acceptor`] the server's. Both are made once, from PEM, and shared by all cores.
//! The stream that they give receives and sends plain bytes, keeps the deadlines of the stream under it,
//! [splits](Stream::split), and is told apart by [`Stream::tls`] only.
//!
//! An end of the connection without TLS's own notice of it (RFC 8446 section 6.1) is an error of kind
//! [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): it may be an attacker who cut the rest off. [`Stream::end`] sends that notice.
//!
//! A handshake's arithmetic runs on the core: about a millisecond for an RSA key, a fraction of it for ECDSA.
//! Behind it a receive holds one lease of what has not been deciphered.
//!
//! ```
//! use corelane_runtime::{self as runtime, net, tls};
//!
//! let made = rcgen::generate_simple_self_signed(["db.internal".to_owned()]).expect("a certificate");
//! let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let acceptor = tls::Acceptor::builder().identity(certificate.as_bytes(), key.as_bytes()).build()?;
//! let connector = tls::Connector::builder().roots(certificate.as_bytes()).build()?;
//!
//! runtime::block_on(async {
//!     let (near, far) = net::duplex(64 * 1024);
//!     let server = runtime::spawn(async move {
//!         let mut stream = acceptor.accept(far).await?;
//!         let question = stream.recv().await?;
//!         stream.send(question).await?;
//!         stream.end().await
//!     });
//!     let mut client = connector.connect(near, "db.internal").await?;
//!     client.send("hello").await?;
//!     assert_eq!(&client.recv().await?[..], b"hello");
//!     assert!(client.recv().await?.is_empty());
//!     server.await.expect("no panic")
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acceptor;
mod connector;
mod error;
mod identities;
mod pem;
mod session;
mod verify;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::acceptor::{Acceptor, AcceptorBuilder};
pub use self::connector::{Connector, ConnectorBuilder, Verify};
pub use self::error::TlsError;
pub use self::identities::{IDENTITIES_MAX, Identities};
pub use self::session::TlsInfo;

pub(crate) use self::session::Side;

use crate::net::Stream;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Stream {
    /// What TLS has agreed on, or `None` on a stream without it.
    pub fn tls(&self) -> Option<TlsInfo<'_>> {
        self.side().map(TlsInfo::new)
    }
}
