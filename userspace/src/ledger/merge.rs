//! Two sorted maps, walked side by side.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;

/// Every key of either map, in order, with what each map has for it. One walk over both: a lookup for each of a
/// million keys would take many times as long.
pub(super) fn merged<'a, K: Ord, A, B>(
    left: &'a BTreeMap<K, A>,
    right: &'a BTreeMap<K, B>,
) -> impl Iterator<Item = (&'a K, Option<&'a A>, Option<&'a B>)> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || match order(&mut left, &mut right)? {
        Ordering::Less => left.next().map(|(key, value)| (key, Some(value), None)),
        Ordering::Greater => right.next().map(|(key, value)| (key, None, Some(value))),
        Ordering::Equal => {
            let ((key, a), (_, b)) = left.next().zip(right.next())?;
            Some((key, Some(a), Some(b)))
        }
    })
}

/// Which of the two next keys comes first; `None` at the end of both.
fn order<'a, K: Ord + 'a, A: 'a, B: 'a>(
    left: &mut Peekable<impl Iterator<Item = (&'a K, &'a A)>>,
    right: &mut Peekable<impl Iterator<Item = (&'a K, &'a B)>>,
) -> Option<Ordering> {
    match (left.peek(), right.peek()) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some((a, _)), Some((b, _))) => Some(a.cmp(b)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_comes_once_with_what_both_have(left: BTreeMap<u8, u8>, right: BTreeMap<u8, u8>) {
            let found: Vec<_> = merged(&left, &right).collect();
            let keys = 0..=u8::MAX;
            let expected: Vec<(u8, Option<u8>, Option<u8>)> = keys
                .map(|key| (key, left.get(&key).copied(), right.get(&key).copied()))
                .filter(|(_, a, b)| a.is_some() || b.is_some())
                .collect();
            let found: Vec<_> = found.into_iter().map(|(k, a, b)| (*k, a.copied(), b.copied())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
