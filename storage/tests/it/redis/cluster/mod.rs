//! A cluster of six, and one that lies.

mod commands;
mod failover;
mod lies;
mod moves;
