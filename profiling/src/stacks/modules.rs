//! What is loaded into the process: where its code is, and where its unwind tables are.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The executable, or a library it uses.
pub(crate) struct Module {
    /// The file it was loaded from.
    pub(crate) path: PathBuf,
    /// What is to be added to addresses of the file.
    pub(crate) base: u64,
    /// Where its executable part is.
    pub(crate) code: Range<u64>,
    /// The section `.eh_frame_hdr`, and where it is.
    pub(crate) table: Option<(u64, &'static [u8])>,
    /// From the beginning of `.eh_frame` to the end of its segment, and where that is.
    pub(crate) frames: Option<(u64, &'static [u8])>,
}

/// Every module that is loaded now.
pub(crate) fn loaded() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: the callback is called before this returns only, with `data` as given here.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut modules).cast()) };
    modules
}

/// # Safety
/// As `dl_iterate_phdr` calls it, with a `Vec<Module>` behind `data`.
unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` is the vector that `loaded` passed, which nobody else uses meanwhile; `info` is valid during
    // the call.
    let (modules, info) = unsafe { (&mut *data.cast::<Vec<Module>>(), &*info) };
    // SAFETY: the name is null or a C string that lives during the call.
    let name = (!info.dlpi_name.is_null()).then(|| unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes());
    let path = match name {
        // The first is the executable, which has no name.
        None | Some(b"") if modules.is_empty() => PathBuf::from("/proc/self/exe"),
        Some(name) => PathBuf::from(OsStr::from_bytes(name)),
        None => PathBuf::new(),
    };
    // SAFETY: the loader keeps `dlpi_phnum` program headers there.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = info.dlpi_addr;
    let segments = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let code = segments.clone().find(|header| header.p_flags & libc::PF_X != 0);
    let Some(code) = code.map(|header| base + header.p_vaddr..base + header.p_vaddr + header.p_memsz) else {
        return 0;
    };
    let table = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME).map(|header| {
        let at = base + header.p_vaddr;
        // SAFETY: the header says that the segment is loaded here and so long, and nothing writes to it.
        (at, unsafe { bytes(at, header.p_memsz) })
    });
    let frames = table.and_then(|(at, table)| {
        let start = frames_start(at, table)?;
        let inside = |header: &&libc::Elf64_Phdr| {
            (base + header.p_vaddr..base + header.p_vaddr + header.p_filesz).contains(&start)
        };
        let end = segments.clone().find(inside).map(|header| base + header.p_vaddr + header.p_filesz)?;
        // SAFETY: it ends with the loaded segment that it begins in.
        Some((start, unsafe { bytes(start, end - start) }))
    });
    modules.push(Module { path, base, code, table, frames });
    0
}

/// # Safety
/// So many bytes must be readable there, and not change, while the module is loaded.
unsafe fn bytes(at: u64, len: u64) -> &'static [u8] {
    // SAFETY: as the caller promises. A module that is unloaded while a profile runs is the program's risk, which the
    // documentation of the sampler names.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(at as usize), len as usize) }
}

/// Where `.eh_frame` begins, as its header says: the encoding that every linker uses is a signed 32-bit distance from
/// the field itself (LSB 5.0, 10.6.2).
fn frames_start(at: u64, table: &[u8]) -> Option<u64> {
    const DISTANCE: u8 = 0x1b;
    let [1, DISTANCE, _, _, a, b, c, d, ..] = *table else { return None };
    (at + 4).checked_add_signed(i64::from(i32::from_le_bytes([a, b, c, d])))
}
