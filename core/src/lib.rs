//! What both planes share: how a packet is read, how it is decided, and what lies in the maps between them.
//!
//! A frame comes in as [`bytes::Bytes`]; [`packet::parse`] reads its headers into a [`packet::Packet`] or names
//! the [`reason::Reason`] why it cannot; [`decide::decide`] looks the packet up in [`decide::Tables`] and says in
//! which bucket its bytes belong and what it is tagged with, and [`tag::apply`] writes the tag. The same source is compiled
//! for the kernel (`ebpf/`) and for userspace, so nothing here allocates, formats, or knows of BPF. Everything that crosses between the
//! planes is a `#[repr(C)]` struct of this crate, listed in [`layout`] under one version.
#![no_std]
#![forbid(unsafe_op_in_unsafe_fn)]
#![allow(
    clippy::inline_always,
    reason = "the verifier follows one function best, and the BPF linker refuses calls that copy memory"
)]

pub mod address;
pub mod bytes;
pub mod control;
pub mod counter;
pub mod decide;
pub mod event;
pub mod flow;
pub mod interface;
pub mod layout;
pub mod limits;
pub mod names;
pub mod packet;
pub mod places;
pub mod plan;
pub mod prefix;
pub mod quota;
pub mod reason;
mod rewrite;
pub mod settings;
pub mod sought;
pub mod stat;
pub mod tag;
