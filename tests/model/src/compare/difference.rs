//! A packet of which the two say different things.

use std::fmt;

use tollfree_core::decide::Tables;
use tollfree_core::packet::tunnel::Transports;

use super::core::Core;
use super::histogram::Histogram;
use crate::answer::{Answer, Gateway};
use crate::step::Step;
use crate::world::World;

/// The first packet of a sequence on which they differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// All packets up to it.
    pub steps: Vec<Step>,
    /// What the model says of the last.
    pub model: Answer,
    /// What the core says of it.
    pub core: Answer,
}

/// Sends a sequence through both.
///
/// # Errors
/// The first difference.
pub fn compare<T: Tables, R: Transports>(
    world: &World,
    mut core: Core<T, R>,
    steps: &[Step],
) -> Result<Histogram, Box<Difference>> {
    let mut gateway = Gateway::new(world);
    let mut histogram = Histogram::default();
    let (mut models, mut cores) = (Numbers::default(), Numbers::default());
    let mut awaiting = None;
    for (index, step) in steps.iter().enumerate() {
        gateway.set_now(step.now_ns);
        core.set_now(step.now_ns);
        for grant in world.grants.iter().filter(|grant| step.now_ns >= grant.gone_ns) {
            core.revoke(grant);
        }
        if let (Some(reason), Some((model, flow, rule))) =
            (step.told, awaiting.take_if(|_| step.told.is_some()))
        {
            gateway.tell(model, reason);
            core.tell(flow, rule, reason);
        }
        let (mut model, mut core) = (gateway.answer(&step.arrival), core.answer(&step.arrival));
        awaiting = model.awaits.zip(core.awaits).map(|(model, flow)| (model, flow, core.rule)).or(awaiting);
        model.awaits = model.awaits.map(|number| models.place(number));
        core.awaits = core.awaits.map(|number| cores.place(number));
        if model != core {
            let steps = steps.iter().take(index + 1).cloned().collect();
            return Err(Box::new(Difference { steps, model, core }));
        }
        histogram.add(model.reason);
    }
    Ok(histogram)
}

/// Numbers in the order in which they come up: what a flow's number is does not matter, only which packets share one.
#[derive(Debug, Default)]
struct Numbers {
    seen: Vec<u64>,
}

impl Numbers {
    /// Which one it is, of all that came up.
    fn place(&mut self, number: u64) -> u64 {
        let place = self.seen.iter().position(|seen| *seen == number).unwrap_or_else(|| {
            self.seen.push(number);
            self.seen.len() - 1
        });
        u64::try_from(place).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Difference {
    /// Steps as `tests/regressions` keeps them, and both answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        writeln!(f, "model: {:?}", self.model)?;
        writeln!(f, "core:  {:?}", self.core)
    }
}
