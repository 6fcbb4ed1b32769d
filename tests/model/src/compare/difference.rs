//! A packet of which the two say different things.

use std::fmt;

use super::core::{Core, GatewayTables};
use super::histogram::Histogram;
use crate::answer::{Answer, Gateway};
use crate::generate::Step;
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
pub fn compare<T: GatewayTables>(
    world: &World,
    mut core: Core<T>,
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
    /// Frames in hexadecimal, in the form that `tests/regressions` keeps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        writeln!(f, "model: {:?}", self.model)?;
        writeln!(f, "core:  {:?}", self.core)
    }
}
