//! Making a difference small enough to read.

use super::difference::Difference;
use crate::step::Step;

/// Drops packets, then octets, as long as the two still differ in the same way: for the same two reasons. `differ` sends a sequence through both.
pub fn minimise(
    difference: Difference,
    differ: impl Fn(&[Step]) -> Option<Box<Difference>>,
) -> Box<Difference> {
    let reasons = |difference: &Difference| (difference.model.reason, difference.core.reason);
    let sought = reasons(&difference);
    let mut best = Box::new(difference);
    loop {
        let smaller = without_a_step(&best.steps).chain(without_octets(&best.steps)).find_map(|steps| {
            differ(&steps).filter(|found| reasons(found) == sought && size(&found.steps) < size(&best.steps))
        });
        match smaller {
            Some(found) => best = found,
            None => return best,
        }
    }
}

fn size(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + step.arrival.octets.len()).sum()
}

fn without_a_step(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> + '_ {
    (0..steps.len()).map(|index| {
        let mut fewer = steps.to_vec();
        fewer.remove(index);
        fewer
    })
}

/// Runs of octets, the longest first.
fn without_octets(steps: &[Step]) -> impl Iterator<Item = Vec<Step>> + '_ {
    [64, 16, 4, 2, 1].into_iter().flat_map(move |run| {
        steps.iter().enumerate().flat_map(move |(index, step)| {
            let last = (step.arrival.octets.len() + 1).saturating_sub(run);
            (0..last).rev().map(move |start| {
                let mut shorter = steps.to_vec();
                if let Some(step) = shorter.get_mut(index) {
                    step.arrival.octets.drain(start..start + run);
                    step.arrival.wire_octets -= run;
                }
                shorter
            })
        })
    })
}
