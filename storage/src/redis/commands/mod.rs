//! The commands by name, one file a family. Each is a method of [`Redis`](super::Redis) and gives a
//! [`Call`](super::Call); its documentation links the page that says what it does. For others
//! there is [`Redis::run`](super::Redis::run) with [`cmd`](super::cmd).

mod keys;
mod strings;
