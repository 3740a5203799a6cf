//! Which process owns which shards, and so which nodes of the tree.

use super::Process;
use super::tree::Node;

/// Who owns the shards of a run, of which the first ones are present.
#[derive(Debug)]
pub(crate) struct Owners {
    /// The first shard of each process.
    starts: Vec<usize>,
    present: usize,
}

impl Owners {
    /// Of `count` processes that share out `shards` shards, of which `present` are.
    pub(crate) fn new(count: usize, shards: usize, present: usize) -> Self {
        let first = |rank| Process { rank, count }.shards(shards).start;
        Owners { starts: (0..count).map(first).collect(), present }
    }

    /// How many processes there are.
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn present(&self) -> usize {
        self.present
    }

    fn of_shard(&self, shard: usize) -> usize {
        self.starts.partition_point(|&start| start <= shard).saturating_sub(1)
    }

    /// Who makes this node: a process by itself, or several from two nodes.
    pub(crate) fn of(&self, node: Node) -> Owner {
        let shards = node.shards(self.present);
        let process = self.of_shard(shards.start);
        match node.children(self.present) {
            Some(children) if self.of_shard(shards.end - 1) != process => Owner::Several(children),
            Some(_) | None => Owner::One(process),
        }
    }

    /// How many partials each process has.
    pub(crate) fn partials(&self) -> Vec<usize> {
        fn count(owners: &Owners, node: Node, partials: &mut [usize]) {
            match owners.of(node) {
                Owner::One(process) => partials[process] += 1,
                Owner::Several(children) => {
                    children.into_iter().for_each(|child| count(owners, child, partials));
                }
            }
        }
        let mut partials = vec![0; self.count()];
        count(self, Node::root(self.present), &mut partials);
        partials
    }
}

/// Who makes a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    /// It is a partial of this process.
    One(usize),
    /// It is the sum of these two.
    Several([Node; 2]),
}
