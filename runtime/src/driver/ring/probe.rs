//! Finds out what the kernel can do by doing it, on sockets of our own.
//!
//! Version numbers lie: distributions backport, containers filter, and some features were there
//! before they worked. Each probe runs the exact sequence the driver relies on.

use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::bufring::Entries;
use super::features::{Features, Setup};
use crate::launch::RingOptions;

/// Entries of the rings used for probing.
const ENTRIES: u32 = 8;

/// Bytes no socket takes at once with the send buffer the probe sets.
const TOO_MUCH: usize = 4 * 1024 * 1024;

/// Tries everything with the flags `setup`.
///
/// # Errors
/// When something the driver cannot do without is missing: multishot accept, or multishot receive
/// on a provided-buffer ring. What is merely better to have is told in the result.
pub(super) fn probe(setup: Setup, wanted: RingOptions) -> io::Result<Features> {
    multishot_accept(&mut setup.build(ENTRIES, ENTRIES * 4)?)?;
    multishot_receive(&mut setup.build(ENTRIES, ENTRIES * 4)?)?;
    let mut ring = setup.build(ENTRIES, ENTRIES * 4)?;
    let polled = matches!(setup, Setup::Polled(_));
    let skip_success = !polled && decided_on_submission(&mut ring).unwrap_or(false);
    let zero_copy = || zero_copy(&mut setup.build(ENTRIES, ENTRIES * 4)?);
    let message = || message(setup);
    let options = RingOptions {
        zero_copy_from: wanted.zero_copy_from.filter(|_| zero_copy().is_ok()),
        message_doorbells: wanted.message_doorbells && message().is_ok(),
        busy_poll: wanted.busy_poll,
        submission_poll: wanted.submission_poll.filter(|_| polled),
    };
    let no_iowait = ring.params().is_feature_no_iowait();
    Ok(Features { setup, skip_success, registered_files: false, no_iowait, options })
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(libc::EOPNOTSUPP)
}

/// Submits, waits for `want` completions at most a second, and returns what there is.
fn complete(ring: &mut IoUring, entries: &[squeue::Entry], want: usize) -> io::Result<Vec<cqueue::Entry>> {
    for entry in entries {
        // SAFETY: each probe keeps what its entries point to until the ring is dropped or the
        // entry's completion was seen.
        unsafe { ring.submission().push(entry) }.map_err(|_| missing())?;
    }
    let patience = types::Timespec::from(Duration::from_secs(1));
    match ring.submitter().submit_with_args(want, &types::SubmitArgs::new().timespec(&patience)) {
        Ok(_) => {}
        Err(error) if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR)) => {}
        Err(error) => return Err(error),
    }
    Ok(ring.completion().collect())
}

fn multishot_accept(ring: &mut IoUring) -> io::Result<()> {
    // An abstract address: no file to remove.
    // The last probe's address may still be held by its ring, which closes in its own time.
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let name = format!("corelane-probe-{}-{}", std::process::id(), PROBES.fetch_add(1, Ordering::Relaxed));
    let address = SocketAddr::from_abstract_name(name)?;
    let listener = UnixListener::bind_addr(&address)?;
    let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build();
    for first in [true, false] {
        let _client = UnixStream::connect_addr(&address)?;
        let entries = if first { std::slice::from_ref(&entry) } else { &[] };
        let done = complete(ring, entries, 1)?;
        let [accepted] = done.as_slice() else { return Err(missing()) };
        if accepted.result() < 0 || !cqueue::more(accepted.flags()) {
            return Err(missing());
        }
        // SAFETY: a descriptor the kernel has just made for us.
        drop(unsafe { OwnedFd::from_raw_fd(accepted.result()) });
    }
    Ok(())
}

