//! Getting lines to the disk without making the core wait.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corelane_runtime::{blocking, spawn, time};

use super::Reopen;

/// Bytes of lines that wait on each core at most, unless said otherwise (1 MiB): some seconds of lines at full load. As
/// many may be on their way to the disk.
pub const BUFFER_BYTES: usize = 1 << 20;

/// How long a line waits for others before they are written together.
pub const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// Line buffers that are kept for the next requests.
const SPARE_MAX: usize = 64;

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that this process has dropped since it started, because the disk was full or slower than they came.
pub fn dropped_count() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

#[derive(Clone)]
pub(super) enum Target {
    File(PathBuf),
    Stdout,
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// The lines of one core on their way.
pub(super) struct Writer {
    waiting: RefCell<Vec<u8>>,
    bytes_max: usize,
    state: Cell<State>,
    /// What is being written, until it is known to be.
    batch: RefCell<Option<Arc<Batch>>>,
    sink: Arc<Mutex<Sink>>,
    reopen: Reopen,
    /// Lines dropped since the log has last told of it.
    dropped: Cell<u64>,
    spare: RefCell<Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing waits.
    Idle,
    /// A task sleeps until lines are worth a write.
    Gathering,
    /// A task writes.
    Writing,
}

/// Lines handed to a thread. Whoever takes it first writes it: the thread, or the core that ends before one was free.
struct Batch {
    bytes: Vec<u8>,
    taken: AtomicBool,
}

impl Writer {
    pub(super) fn new(target: Target, bytes_max: usize, reopen: Reopen) -> Rc<Writer> {
        let sink = Sink { target, file: None, opened: 0, is_line_cut: false };
        Rc::new(Writer {
            waiting: RefCell::default(),
            bytes_max,
            state: Cell::new(State::Idle),
            batch: RefCell::default(),
            sink: Arc::new(Mutex::new(sink)),
            reopen,
            dropped: Cell::new(0),
            spare: RefCell::default(),
        })
    }

    pub(super) fn take_spare(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, spare: Vec<u8>) {
        let mut spares = self.spare.borrow_mut();
        if spares.len() < SPARE_MAX {
            spares.push(spare);
        }
    }

    /// Adds a line, which `line` writes with its end; drops it if there is no room.
    pub(super) fn write(self: &Rc<Self>, line: impl FnOnce(&mut Vec<u8>)) {
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.len();
        line(&mut waiting);
        if waiting.len() > self.bytes_max {
            waiting.truncate(before);
            self.dropped.set(self.dropped.get() + 1);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        let is_half_full = waiting.len() >= self.bytes_max / 2;
        drop(waiting);
        match self.state.get() {
            State::Writing => {}
            State::Gathering if !is_half_full => {}
            State::Idle if !is_half_full => {
                self.state.set(State::Gathering);
                let this = Rc::clone(self);
                drop(spawn(async move {
                    time::sleep(FLUSH_AFTER).await;
                    if this.state.get() == State::Gathering {
                        this.state.set(State::Writing);
                        this.write_away().await;
                    }
                }));
            }
            State::Idle | State::Gathering => {
                self.state.set(State::Writing);
                let this = Rc::clone(self);
                drop(spawn(async move { this.write_away().await }));
            }
        }
    }

    /// Writes until nothing waits.
    async fn write_away(&self) {
        loop {
            let bytes = self.waiting.take();
            if bytes.is_empty() {
                break;
            }
            let batch = Arc::new(Batch { bytes, taken: AtomicBool::new(false) });
            *self.batch.borrow_mut() = Some(Arc::clone(&batch));
            let (sink, generation, job) = (Arc::clone(&self.sink), self.reopen.count(), Arc::clone(&batch));
            let ran = blocking::run(move || {
                // Taken with the sink in hand: who gets the sink next knows that a taken batch is done with.
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                if !job.taken.swap(true, Ordering::AcqRel) {
                    sink.write_or_count(&job.bytes, generation);
                }
            })
            .await;
            *self.batch.borrow_mut() = None;
            if let Err(error) = ran
                && !batch.taken.load(Ordering::Acquire)
            {
                // No thread took it: the lines go back, in front of those that came meanwhile, and wait on.
                let mut bytes = batch.bytes.clone();
                bytes.append(&mut self.waiting.borrow_mut());
                *self.waiting.borrow_mut() = bytes;
                tracing::warn!(%error, "the access log waits for a thread");
                time::sleep(FLUSH_AFTER).await;
            }
            let dropped = self.dropped.take();
            if dropped > 0 {
                tracing::error!(
                    lines = dropped,
                    "lines of the access log were dropped: there was no room for them"
                );
            }
        }
        self.state.set(State::Idle);
    }
}

/// Lines that end in these bytes.
fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Drop for Writer {
    /// The core ends: what is left is written here, as no task will run any more. A thread that is writing is waited for,
    /// since the process may end before it otherwise.
    fn drop(&mut self) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten = self.batch.take().filter(|batch| !batch.taken.swap(true, Ordering::AcqRel));
        let waiting = self.waiting.take();
        let generation = self.reopen.count();
        sink.write_or_count(unwritten.as_ref().map_or(&[][..], |batch| &batch.bytes), generation);
        sink.write_or_count(&waiting, generation);
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("waiting", &self.waiting.borrow().len()).finish_non_exhaustive()
    }
}

/// Where lines go. Used by one thread at a time.
struct Sink {
    target: Target,
    file: Option<File>,
    /// How often it had been asked to reopen when the file was opened.
    opened: u64,
    /// True if the last write ended inside a line, as on a full disk.
    is_line_cut: bool,
}

struct Failed {
    error: io::Error,
    /// Bytes that were written before.
    written: usize,
}

impl Sink {
    /// Writes; what cannot be written is counted, and told in the program's log.
    fn write_or_count(&mut self, bytes: &[u8], generation: u64) {
        if let Err(Failed { error, written }) = self.write(bytes, generation) {
            let lost = lines(&bytes[written..]);
            DROPPED.fetch_add(lost, Ordering::Relaxed);
            tracing::error!(%error, lines = lost, "lines of the access log were lost");
        }
    }

    fn write(&mut self, bytes: &[u8], generation: u64) -> Result<(), Failed> {
        if bytes.is_empty() {
            return Ok(());
        }
        let path = match &self.target {
            Target::Stdout => {
                return io::stdout().lock().write_all(bytes).map_err(|error| Failed { error, written: 0 });
            }
            Target::File(path) => path,
        };
        if self.file.is_none() || self.opened != generation {
            match open(path) {
                Ok(file) => (self.file, self.opened) = (Some(file), generation),
                Err(error) if self.file.is_some() => {
                    tracing::error!(%error, "the access log cannot be opened anew and goes on in the old file");
                }
                Err(error) => return Err(Failed { error, written: 0 }),
            }
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.is_line_cut {
            file.write_all(b"\n").map_err(|error| Failed { error, written: 0 })?;
            self.is_line_cut = false;
        }
        let mut written = 0;
        while written < bytes.len() {
            match file.write(&bytes[written..]) {
                Ok(0) => return Err(Failed { error: io::ErrorKind::WriteZero.into(), written }),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_line_cut = written > 0 && bytes[written - 1] != b'\n';
                    return Err(Failed { error, written });
                }
            }
        }
        Ok(())
    }
}
