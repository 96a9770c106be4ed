//! From registers to return addresses, in a signal handler if need be.
//!
//! Two ways to find a caller. **Frame pointers**: where code keeps them, a caller is two loads away. **Unwind tables**
//! say for every instruction where the caller's registers are; they are in every executable, as panics need them. The
//! interrupted function is always looked up in the tables: it may be a leaf that keeps no frame, or be in the middle of
//! making one, as C libraries' functions mostly are. So is every frame outside the executable, and all of them if the
//! executable was built without `-C force-frame-pointers=yes`, which is tried at start.
//!
//! Nothing here allocates, locks, or calls into libc. All reads of the stack are within the range that the caller gives.

use std::ops::Range;
use std::sync::OnceLock;

use framehop::{
    ExplicitModuleSectionInfo, FrameAddress, Module as TableModule, MustNotAllocateDuringUnwind,
    Unwinder as _,
};

use super::modules;

#[cfg(target_arch = "aarch64")]
use framehop::aarch64 as arch;
#[cfg(target_arch = "x86_64")]
use framehop::x86_64 as arch;

#[cfg(target_arch = "x86_64")]
type Tables = arch::UnwinderX86_64<&'static [u8], MustNotAllocateDuringUnwind>;
#[cfg(target_arch = "x86_64")]
type TableRegs = arch::UnwindRegsX86_64;
#[cfg(target_arch = "x86_64")]
type TableCache = arch::CacheX86_64<MustNotAllocateDuringUnwind>;

#[cfg(target_arch = "aarch64")]
type Tables = arch::UnwinderAarch64<&'static [u8], MustNotAllocateDuringUnwind>;
#[cfg(target_arch = "aarch64")]
type TableRegs = arch::UnwindRegsAarch64;
#[cfg(target_arch = "aarch64")]
type TableCache = arch::CacheAarch64<MustNotAllocateDuringUnwind>;

/// Frames of a stack, at most: what lies deeper is cut off, so that the deepest frames are missing near the root.
pub(crate) const FRAMES_MAX: usize = 128;

/// Registers at the point where a walk begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registers {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) fp: u64,
    /// Where a function returns to that has called nothing; on x86-64 that is on the stack.
    #[cfg(target_arch = "aarch64")]
    pub(crate) lr: u64,
}

impl Registers {
    /// Those of the interrupted code.
    ///
    /// # Safety
    /// `context` is the third argument of a signal handler.
    pub(crate) unsafe fn interrupted(context: *const libc::c_void) -> Registers {
        // SAFETY: the kernel passes a valid context.
        let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
        #[cfg(target_arch = "x86_64")]
        {
            let register = |index: libc::c_int| machine.gregs[index as usize].cast_unsigned();
            Registers {
                pc: register(libc::REG_RIP),
                sp: register(libc::REG_RSP),
                fp: register(libc::REG_RBP),
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            Registers { pc: machine.pc, sp: machine.sp, fp: machine.regs[29], lr: machine.regs[30] }
        }
    }

    /// Those of the calling function.
    #[inline(always)]
    pub(crate) fn here() -> Registers {
        let (pc, sp, fp): (u64, u64, u64);
        // SAFETY: reads three registers.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!(
                "lea {pc}, [rip]", "mov {sp}, rsp", "mov {fp}, rbp",
                pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp, options(nomem, nostack, preserves_flags),
            );
        }
        // SAFETY: reads three registers.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!(
                "adr {pc}, .", "mov {sp}, sp", "mov {fp}, x29",
                pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp, options(nomem, nostack, preserves_flags),
            );
        }
        Registers {
            pc,
            sp,
            fp,
            #[cfg(target_arch = "aarch64")]
            lr: 0,
        }
    }
}

/// What one thread needs for its walks. About 40 KiB: room for the widest row of an unwind table, and the rules met last.
pub(crate) struct Scratch(TableCache);

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch(TableCache::new_in())
    }
}

