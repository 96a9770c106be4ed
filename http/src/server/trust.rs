//! Whom to believe about the client.

use std::fmt;
use std::net::IpAddr;

use corelane_runtime::net::PeerAddr;

/// The proxies whose word about the client counts, and where they put it.
///
/// Name the proxies themselves, not networks that clients are in too: whoever is in the list can claim any address. Each
/// proxy has to append to, or replace, what it forwards in these fields.
///
/// ```
/// use corelane_http::server::TrustedProxies;
///
/// let nginx = TrustedProxies::new(["10.0.0.5", "10.1.0.0/28", "::1"])?;
/// assert!(nginx.contains("10.1.0.15".parse().unwrap()));
/// assert!(!nginx.contains("10.1.0.16".parse().unwrap()));
/// # Ok::<(), corelane_http::server::TrustError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
    forwarded: bool,
}

/// What is known of how a connection's requests come here, besides the socket's peer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Whose word about the client counts.
    pub(crate) proxies: TrustedProxies,
    /// The connection is TLS.
    pub(crate) secure: bool,
}

/// Addresses whose first `prefix` bits are those of `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    /// Invariant: bits behind the prefix are zero, and it is no IPv4 address in the form of IPv6.
    first: IpAddr,
    /// Invariant: at most 32, or 128.
    prefix: u8,
}

impl TrustedProxies {
    /// Proxies at these addresses (`10.0.0.5`, `::1`) and in these networks (`10.1.0.0/28`). They are believed in
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    ///
    /// # Errors
    /// An entry is neither, or has bits set behind its prefix.
    pub fn new(networks: impl IntoIterator<Item = impl AsRef<str>>) -> Result<TrustedProxies, TrustError> {
        let networks = networks.into_iter().map(|entry| parse(entry.as_ref())).collect::<Result<_, _>>()?;
        Ok(TrustedProxies { networks, unix: false, forwarded: false })
    }

    /// Believes whoever connects over a Unix socket too: the permissions of its path say who can.
    #[must_use]
    pub fn unix(mut self) -> TrustedProxies {
        self.unix = true;
        self
    }

    /// Believes `Forwarded` (RFC 7239) instead of the `X-Forwarded-` fields.
    ///
    /// One or the other, by choice: a proxy sets one kind and passes the other on as the client made it up.
    #[must_use]
    pub fn forwarded(mut self) -> TrustedProxies {
        self.forwarded = true;
        self
    }

    /// True if the address is one of these proxies. An IPv4 address may be in the form of IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| masked(address, network.prefix) == Some(network.first))
    }

    /// True if what this peer says about the client counts.
    pub fn trusts(&self, peer: &PeerAddr) -> bool {
        match peer {
            PeerAddr::Tcp(address) => self.contains(address.ip()),
            PeerAddr::Unix => self.unix,
            PeerAddr::Memory => false,
        }
    }

    pub(crate) fn uses_forwarded(&self) -> bool {
        self.forwarded
    }
}

/// The address with the bits behind the prefix cleared; `None` if it has not as many.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS.checked_sub(prefix)?).unwrap_or(0);
            Some(IpAddr::V4((u32::from(address) & mask).into()))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS.checked_sub(prefix)?).unwrap_or(0);
            Some(IpAddr::V6((u128::from(address) & mask).into()))
        }
    }
}

fn parse(entry: &str) -> Result<Network, TrustError> {
    let error = |behind_prefix| TrustError { entry: entry.into(), behind_prefix };
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().map_err(|_| error(false))?;
    if address.to_canonical() != address {
        return Err(error(false));
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(|| error(false))?
        }
        Some(_) => return Err(error(false)),
        None => longest,
    };
    if masked(address, prefix) != Some(address) {
        return Err(error(true));
    }
    Ok(Network { first: address, prefix })
}

/// An entry of a list of proxies that names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustError {
    entry: Box<str>,
    /// True if bits are set behind its prefix.
    behind_prefix: bool,
}

impl TrustError {
    /// The entry as it was given.
    pub fn entry(&self) -> &str {
        &self.entry
    }
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = &self.entry;
        if self.behind_prefix {
            write!(
                f,
                "the trusted proxy `{entry}` has bits set behind its prefix: give the first address of the network"
            )
        } else {
            write!(
                f,
                "the trusted proxy `{entry}` is neither an address nor a network such as 10.0.0.0/8 or fd00::/8"
            )
        }
    }
}

impl std::error::Error for TrustError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_taken_and_those_that_are_not() {
        for (why, entry, taken) in [
            ("IPv4", "10.0.0.1", true),
            ("IPv6", "fe80::1", true),
            ("a network", "10.0.0.0/8", true),
            ("everybody, by choice", "0.0.0.0/0", true),
            ("a network of IPv6", "fd00::/8", true),
            ("bits behind the prefix", "10.0.0.1/8", false),
            ("a prefix too long", "10.0.0.0/33", false),
            ("no prefix", "10.0.0.0/", false),
            ("a sign", "10.0.0.0/+8", false),
            ("a mask", "10.0.0.0/255.0.0.0", false),
            ("a port", "10.0.0.1:80", false),
            ("a name", "localhost", false),
            ("IPv4 in the form of IPv6, which no peer has", "::ffff:10.0.0.1", false),
            ("empty", "", false),
        ] {
            assert_eq!(TrustedProxies::new([entry]).is_ok(), taken, "{why}");
        }
        let error = TrustedProxies::new(["::1", "10.0.0.1/8"]).unwrap_err();
        assert_eq!(error.entry(), "10.0.0.1/8");
        assert!(error.to_string().contains("behind its prefix"), "{error}");
    }

    #[test]
    fn who_is_in_a_network() {
        for (network, address, want) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "1.2.3.4", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("fd00::/9", "fd7f::1", true),
            ("fd00::/9", "fd80::1", false),
        ] {
            let proxies = TrustedProxies::new([network]).unwrap();
            assert_eq!(proxies.contains(address.parse().unwrap()), want, "{address} in {network}");
        }
    }

    #[test]
    fn peers_without_address_are_trusted_by_choice() {
        let all = TrustedProxies::new(["0.0.0.0/0", "::/0"]).unwrap();
        assert!(!all.trusts(&PeerAddr::Unix) && !all.trusts(&PeerAddr::Memory));
        assert!(all.clone().unix().trusts(&PeerAddr::Unix));
        assert!(all.trusts(&PeerAddr::Tcp("[::ffff:1.2.3.4]:5".parse().unwrap())));
    }
}
