//! The framework's own section: `[server]`.

use std::net::SocketAddr;

use corelane_runtime::DriverChoice;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use super::units::{ByteSize, Period};
use super::{Report, below};
use crate::server::{Limits, Server, TrustedProxies};

/// The address that is listened on if none is given.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// What `[server]` says: how to serve. [`Server::from_config`] makes a server of it.
///
/// It is read at start; a reload that changes it says in the log that it counts from the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where to listen (127.0.0.1:8080).
    pub listen: SocketAddr,
    /// How many cores serve; `None` for all that the process may run on.
    pub cores: Option<usize>,
    /// How the kernel is asked for I/O.
    pub driver: DriverChoice,
    /// The proxies that are believed about the client; none by default.
    pub trusted_proxies: TrustedProxies,
    /// Bounds and timeouts.
    pub limits: Limits,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            listen: LISTEN,
            cores: None,
            driver: DriverChoice::Auto,
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
        }
    }
}

impl Server {
    /// A server as the configuration says.
    ///
    /// ```no_run
    /// use corelane_http::app::App;
    /// use corelane_http::config::Config;
    /// use corelane_http::server::Server;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let config = Config::<()>::load()?;
    ///     Server::from_config(&config.server).run(|| App::new().get("/", async || "hello"))?;
    ///     Ok(())
    /// }
    /// ```
    pub fn from_config(config: &ServerConfig) -> Server {
        let server = Server::bind(config.listen).driver(config.driver);
        let server = server.limits(config.limits.clone()).trust(config.trusted_proxies.clone());
        match config.cores {
            Some(cores) => server.cores(cores),
            None => server,
        }
    }
}

/// One key of the `[server]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, such as `server.limits.head_bytes_max`.
    pub key: String,
    /// What it takes.
    pub takes: &'static str,
    /// The default, as it would be written in a file.
    pub default: String,
    /// What it does.
    pub meaning: &'static str,
}

/// Every key of the `[server]` section with its default: what `docs/configuration.md` is checked against.
///
/// ```
/// let reference = corelane_http::config::reference();
/// assert!(reference.iter().any(|entry| entry.key == "server.listen" && entry.default == "\"127.0.0.1:8080\""));
/// ```
pub fn reference() -> Vec<Entry> {
    let entry = |key: &str, takes, default: &str, meaning| Entry {
        key: below("server", key),
        takes,
        default: default.to_owned(),
        meaning,
    };
    let mut all = vec![
        entry(
            "listen",
            "address",
            &format!("\"{LISTEN}\""),
            "Address and port to listen on; port 0 takes a free one",
        ),
        entry("cores", "number or \"all\"", "\"all\"", "Cores that serve"),
        entry("driver", "name", "\"auto\"", "How the kernel is asked for I/O: auto, ring, uring or epoll"),
        entry(
            "trusted_proxies",
            "list",
            "[]",
            "Addresses and networks of proxies that are believed about the client; \"unix\" for Unix sockets",
        ),
        entry(
            "trusted_header",
            "name",
            "\"x-forwarded\"",
            "Where they say it: x-forwarded (X-Forwarded-For and its like) or forwarded (RFC 7239)",
        ),
    ];
    all.extend(LimitsFile::entries());
    all
}

/// The section as it is written.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ServerFile {
    #[serde(deserialize_with = "address")]
    listen: Option<SocketAddr>,
    cores: Option<CountOr<All>>,
    #[serde(deserialize_with = "driver")]
    driver: Option<DriverChoice>,
    trusted_proxies: Vec<Proxy>,
    trusted_header: TrustedHeader,
    limits: LimitsFile,
}

impl ServerFile {
    /// The section with its defaults; what is out of bounds goes to the report.
    pub(super) fn finish(self, report: &mut Report<'_>) -> ServerConfig {
        let default = ServerConfig::default();
        let cores = self.cores.map(|cores| cores.0);
        if cores == Some(Some(0)) {
            report.error("server.cores", "has to be at least 1, or \"all\"");
        }
        ServerConfig {
            listen: self.listen.unwrap_or(default.listen),
            cores: cores.flatten().and_then(|cores| usize::try_from(cores).ok()),
            driver: self.driver.unwrap_or(default.driver),
            trusted_proxies: trusted(&self.trusted_proxies, self.trusted_header),
            limits: self.limits.finish(report),
        }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wanted = "an address with its port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
    text.parse().map(Some).map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &wanted))
}

/// An address or a network, checked when it is read, so that an error names the line.
struct Proxy(String);

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Proxy, D::Error> {
        let text = String::deserialize(deserializer)?;
        match TrustedProxies::new([&text]) {
            Err(error) if text != UNIX => Err(D::Error::custom(error)),
            _ => Ok(Proxy(text)),
        }
    }
}

/// What stands in the list for whoever connects over a Unix socket.
const UNIX: &str = "unix";