/// Walks stacks of this process.
pub(crate) struct Unwinder {
    tables: Tables,
    /// The executable's code, if it keeps frame pointers.
    framed: Range<u64>,
}

static UNWINDER: OnceLock<Unwinder> = OnceLock::new();

impl Unwinder {
    /// That of the process, for what was loaded when this was first called; later libraries are walked by frame pointers
    /// as far as they keep them. Call it before a handler does.
    pub(crate) fn get() -> &'static Unwinder {
        UNWINDER.get_or_init(Unwinder::new)
    }

    /// The same in a signal handler: `None` before anybody has called [`get`](Unwinder::get).
    #[inline]
    pub(crate) fn ready() -> Option<&'static Unwinder> {
        UNWINDER.get()
    }

    fn new() -> Unwinder {
        let mut tables = Tables::new();
        let mut framed = 0..0;
        for (index, module) in modules::loaded().into_iter().enumerate() {
            if index == 0 {
                framed = module.code.clone();
            }
            let range = |part: Option<(u64, &[u8])>| {
                part.map(|(at, bytes)| at - module.base..at - module.base + bytes.len() as u64)
            };
            let sections = ExplicitModuleSectionInfo {
                eh_frame_svma: range(module.frames),
                eh_frame: module.frames.map(|(_, bytes)| bytes),
                eh_frame_hdr_svma: range(module.table),
                eh_frame_hdr: module.table.map(|(_, bytes)| bytes),
                ..ExplicitModuleSectionInfo::default()
            };
            let name = module.path.to_string_lossy().into_owned();
            tables.add_module(TableModule::new(name, module.code, module.base, sections));
        }
        if !keeps_frame_pointers() {
            framed = 0..0;
        }
        Unwinder { tables, framed }
    }

    /// True if the executable keeps frame pointers, so that walks take the short way.
    pub(crate) fn has_frame_pointers(&self) -> bool {
        !self.framed.is_empty()
    }

    /// Writes the stack into `out`, innermost first, and gives the number of frames. All but the first are return
    /// addresses. `stack` is what may be read.
    pub(crate) fn walk(
        &self,
        start: Registers,
        stack: &Range<u64>,
        scratch: &mut Scratch,
        mut out: impl FnMut(u64),
    ) -> usize {
        out(start.pc);
        let mut frames = 1;
        let mut read = |address: u64| {
            let readable = address.is_multiple_of(8) && stack.start <= address && address < stack.end - 7;
            // SAFETY: inside the thread's stack, which is mapped while the thread runs, and aligned.
            let word = || unsafe { *std::ptr::with_exposed_provenance::<u64>(address as usize) };
            if readable { Ok(word()) } else { Err(()) }
        };
        if stack.end < 8 || !stack.contains(&start.sp) {
            return frames;
        }
        #[cfg(target_arch = "x86_64")]
        let mut registers = TableRegs::new(start.pc, start.sp, start.fp);
        #[cfg(target_arch = "aarch64")]
        let mut registers = TableRegs::new(start.lr, start.sp, start.fp);
        let mut address = FrameAddress::from_instruction_pointer(start.pc);
        while frames < FRAMES_MAX {
            let (sp, fp) = (registers.sp(), frame_pointer(&registers));
            let framed = frames > 1 && self.framed.contains(&address.address());
            let caller = if framed && fp >= sp {
                follow(&mut registers, fp, &mut read)
            } else {
                self.tables.unwind_frame(address, &mut registers, &mut scratch.0, &mut read).ok().flatten()
            };
            // A stack grows downwards, so a caller's frame lies above: what does not is no frame, and would be a loop.
            let Some(caller) = caller.filter(|_| registers.sp() > sp || frames == 1) else { break };
            let Some(next) = FrameAddress::from_return_address(caller) else { break };
            out(caller);
            frames += 1;
            address = next;
        }
        frames
    }

    /// The stack of the calling thread, from its caller on.
    #[inline(always)]
    pub(crate) fn walk_here(&self, scratch: &mut Scratch, out: impl FnMut(u64)) -> usize {
        let registers = Registers::here();
        self.walk(registers, &own_stack(registers.sp), scratch, out)
    }
}

