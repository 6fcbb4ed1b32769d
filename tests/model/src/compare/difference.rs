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
    let mut model = Gateway::new(world);
    let mut histogram = Histogram::default();
    for (index, step) in steps.iter().enumerate() {
        model.set_now(step.now_ns);
        core.set_now(step.now_ns);
        let (model, core) = (model.answer(&step.arrival), core.answer(&step.arrival));
        if model != core {
            let steps = steps.iter().take(index + 1).cloned().collect();
            return Err(Box::new(Difference { steps, model, core }));
        }
        histogram.add(model.reason);
    }
    Ok(histogram)
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
