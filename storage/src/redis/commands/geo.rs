//! [Geography](https://redis.io/docs/latest/commands/?group=geo).

use bytes::Bytes;

use crate::redis::{Call, Redis, ToArg, cmd};

/// # Geography
impl Redis {
    /// [`GEOADD`](https://redis.io/docs/latest/commands/geoadd/): adds a place, or moves it; 1 if it is new. Degrees.
    pub fn geoadd(
        &self,
        key: impl ToArg,
        longitude: f64,
        latitude: f64,
        member: impl ToArg,
    ) -> Call<'_, u64> {
        self.run(cmd("GEOADD").key(key).arg((longitude, latitude, member)))
    }

    /// [`GEODIST`](https://redis.io/docs/latest/commands/geodist/): how far apart two members are, in metres.
    pub fn geodist(&self, key: impl ToArg, from: impl ToArg, to: impl ToArg) -> Call<'_, Option<f64>> {
        self.run(cmd("GEODIST").key(key).arg(from).arg(to).arg("m").read_only())
    }

    /// [`GEOPOS`](https://redis.io/docs/latest/commands/geopos/): longitude and latitude of each member.
    pub fn geopos(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, Vec<Option<(f64, f64)>>> {
        self.run(cmd("GEOPOS").key(key).args(members).read_only())
    }

    /// [`GEOHASH`](https://redis.io/docs/latest/commands/geohash/): the geohash of each member.
    pub fn geohash(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<'_, Vec<Option<String>>> {
        self.run(cmd("GEOHASH").key(key).args(members).read_only())
    }

    /// [`GEOSEARCH … BYRADIUS`](https://redis.io/docs/latest/commands/geosearch/): members within `metres` of a place, nearest first, `count` at most.
    pub fn geosearch_radius(
        &self,
        key: impl ToArg,
        longitude: f64,
        latitude: f64,
        metres: f64,
        count: u64,
    ) -> Call<'_, Vec<Bytes>> {
        self.run(
            cmd("GEOSEARCH")
                .key(key)
                .arg(("FROMLONLAT", longitude, latitude))
                .arg(("BYRADIUS", metres, "m"))
                .arg(("ASC", "COUNT", count))
                .read_only(),
        )
    }

    /// [`GEOSEARCH … FROMMEMBER`](https://redis.io/docs/latest/commands/geosearch/): members within `metres` of a member, itself included, nearest first, `count` at most, with their distance in metres.
    pub fn geosearch_member(
        &self,
        key: impl ToArg,
        member: impl ToArg,
        metres: f64,
        count: u64,
    ) -> Call<'_, Vec<(Bytes, f64)>> {
        self.run(
            cmd("GEOSEARCH")
                .key(key)
                .arg(("FROMMEMBER", member))
                .arg(("BYRADIUS", metres, "m"))
                .arg(("ASC", "COUNT", count, "WITHDIST"))
                .read_only(),
        )
    }
}
