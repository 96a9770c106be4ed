//! [Functions](https://redis.io/docs/latest/develop/interact/programmability/functions-intro/) (Redis 7): scripts that
//! the server keeps, in libraries.

use std::collections::HashMap;

use bytes::Bytes;

use crate::redis::proto::{Command, ConvertError, FromReply, ToArg, Value};
use crate::redis::{Call, Redis, RedisError, cmd};

/// The source of a library, for functions that are loaded when the server does not have them.
///
/// A function that the server has is called as it is there, whatever the source here says: give a library whose functions
/// change another name, or the functions.
///
/// ```no_run
/// # use corelane_storage::redis::{Redis, RedisError};
/// use corelane_storage::redis::commands::Library;
///
/// # async fn example(redis: Redis) -> Result<(), RedisError> {
/// let stock = Library::new(
///     "#!lua name=stock_1\n\
///      redis.register_function('stock_1_take', function(keys) return redis.call('DECR', keys[1]) end)",
/// );
/// let left: i64 = redis.function(&stock, "stock_1_take", ["stock:7"], [(); 0]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Library {
    source: String,
}

impl Library {
    /// A library of this source, which begins with `#!lua name=NAME`.
    pub fn new(source: impl Into<String>) -> Library {
        Library { source: source.into() }
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// A library that the server has, as [`Redis::function_list`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LibraryInfo {
    /// Its name.
    pub name: String,
    /// Its language: `LUA`.
    pub engine: String,
    /// What it holds.
    pub functions: Vec<FunctionInfo>,
}

/// A function of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// What it was registered with, if anything.
    pub description: Option<String>,
    /// Its flags, such as `no-writes`.
    pub flags: Vec<String>,
}

/// A value of a map that has to be there.
fn field<T: FromReply>(map: &mut HashMap<String, Value>, name: &str) -> Result<T, ConvertError> {
    T::from_reply(map.remove(name).unwrap_or(Value::Null))
}

impl FromReply for LibraryInfo {
    fn from_reply(value: Value) -> Result<LibraryInfo, ConvertError> {
        let mut map = HashMap::from_reply(value)?;
        Ok(LibraryInfo {
            name: field(&mut map, "library_name")?,
            engine: field(&mut map, "engine")?,
            functions: field(&mut map, "functions")?,
        })
    }
}

impl FromReply for FunctionInfo {
    fn from_reply(value: Value) -> Result<FunctionInfo, ConvertError> {
        let mut map = HashMap::from_reply(value)?;
        Ok(FunctionInfo {
            name: field(&mut map, "name")?,
            description: field(&mut map, "description")?,
            flags: field(&mut map, "flags")?,
        })
    }
}

fn call<K: ToArg, A: ToArg>(name: &str, function: &str, keys: &[K], args: &[A]) -> Command {
    let command = cmd(name).arg(function).arg(keys.len());
    keys.iter().fold(command, |command, key| command.key(key)).args(args)
}

/// # Functions
///
/// In a cluster a library has to be loaded on each primary.
impl Redis {
    /// [`FCALL`](https://redis.io/docs/latest/commands/fcall/): calls a function that the server has.
    pub fn fcall<K: ToArg, A: ToArg>(
        &self,
        function: &str,
        keys: impl AsRef<[K]>,
        args: impl AsRef<[A]>,
    ) -> Call<'_, Value> {
        self.run(call("FCALL", function, keys.as_ref(), args.as_ref()))
    }

    /// [`FCALL_RO`](https://redis.io/docs/latest/commands/fcall_ro/): calls a function that has the flag `no-writes`; it may be sent again and to a replica.
    pub fn fcall_ro<K: ToArg, A: ToArg>(
        &self,
        function: &str,
        keys: impl AsRef<[K]>,
        args: impl AsRef<[A]>,
    ) -> Call<'_, Value> {
        self.run(call("FCALL_RO", function, keys.as_ref(), args.as_ref()).read_only())
    }

    /// Calls a function, and loads its library when the server does not have it, as after a restart without persistence.
    ///
    /// # Errors
    /// As [`Call`]; an error that the function raises is the server's.
    ///
    /// # Cancellation
    /// May be dropped at any time; the library may be loaded and the function executed.
    pub async fn function<T: FromReply, K: ToArg, A: ToArg>(
        &self,
        library: &Library,
        function: &str,
        keys: impl AsRef<[K]>,
        args: impl AsRef<[A]>,
    ) -> Result<T, RedisError> {
        let (keys, args) = (keys.as_ref(), args.as_ref());
        match self.run(call("FCALL", function, keys, args)).await {
            // Refused before anything was executed. The error has no code of its own.
            Err(error) if error.server().is_some_and(|error| error.detail() == "Function not found") => {
                self.function_replace(library.source()).await?;
                self.run(call("FCALL", function, keys, args)).await
            }
            outcome => outcome,
        }
    }

    /// [`FUNCTION LOAD`](https://redis.io/docs/latest/commands/function-load/): loads a library; its name. An error if there is one of this name.
    pub fn function_load(&self, source: impl ToArg) -> Call<'_, String> {
        self.run(cmd("FUNCTION LOAD").arg(source))
    }

    /// [`FUNCTION LOAD REPLACE`](https://redis.io/docs/latest/commands/function-load/): loads a library in the place of one of its name.
    pub fn function_replace(&self, source: impl ToArg) -> Call<'_, String> {
        self.run(cmd("FUNCTION LOAD").arg("REPLACE").arg(source))
    }

    /// [`FUNCTION DELETE`](https://redis.io/docs/latest/commands/function-delete/): removes a library. An error if there is none.
    pub fn function_delete(&self, library: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("FUNCTION DELETE").arg(library))
    }

    /// [`FUNCTION FLUSH`](https://redis.io/docs/latest/commands/function-flush/): removes all libraries.
    pub fn function_flush(&self) -> Call<'_, ()> {
        self.run(cmd("FUNCTION FLUSH"))
    }

    /// [`FUNCTION LIST`](https://redis.io/docs/latest/commands/function-list/): the libraries whose names match a glob.
    pub fn function_list(&self, pattern: impl ToArg) -> Call<'_, Vec<LibraryInfo>> {
        self.run(cmd("FUNCTION LIST").arg("LIBRARYNAME").arg(pattern).read_only())
    }

    /// [`FUNCTION DUMP`](https://redis.io/docs/latest/commands/function-dump/): all libraries in the server's own format.
    pub fn function_dump(&self) -> Call<'_, Bytes> {
        self.run(cmd("FUNCTION DUMP").read_only())
    }

    /// [`FUNCTION RESTORE`](https://redis.io/docs/latest/commands/function-restore/): adds what was dumped. An error if a library of the same name is there.
    pub fn function_restore(&self, dump: impl ToArg) -> Call<'_, ()> {
        self.run(cmd("FUNCTION RESTORE").arg(dump))
    }

    /// [`FUNCTION KILL`](https://redis.io/docs/latest/commands/function-kill/): ends a function that runs and has not written yet. An error (`NOTBUSY`) if none runs.
    pub fn function_kill(&self) -> Call<'_, ()> {
        self.run(cmd("FUNCTION KILL"))
    }
}