fn multishot_receive(ring: &mut IoUring) -> io::Result<()> {
    let mut entries = Entries::register(ring, 0, 2)?;
    // Freed on success only, when the operation has ended: on failure the kernel may still write.
    let mut buffers = ManuallyDrop::new(Box::new([[0u8; 64]; 2]));
    let (mut near, far) = UnixStream::pair()?;
    for (number, buffer) in (0u16..).zip(buffers.iter_mut()) {
        // SAFETY: the buffers outlive the operation: it has ended where they are freed, and they
        // are leaked where it has not.
        unsafe { entries.offer(buffer.as_mut_ptr(), buffer.len(), number) };
    }
    entries.publish();
    let entry = opcode::RecvMulti::new(types::Fd(far.as_raw_fd()), 0).build();
    for (word, entries) in [(b"one", std::slice::from_ref(&entry)), (b"two", &[])] {
        near.write_all(word)?;
        let done = complete(ring, entries, 1)?;
        let [received] = done.as_slice() else { return Err(missing()) };
        let number = cqueue::buffer_select(received.flags()).ok_or_else(missing)?;
        let bytes = buffers.get(usize::from(number)).ok_or_else(missing)?;
        if received.result() != 3 || !cqueue::more(received.flags()) || !bytes.starts_with(word) {
            return Err(missing());
        }
    }
    // The third finds no buffer, and must say so instead of waiting.
    near.write_all(b"three")?;
    match complete(ring, &[], 1)?.as_slice() {
        [refused] if refused.result() == -libc::ENOBUFS && !cqueue::more(refused.flags()) => {}
        _ => return Err(missing()),
    }
    drop(ManuallyDrop::into_inner(buffers));
    Ok(())
}

/// True if a send with `MSG_DONTWAIT | MSG_WAITALL` and its success skipped is decided by the enter
/// that submits it: silent when every byte was taken, a completion when not. See [`super::send`].
fn decided_on_submission(ring: &mut IoUring) -> io::Result<bool> {
    let (near, mut far) = UnixStream::pair()?;
    socket2::SockRef::from(&near).set_send_buffer_size(4096)?;
    // Freed on success only: a kernel that decides later may still read it.
    let payload = ManuallyDrop::new(vec![7u8; TOO_MUCH]);
    let send = |bytes: &[u8]| {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        opcode::Send::new(types::Fd(near.as_raw_fd()), bytes.as_ptr(), len)
            .flags(libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
    };
    // Taken whole: silence, and the bytes are there.
    if !complete(ring, &[send(b"all")], 0)?.is_empty() {
        return Ok(false);
    }
    let mut got = [0; 3];
    far.read_exact(&mut got)?;
    // Taken in part: said at once, with the number.
    let partial = complete(ring, &[send(&payload)], 0)?;
    let [partial] = partial.as_slice() else { return Ok(false) };
    let taken = usize::try_from(partial.result()).unwrap_or(0);
    if taken == 0 || taken >= payload.len() {
        return Ok(false);
    }
    // Not taken at all: said at once.
    let refused = complete(ring, &[send(&payload)], 0)?;
    if !matches!(refused.as_slice(), [refused] if refused.result() == -libc::EAGAIN) {
        return Ok(false);
    }
    drop(ManuallyDrop::into_inner(payload));
    Ok(true)
}

/// A send without a copy over TCP, which is what knows them: its completion promises a notification,
/// and that comes.
fn zero_copy(ring: &mut IoUring) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    near.connect(&listener.local_addr()?.into())?;
    let (mut far, _) = listener.accept()?;
    // Freed on success only, when the kernel is done with it.
    let payload = ManuallyDrop::new([7u8; 64]);
    let len = u32::try_from(payload.len()).map_err(|_| missing())?;
    let send = opcode::SendZc::new(types::Fd(near.as_raw_fd()), payload.as_ptr(), len)
        .flags(libc::MSG_NOSIGNAL)
        .build();
    let mut done = complete(ring, &[send], 1)?;
    far.set_read_timeout(Some(Duration::from_secs(1)))?;
    far.read_exact(&mut [0; 64])?;
    if done.len() < 2 {
        done.extend(complete(ring, &[], 1)?);
    }
    match done.as_slice() {
        [sent, free] if sent.result() == 64 && cqueue::more(sent.flags()) && cqueue::notif(free.flags()) => {
            Ok(())
        }
        _ => Err(missing()),
    }
}

/// A message from one ring to another: it arrives, and the sender hears nothing of it.
fn message(setup: Setup) -> io::Result<()> {
    let mut from = setup.build(ENTRIES, ENTRIES * 4)?;
    let mut to = setup.build(ENTRIES, ENTRIES * 4)?;
    let entry = opcode::MsgRingData::new(types::Fd(to.as_raw_fd()), 0, 5, None)
        .build()
        .flags(squeue::Flags::SKIP_SUCCESS);
    if !complete(&mut from, &[entry], 0)?.is_empty() {
        return Err(missing());
    }
    match complete(&mut to, &[], 1)?.as_slice() {
        [arrived] if arrived.user_data() == 5 => Ok(()),
        _ => Err(missing()),
    }
}