/// In which fields the proxies say it.
#[derive(Deserialize, Default, Clone, Copy)]
enum TrustedHeader {
    #[default]
    #[serde(rename = "x-forwarded")]
    XForwarded,
    #[serde(rename = "forwarded")]
    Forwarded,
}

fn trusted(proxies: &[Proxy], header: TrustedHeader) -> TrustedProxies {
    let networks = proxies.iter().map(|Proxy(text)| text).filter(|text| *text != UNIX);
    // Each was checked when it was read.
    let mut trusted = TrustedProxies::new(networks).unwrap_or_default();
    if proxies.iter().any(|Proxy(text)| text == UNIX) {
        trusted = trusted.unix();
    }
    match header {
        TrustedHeader::XForwarded => trusted,
        TrustedHeader::Forwarded => trusted.forwarded(),
    }
}

fn driver<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DriverChoice>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let wanted = "auto, ring, uring or epoll";
    name.parse().map(Some).map_err(|_| D::Error::invalid_value(Unexpected::Str(&name), &wanted))
}

/// A number, or a word that stands for none.
struct CountOr<W>(Option<u64>, std::marker::PhantomData<W>);

trait Word {
    const WORD: &'static str;
    const EXPECTED: &'static str;
}

/// Every core.
struct All;

impl Word for All {
    const WORD: &'static str = "all";
    const EXPECTED: &'static str = "a whole number or \"all\"";
}

/// No bound.
struct Unlimited;

impl Word for Unlimited {
    const WORD: &'static str = "unlimited";
    const EXPECTED: &'static str = "a whole number or \"unlimited\"";
}