#[cfg(target_arch = "x86_64")]
fn frame_pointer(registers: &TableRegs) -> u64 {
    registers.bp()
}

#[cfg(target_arch = "aarch64")]
fn frame_pointer(registers: &TableRegs) -> u64 {
    registers.fp()
}

/// One step by frame pointer: there lie the caller's, and the return address.
fn follow(registers: &mut TableRegs, fp: u64, read: &mut impl FnMut(u64) -> Result<u64, ()>) -> Option<u64> {
    let (next, caller) = (read(fp).ok()?, read(fp.checked_add(8)?).ok()?);
    registers.set_sp(fp.checked_add(16)?);
    #[cfg(target_arch = "x86_64")]
    registers.set_bp(next);
    #[cfg(target_arch = "aarch64")]
    registers.set_fp(next);
    (caller != 0).then_some(caller)
}

/// True if functions of this crate, and so of the executable, set up frames: then this one's leads to its caller's.
#[inline(never)]
fn keeps_frame_pointers() -> bool {
    #[inline(never)]
    fn callee(outer: &Registers) -> bool {
        let inner = Registers::here();
        let frame = |fp: u64| inner.sp <= fp && fp < outer.sp + 64 * 1024 && fp.is_multiple_of(8);
        // SAFETY: between the stack pointer and somewhat above the caller's, both of this thread's stack.
        let saved = || unsafe { *std::ptr::with_exposed_provenance::<u64>(inner.fp as usize) };
        frame(inner.fp) && inner.fp < outer.fp && frame(outer.fp) && saved() == outer.fp
    }
    let outer = Registers::here();
    std::hint::black_box(callee as fn(&Registers) -> bool)(&outer)
}

/// What may be read of the calling thread's stack above `sp`.
///
/// Asked once per thread, and kept: the answer takes a look into a file.
fn own_stack(sp: u64) -> Range<u64> {
    use std::cell::Cell;
    thread_local! {
        static END: Cell<u64> = const { Cell::new(0) };
    }
    if END.get() == 0 {
        // Before the look, which may allocate, so that an allocator that asks for its own stack meets an empty range.
        END.set(1);
        END.set(super::ranges::Ranges::read().around(sp).map_or(1, |range| range.end));
    }
    sp..END.get().max(sp)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of this many calls.
    #[inline(never)]
    fn deep(left: usize, found: &mut Vec<u64>) -> usize {
        if left == 0 {
            return Unwinder::get().walk_here(&mut Scratch::default(), |address| found.push(address));
        }
        std::hint::black_box(deep(left - 1, found)) + 1
    }

    #[test]
    fn a_walk_meets_every_caller_once() {
        let mut found = Vec::new();
        let frames = deep(20, &mut found) - 20;
        assert_eq!(frames, found.len());
        let start = (deep as fn(usize, &mut Vec<u64>) -> usize) as usize as u64;
        let inside = found.iter().filter(|address| (start..start + 4096).contains(address)).count();
        assert!((21..=23).contains(&inside), "{inside} frames of the function in {frames}");
    }

    #[test]
    fn a_walk_reads_nothing_outside_the_range() {
        let registers = Registers::here();
        for stack in [0..0, registers.sp..registers.sp + 8, registers.sp - 64..registers.sp] {
            let frames = Unwinder::get().walk(registers, &stack, &mut Scratch::default(), |_| {});
            assert!(frames <= 2, "{frames} frames out of {stack:?}");
        }
    }

    #[test]
    fn a_deep_stack_is_cut_off() {
        let mut found = Vec::new();
        deep(1000, &mut found);
        assert_eq!(found.len(), FRAMES_MAX);
    }
}
