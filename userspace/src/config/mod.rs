//! Placeholder.
use std::path::PathBuf;
use std::net::IpAddr;
use tollfree_core::interface::Role;
use tollfree_core::settings::Tag;
pub struct Config { pub bpffs: PathBuf, pub interfaces: Vec<InterfaceConfig>, pub tags: [Tag; 3], pub limits: Limits, pub signalling: Signalling }
pub struct InterfaceConfig { pub name: String, pub role: Role }
pub struct Limits { pub counters: u32, pub flows: u32 }
pub struct Signalling { pub port: u16, pub proxies: Vec<IpAddr> }
