//! Addresses of networks and network cards.

use std::fmt;
use std::net::IpAddr;

use bytes::BytesMut;
use postgres_protocol::types as wire;
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use super::BoxError;

/// An `inet` or a `cidr`: an address and how many of its bits name the network.
///
/// ```
/// use corelane_storage::postgres::types::Inet;
///
/// let network = Inet { address: [10, 0, 0, 0].into(), prefix: 8 };
/// assert_eq!(network.to_string(), "10.0.0.0/8");
/// assert_eq!(Inet::from(std::net::IpAddr::from([127, 0, 0, 1])).to_string(), "127.0.0.1/32");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inet {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network: up to 32, or 128 for IPv6.
    pub prefix: u8,
}

impl From<IpAddr> for Inet {
    /// A single host.
    fn from(address: IpAddr) -> Inet {
        Inet { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl fmt::Display for Inet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<'a> FromSql<'a> for Inet {
    fn from_sql(_type: &Type, raw: &'a [u8]) -> Result<Inet, BoxError> {
        let inet = wire::inet_from_sql(raw)?;
        Ok(Inet { address: inet.addr(), prefix: inet.netmask() })
    }

    accepts!(INET, CIDR);
}

impl ToSql for Inet {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        wire::inet_to_sql(self.address, self.prefix, out);
        Ok(IsNull::No)
    }

    accepts!(INET, CIDR);
    to_sql_checked!();
}

/// A `macaddr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl<'a> FromSql<'a> for MacAddr {
    fn from_sql(_type: &Type, raw: &'a [u8]) -> Result<MacAddr, BoxError> {
        wire::macaddr_from_sql(raw).map(MacAddr)
    }

    accepts!(MACADDR);
}

impl ToSql for MacAddr {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        wire::macaddr_to_sql(self.0, out);
        Ok(IsNull::No)
    }

    accepts!(MACADDR);
    to_sql_checked!();
}
