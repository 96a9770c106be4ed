//! The tasks that keep a wait on the driver's own descriptors.
//!
//! They are ordinary tasks of the core. A turn takes mail and fires timers by itself; these only
//! see to it that the descriptor is waited on again, and they run before the core sleeps, because
//! it sleeps only when no task is ready.

use std::io;
use std::rc::Rc;

use super::kick::{borrow, pollable};
use super::timer::Timer;
use crate::driver::bell::silence;
use crate::executor::{Core, spawn};

pub(super) fn start(core: &Core, timer: &Rc<Timer>) -> io::Result<()> {
    let bell = pollable(core.shared.bell.duplicate()?)?;
    drop(spawn(async move {
        loop {
            if let Err(error) = bell.readable(false).await {
                return tracing::error!(%error, "the doorbell is deaf");
            }
            silence(borrow(&bell));
        }
    }));
    let timer = Rc::clone(timer);
    drop(spawn(async move {
        loop {
            if let Err(error) = timer.fired().await {
                return tracing::error!(%error, "the timer is deaf");
            }
        }
    }));
    Ok(())
}
