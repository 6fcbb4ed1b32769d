//! Tollfree's controller: what it reads, what it keeps in the kernel, and what it hands out.
//!
//! A gateway's [`config`] and its [`policy`] directory come in. The policy is validated, compiled into a plan and
//! put into the kernel by [`dataplane`]; [`resolve`] keeps the addresses of its names fresh, and [`book`] holds
//! who has which; [`calls`] follows signalling. [`audit`] records each activation before it takes effect. [`ledger`] turns the kernel's counters into
//! records, [`identity`] tells whose they are, and [`export`] publishes them. [`daemon`] ties them together; [`cli`] is
//! what a person calls. [`classify`] makes of [`capture`]s what the kernel makes of traffic; [`observe`] does so live, on
//! a mirror port.

pub mod api;
pub mod audit;
pub mod book;
mod boot;
pub mod calls;
pub mod capture;
pub mod classify;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dataplane;
pub mod day;
pub mod diagnostic;
mod document;
pub mod exit;
pub mod export;
pub mod identity;
pub mod ledger;
pub mod memory;
pub mod observe;
pub mod policy;
mod recent;
pub mod resolve;
#[cfg(test)]
mod small_disk;
mod state_file;
pub mod status;
