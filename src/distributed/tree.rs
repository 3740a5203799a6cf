//! The tree along which the gradients of shards are added up. Its shape depends on the number of shards that
//! a batch has and on nothing else, so the order of additions, and with it each bit, does not depend on who
//! adds.
//!
//! Over `present` shards, the node of level `l` and index `i` covers the shards from `i * 2^l` to
//! `(i + 1) * 2^l`, as far as they are present. It is the sum of two nodes of the level below. Where the
//! second of these covers nothing, it is the first one, and nothing is added.

use std::ops::Range;

/// A node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) level: usize,
    pub(crate) index: usize,
}

impl Node {
    /// The one that covers all of `present` shards, of which there is at least one.
    pub(crate) fn root(present: usize) -> Self {
        let last = present.saturating_sub(1);
        Node { level: (usize::BITS - last.leading_zeros()) as usize, index: 0 }
    }

    /// The shards that it covers.
    pub(crate) fn shards(self, present: usize) -> Range<usize> {
        (self.index << self.level).min(present)..((self.index + 1) << self.level).min(present)
    }

    /// The two nodes whose sum it is; none if it is the gradients of one shard.
    pub(crate) fn children(self, present: usize) -> Option<[Node; 2]> {
        let below =
            |node: Node| Some(Node { level: node.level.checked_sub(1)?, index: 2 * node.index });
        let mut left = below(self)?;
        loop {
            let right = Node { index: left.index + 1, ..left };
            if !right.shards(present).is_empty() {
                return Some([left, right]);
            }
            left = below(left)?;
        }
    }
}

/// What a process does with the gradients of a shard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AfterShard {
    /// The slots of these levels are added to them, one after the other: gradients = slot + gradients.
    /// After that the slots are free.
    pub(crate) joins: Vec<usize>,
    pub(crate) then: Then,
}

/// Where the gradients go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Into the slot of this level, until a later shard takes them from there.
    Keep(usize),
    /// Out: they are a node that is no part of a larger one within the process.
    Emit,
}

/// What is done with the gradients of `shard` once they are computed, of `present` shards of which the
/// process owns those of `own`. It computes its shards in their order.
pub(crate) fn after_shard(shard: usize, present: usize, own: &Range<usize>) -> AfterShard {
    let root = Node::root(present);
    let mut node = Node { level: 0, index: shard };
    let mut joins = Vec::new();
    while node.level < root.level {
        let parent = Node { level: node.level + 1, index: node.index / 2 };
        let within = parent.shards(present);
        if within != node.shards(present) {
            if within.start < own.start || own.end < within.end {
                return AfterShard { joins, then: Then::Emit };
            }
            if node.index.is_multiple_of(2) {
                return AfterShard { joins, then: Then::Keep(node.level) };
            }
            joins.push(node.level);
        }
        node = parent;
    }
    AfterShard { joins, then: Then::Emit }
}

/// How many slots a process needs that owns the shards of `own`, whatever the number of those present:
/// they are the slots of the levels from 0 on.
#[cfg(test)]
pub(crate) fn slots(own: &Range<usize>) -> usize {
    // A slot of a level is used if a node of that level begins within, and another one follows it
    // there with which it has the parent in common.
    let second = |level: usize| {
        let width = 1usize.checked_shl(u32::try_from(level).ok()?)?;
        let first = own.start.checked_next_multiple_of(width.checked_mul(2)?)?;
        first.checked_add(width)
    };
    (0..).take_while(|&level| second(level).is_some_and(|second| second < own.end)).count()
}

