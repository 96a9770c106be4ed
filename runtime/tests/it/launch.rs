//! Choosing drivers, stepping down, pinning.

use corelane_runtime::{Builder, DriverChoice, DriverKind, Runtime, spawn};

use crate::support::in_child;

/// Makes `io_uring_setup` fail with EPERM in this process from now on, as container profiles do.
fn forbid_io_uring() {
    const LOAD_SYSCALL_NUMBER: libc::sock_filter = libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
    let forbidden = libc::SYS_io_uring_setup as u32;
    let mut program = [
        LOAD_SYSCALL_NUMBER,
        // If it is the one, go on to the refusal; else skip it.
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: forbidden },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | libc::EPERM as u32 },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program is valid for the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program), 0);
    }
}

#[test]
fn without_io_uring_it_steps_down_and_says_so() {
    in_child("launch::without_io_uring_it_steps_down_and_says_so", || {
        forbid_io_uring();
        let runtime = Runtime::builder().cores(Some(2)).pin(false).start(|_| async {}).unwrap();
        let info = runtime.info();
        assert_eq!(info.driver(), DriverKind::Epoll);
        assert!(info.is_stepped_down());
        assert_eq!(info.notes().len(), 4, "our own ring, and each set of flags of the other: {info}");
        assert!(info.to_string().contains("2 cores on epoll (stepped down: our own ring: "), "{info}");
        runtime.join().unwrap();

        let refused = Runtime::builder().cores(Some(1)).driver(DriverChoice::Uring).start(|_| async {});
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM), "forced, so it is an error");
        assert_eq!(Builder::default().block_on(async { 1 }).unwrap(), 1, "automatic still works");
    });
}

#[test]
fn with_io_uring_the_best_flags_are_taken() {
    let runtime = Runtime::builder().cores(Some(1)).pin(false).start(|_| async {}).unwrap();
    let info = runtime.info();
    println!("{info}");
    assert_eq!(info.driver(), DriverKind::Ring, "this machine has io_uring: {info}");
    // Kernels before 6.1 have no DEFER_TASKRUN; then there must be a note instead.
    assert!(info.ring_flags().defer_taskrun || info.is_stepped_down());
    runtime.join().unwrap();
}

#[test]
fn cores_are_pinned_each_to_its_own_cpu() {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let runtime = Runtime::builder()
        .start(|_| async {
            let mine = rustix::thread::sched_getaffinity(None).unwrap();
            assert_eq!(mine.count(), 1, "pinned to one");
        })
        .unwrap();
    let mut cpus: Vec<usize> = runtime.info().cpus().iter().map(|cpu| cpu.unwrap()).collect();
    assert_eq!(cpus.len(), allowed.count() as usize, "one core per CPU we may use");
    assert!(cpus.iter().all(|&cpu| allowed.is_set(cpu)));
    cpus.dedup();
    assert_eq!(cpus.len(), runtime.info().cores(), "each its own");
    runtime.join().unwrap();
}

#[test]
fn names_of_drivers() {
    for (name, want) in [
        ("auto", Some(DriverChoice::Auto)),
        ("uring", Some(DriverChoice::Uring)),
        ("epoll", Some(DriverChoice::Epoll)),
        ("Epoll", None),
        ("", None),
    ] {
        assert_eq!(name.parse::<DriverChoice>().ok(), want, "{name:?}");
    }
}

#[test]
#[should_panic(expected = "a runtime cannot start inside one")]
fn a_runtime_inside_a_runtime_is_refused() {
    corelane_runtime::block_on(async { corelane_runtime::block_on(async {}) });
}

#[test]
#[should_panic(expected = "this thread is no core")]
fn spawning_off_a_core_is_refused() {
    drop(spawn(async {}));
}