impl<'de, W: Word> Deserialize<'de> for CountOr<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<W>(std::marker::PhantomData<W>);

        impl<W: Word> Visitor<'_> for Either<W> {
            type Value = CountOr<W>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(W::EXPECTED)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<CountOr<W>, E> {
                match u64::try_from(number) {
                    Ok(number) => Ok(CountOr(Some(number), self.0)),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<CountOr<W>, E> {
                match text.parse() {
                    Ok(number) => Ok(CountOr(Some(number), self.0)),
                    Err(_) if text == W::WORD => Ok(CountOr(None, self.0)),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// How a field of [`Limits`] is written, and read.
trait Setting: Sized {
    type File;
    const TAKES: &'static str;

    /// The default as it is written in a file.
    fn written(&self) -> String;

    /// From the file; where the bounds are broken, what they are.
    fn read(file: Self::File, bounds: std::ops::RangeInclusive<u64>) -> Result<Self, String>;
}

/// A whole number in its bounds, as the type of the field.
fn within<T: TryFrom<u64>>(
    number: u64,
    bounds: std::ops::RangeInclusive<u64>,
    shown: impl Fn(u64) -> String,
) -> Result<T, String> {
    let (least, most) = (*bounds.start(), *bounds.end());
    match T::try_from(number) {
        Ok(value) if bounds.contains(&number) => Ok(value),
        _ => Err(format!("has to be between {} and {}, but is {}", shown(least), shown(most), shown(number))),
    }
}

/// The kinds of fields. Each has a type of its own, so that one Rust type may be written in two ways.
mod kind {
    pub(super) struct Bytes<T>(pub(super) T);
    pub(super) struct Count<T>(pub(super) T);
    pub(super) struct Time(pub(super) std::time::Duration);
    pub(super) struct Flag(pub(super) bool);
    pub(super) struct Bound(pub(super) Option<std::num::NonZeroU32>);
}

impl<T: TryFrom<u64> + TryInto<u64> + Copy> Setting for kind::Bytes<T> {
    type File = ByteSize;
    const TAKES: &'static str = "size";

    fn written(&self) -> String {
        format!("\"{}\"", ByteSize(self.0.try_into().unwrap_or(u64::MAX)))
    }

    fn read(file: ByteSize, bounds: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        within(file.0, bounds, |bytes| ByteSize(bytes).to_string()).map(kind::Bytes)
    }
}

impl<T: TryFrom<u64> + std::fmt::Display> Setting for kind::Count<T> {
    type File = u64;
    const TAKES: &'static str = "number";

    fn written(&self) -> String {
        self.0.to_string()
    }

    fn read(file: u64, bounds: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        within(file, bounds, |number| number.to_string()).map(kind::Count)
    }
}

impl Setting for kind::Time {
    type File = Period;
    const TAKES: &'static str = "time";

    fn written(&self) -> String {
        format!("\"{}\"", Period(self.0))
    }

    fn read(file: Period, bounds: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let ms = u64::try_from(file.0.as_millis()).unwrap_or(u64::MAX);
        let shown = |ms| Period(std::time::Duration::from_millis(ms)).to_string();
        within::<u64>(ms, bounds, shown).map(|_| kind::Time(file.0))
    }
}

impl Setting for kind::Flag {
    type File = bool;
    const TAKES: &'static str = "true or false";

    fn written(&self) -> String {
        self.0.to_string()
    }

    fn read(file: bool, _: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        Ok(kind::Flag(file))
    }
}

impl Setting for kind::Bound {
    type File = CountOr<Unlimited>;
    const TAKES: &'static str = "number or \"unlimited\"";

    fn written(&self) -> String {
        self.0.map_or_else(|| "\"unlimited\"".to_owned(), |number| number.to_string())
    }

    fn read(file: CountOr<Unlimited>, bounds: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let Some(number) = file.0 else { return Ok(kind::Bound(None)) };
        let number: u32 = within(number, bounds, |number| number.to_string())?;
        Ok(kind::Bound(std::num::NonZeroU32::new(number)))
    }
}

/// Fields of [`Limits`]: how each is written, its bounds (times in milliseconds), what it does.
macro_rules! limits {
    ($($name:ident: $kind:ident $(<$type:ty>)? in $bounds:expr, $meaning:literal;)*) => {
        /// The section as it is written.
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct LimitsFile {
            $($name: Option<<kind::$kind $(<$type>)? as Setting>::File>,)*
        }

        impl LimitsFile {
            fn finish(self, report: &mut Report<'_>) -> Limits {
                let mut limits = Limits::default();
                // Does not compile while a field of `Limits` has no key.
                let Limits { $($name: _),* } = limits;
                $(
                    if let Some(value) = self.$name {
                        match <kind::$kind $(<$type>)? as Setting>::read(value, $bounds) {
                            Ok(value) => limits.$name = value.0,
                            Err(message) => report.error(concat!("server.limits.", stringify!($name)), message),
                        }
                    }
                )*
                limits
            }

            fn entries() -> Vec<Entry> {
                let default = Limits::default();
                vec![$(Entry {
                    key: concat!("server.limits.", stringify!($name)).to_owned(),
                    takes: <kind::$kind $(<$type>)? as Setting>::TAKES,
                    default: kind::$kind $(::<$type>)? (default.$name).written(),
                    meaning: $meaning,
                }),*]
            }
        }
    };
}

/// No time here is longer: an hour of waiting for a peer is a mistake of units.
const TIME_MS_MAX: u64 = 60 * 60 * 1000;
const ANY: std::ops::RangeInclusive<u64> = 0..=u64::MAX;

limits! {
    head_bytes_max: Bytes<u16> in 512..=65535, "Longest request line and header section together. Over it: 431 and close";
    fields_max: Count<u16> in 1..=1024, "Most header fields of a request. Over it: 431 and close";
    target_bytes_max: Bytes<u16> in 64..=65535, "Longest request target. Over it: 414 and close";
    body_bytes_max: Bytes<u64> in ANY, "Longest request body of routes without a limit of their own. Over it: 413";
    head_timeout: Time in 1..=TIME_MS_MAX, "Time to the full head of a request. Over it: 408 and close";
    handshake_timeout: Time in 1..=TIME_MS_MAX, "Time for a PROXY header and a TLS handshake. Over it: close";
    body_rate_min: Bytes<u32> in 0..=0xffff_ffff, "Slowest rate of a request body, in bytes a second. Slower: 408 and close";
    body_grace: Time in 1..=TIME_MS_MAX, "How long a body may be slower at its beginning";
    idle_timeout: Time in 1..=24 * TIME_MS_MAX, "How long a connection may rest between requests. Over it: close";
    write_stall: Time in 1..=TIME_MS_MAX, "Longest wait for a peer that takes no bytes. Over it: close";
    drain_bytes_max: Bytes<u32> in 0..=0xffff_ffff, "Most of an unread body that is thrown away to keep the connection";
    pipeline_max: Count<u16> in 1..=65535, "Pipelined requests answered before their answers are written";
    requests_per_connection: Bound in 1..=0xffff_ffff, "Requests on one connection, then it is closed";
    connections_per_core: Count<usize> in 1..=10_000_000, "Most connections of a core. At it: the core stops accepting";
    refuse_when_full: Flag in ANY, "Answer 503 at that bound instead of leaving peers in the kernel's queue";
    buffer_bytes_per_core: Bytes<usize> in 1 << 20..=1 << 40, "Bytes of buffers in use on a core. At it: no receiving";
    start_timeout: Time in 1..=24 * TIME_MS_MAX, "Time for all start hooks of a core. Over it: no start";
    stop_timeout: Time in 0..=24 * TIME_MS_MAX, "Time for all stop hooks of a core. Over it: they are dropped";
    drain_timeout: Time in 0..=24 * TIME_MS_MAX, "Time for requests under way when the server stops";
    drain_idle_timeout: Time in 0..=24 * TIME_MS_MAX, "Time that connections at rest have for one more request when the server stops";
    half_close: Flag in ANY, "Serve clients that have closed their sending side while they wait";
}