/// The nodes that a process emits which owns the shards of `own`, in the order in which it does.
#[cfg(test)]
pub(crate) fn partials(present: usize, own: &Range<usize>) -> Vec<Range<usize>> {
    fn visit(node: Node, present: usize, own: &Range<usize>, found: &mut Vec<Range<usize>>) {
        let shards = node.shards(present);
        if own.start <= shards.start && shards.end <= own.end {
            found.push(shards);
        } else if let Some(children) = node.children(present) {
            children.into_iter().for_each(|child| visit(child, present, own, found));
        }
    }
    let mut found = Vec::new();
    visit(Node::root(present), present, own, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distributed::Process;

    /// Every process of every run of up to 40 shards: (shards, the present ones, what the process owns).
    fn all(mut visit: impl FnMut(usize, usize, Range<usize>)) {
        for shards in 1..=40 {
            for count in 1..=shards {
                for rank in 0..count {
                    let own = Process { rank, count }.shards(shards);
                    (1..=shards).for_each(|present| visit(shards, present, own.clone()));
                }
            }
        }
    }

    /// The sum as text, by the definition at the top of this file.
    fn text(level: usize, index: usize, present: usize) -> Option<String> {
        if level == 0 {
            return (index < present).then(|| index.to_string());
        }
        let left = text(level - 1, 2 * index, present)?;
        Some(match text(level - 1, 2 * index + 1, present) {
            Some(right) => format!("({left}+{right})"),
            None => left,
        })
    }

    #[test]
    fn a_process_emits_the_largest_nodes_that_lie_within_it_and_overwrites_no_slot() {
        all(|shards, present, own| {
            let what = format!("{own:?} of {shards}, {present} present");
            let mut held = vec![None; slots(&own)];
            let mut emitted = Vec::new();
            for shard in own.start..own.end.min(present) {
                let mut sum = shard.to_string();
                let after = after_shard(shard, present, &own);
                for level in after.joins {
                    let left: String =
                        held[level].take().unwrap_or_else(|| panic!("{what}: {level}"));
                    sum = format!("({left}+{sum})");
                }
                match after.then {
                    Then::Keep(level) => {
                        let before = held[level].replace(sum);
                        assert_eq!(before, None, "{what}: shard {shard} overwrites a slot");
                    }
                    Then::Emit => emitted.push(sum),
                }
            }
            assert!(held.iter().all(Option::is_none), "{what}: {held:?} was not added");
            // All nodes that lie within the process and in no larger node that does.
            let levels = 7;
            let mut nodes: Vec<(Range<usize>, String)> = Vec::new();
            for level in (0..levels).rev() {
                for index in 0..present.div_ceil(1 << level) {
                    let first = index << level;
                    let node = first..(first + (1 << level)).min(present);
                    let within =
                        |outer: &Range<usize>| outer.start <= node.start && node.end <= outer.end;
                    if within(&own) && !nodes.iter().any(|(larger, _)| within(larger)) {
                        nodes.push((node, text(level, index, present).unwrap()));
                    }
                }
            }
            nodes.sort_by_key(|(node, _)| node.start);
            let (nodes, texts): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
            assert_eq!(emitted, texts, "{what}");
            assert_eq!(partials(present, &own), nodes, "{what}");
        });
    }

    #[test]
    fn every_slot_is_used_where_all_or_some_shards_are_present() {
        let mut used = std::collections::BTreeMap::new();
        all(|shards, present, own| {
            let levels: &mut usize = used.entry((shards, own.start, own.end)).or_default();
            for shard in own.start..own.end.min(present) {
                if let Then::Keep(level) = after_shard(shard, present, &own).then {
                    *levels = (*levels).max(level + 1);
                }
            }
        });
        for ((shards, start, end), levels) in used {
            assert_eq!(slots(&(start..end)), levels, "{start}..{end} of {shards}");
        }
        assert_eq!([slots(&(0..1)), slots(&(0..8)), slots(&(0..9)), slots(&(1..3))], [0, 3, 4, 0]);
        assert_eq!(slots(&(0..usize::MAX)), usize::BITS as usize - 1);
        assert_eq!(slots(&(usize::MAX - 1..usize::MAX)), 0);
    }

    #[test]
    fn the_nodes_are_those_of_the_definition() {
        fn of(node: Node, present: usize) -> String {
            match node.children(present) {
                None => node.shards(present).start.to_string(),
                Some([left, right]) => format!("({}+{})", of(left, present), of(right, present)),
            }
        }
        for present in 1..=70 {
            let root = Node::root(present);
            assert_eq!(root.shards(present), 0..present);
            assert_eq!(of(root, present), text(7, 0, present).unwrap());
        }
        assert_eq!(of(Node::root(5), 5), "(((0+1)+(2+3))+4)");
        assert_eq!(of(Node::root(7), 7), "(((0+1)+(2+3))+((4+5)+6))");
    }
}
