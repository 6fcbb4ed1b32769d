//! Reading and deciding in userspace: what `tollfree classify` spends on a packet.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use criterion::Criterion;
use ipnet::IpNet;
use tollfree::config::defaults::SIP_PORT;
use tollfree::memory::MemoryTables;
use tollfree_benches::sample::{self, Sample};
use tollfree_core::bytes::Frame;
use tollfree_core::decide::decide;
use tollfree_core::packet::tunnel::AllTransports;
use tollfree_core::packet::{Start, parse};
use tollfree_core::reason::Reason;

/// Reason: two benchmarks of eight samples stay below half a minute.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_secs(1);
const FLOWS_MAX: usize = 1024;

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .without_plots()
        .configure_from_args();
    let samples = sample::samples()?;
    let pools = sample::POOLS.iter().map(|pool| pool.parse()).collect::<Result<Vec<IpNet>, _>>()?;
    let mut tables = MemoryTables::new(&sample::plan()?, &pools, FLOWS_MAX);
    let (key, entry) = sample::grant()?;
    tables.grant(key, entry);
    measure_parse(&mut criterion, &samples);
    measure_decide(&mut criterion, &samples, &tables);
    criterion.final_summary();
    Ok(())
}

fn measure_parse(criterion: &mut Criterion, samples: &[Sample]) {
    let mut group = criterion.benchmark_group("parse");
    for sample in samples {
        group.bench_function(sample.name, |bencher| {
            bencher.iter(|| {
                parse(&Frame::new(black_box(&sample.frame)), Start::Ethernet, 0, &AllTransports, &mut ())
            });
        });
    }
    group.finish();
}

fn measure_decide(criterion: &mut Criterion, samples: &[Sample], tables: &MemoryTables) {
    let mut group = criterion.benchmark_group("parse and decide");
    for sample in samples {
        group.bench_function(sample.name, |bencher| {
            bencher.iter(|| {
                let packet = parse(
                    &Frame::new(black_box(&sample.frame)),
                    Start::Ethernet,
                    0,
                    &AllTransports,
                    &mut (),
                )?;
                Ok::<_, Reason>(decide(tables, sample.role, SIP_PORT, &packet))
            });
        });
    }
    group.finish();
}
