//! What crosses between the planes, held against its golden description.
//!
//! A difference means that maps of an older build cannot be adopted: raise `LAYOUT_VERSION`, then accept the new
//! description (`cargo insta review`).

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use aya_obj::Object;
use aya_obj::generated::bpf_map_type;
use aya_obj::maps::PinningType;
use tollfree::dataplane::object;
use tollfree_core::layout::{LAYOUT_VERSION, STRUCTS};

/// Names of the map types in use (`enum bpf_map_type` of the kernel's `linux/bpf.h`), else the number.
fn type_name(number: u32) -> String {
    [
        (bpf_map_type::BPF_MAP_TYPE_HASH, "hash"),
        (bpf_map_type::BPF_MAP_TYPE_ARRAY, "array"),
        (bpf_map_type::BPF_MAP_TYPE_PERCPU_HASH, "per-CPU hash"),
        (bpf_map_type::BPF_MAP_TYPE_LRU_HASH, "LRU hash"),
        (bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY, "per-CPU array"),
        (bpf_map_type::BPF_MAP_TYPE_LPM_TRIE, "LPM trie"),
        (bpf_map_type::BPF_MAP_TYPE_RINGBUF, "ring buffer"),
    ]
    .into_iter()
    .find(|(kind, _)| *kind as u32 == number)
    .map_or_else(|| number.to_string(), |(_, name)| name.into())
}

fn describe() -> Result<String> {
    let mut text = format!("version {LAYOUT_VERSION}\n");
    for (name, octets, fields) in STRUCTS {
        writeln!(text, "\n{name}: {octets} octets")?;
        for (field, offset, octets) in *fields {
            writeln!(text, "  {offset:>4} {octets:>4} {field}")?;
        }
    }
    writeln!(text, "\nmap: type, octets of the key, octets of the value, flags; entries of arrays")?;
    let object = Object::parse(object()).context("reading the kernel object")?;
    let mut maps: Vec<_> = object.maps.iter().collect();
    maps.sort_by_key(|(name, _)| *name);
    // What is not pinned (constants, scratch memory) is the program's own: nobody else reads it.
    for (name, map) in maps.into_iter().filter(|(_, map)| map.pinning() == PinningType::ByName) {
        let kind = type_name(map.map_type());
        write!(text, "  {name}: {kind}, {}, {}, {:#x}", map.key_size(), map.value_size(), map.map_flags())?;
        // An array's index means something; how much room other maps have is configured.
        writeln!(
            text,
            "{}",
            if kind.ends_with("array") { format!("; {}", map.max_entries()) } else { String::new() }
        )?;
    }
    Ok(text)
}

#[test]
fn the_layout_is_that_of_its_version() -> Result<()> {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = describe()?;
    settings.bind(|| insta::assert_snapshot!("layout", text));
    Ok(())
}
