//! Memory that several values share, one after the other.

use std::collections::{HashMap, HashSet};

use super::graph::Graph;
use crate::operation::Op;
use crate::table::{BufferId, Element, Role};

/// From its first use in a list to its last one, both included.
type Lifetime = [usize; 2];

/// Lets values that never live at the same time share one buffer, in whichever of `lists`: of each
/// value the one whose buffer it takes. Only whole buffers of the same shape are shared, as one that
/// is bound for writing is bound for nothing else. A value in `kept` outlasts its list.
pub(super) fn shared_buffers(
    graph: &Graph,
    lists: &[&[Op]],
    kept: &HashSet<BufferId>,
) -> HashMap<BufferId, BufferId> {
    let lifetimes: Vec<HashMap<BufferId, Lifetime>> =
        lists.iter().map(|list| lifetimes(list)).collect();
    let written: HashSet<BufferId> =
        lists.iter().flat_map(|list| list.iter()).flat_map(Op::writes).collect();
    // Kernels may read the bytes in the place of what a conversion makes of them.
    let conversions = lists.iter().flat_map(|list| list.iter()).filter_map(|op| match op {
        Op::Convert(convert) => Some(convert.output),
        _ => None,
    });
    let conversions: HashSet<BufferId> = conversions.collect();
    // What nothing writes are zeros, and stay so.
    let shares =
        |id: &BufferId| written.contains(id) && !kept.contains(id) && !conversions.contains(id);
    let mut owners: Vec<(BufferId, Vec<BufferId>)> = Vec::new();
    let mut owner_of = HashMap::new();
    for (id, buffer) in graph.table.of_role(Role::Activation).filter(|(id, _)| shares(id)) {
        let fits = |owner: &BufferId| {
            let owner = graph.table.buffer(*owner);
            (owner.element, owner.reals, owner.rows, owner.columns)
                == (buffer.element, buffer.reals, buffer.rows, buffer.columns)
        };
        let apart = |other: &BufferId| {
            lifetimes.iter().all(|list| match (list.get(&id), list.get(other)) {
                (Some([begin, end]), Some([other_begin, other_end])) => {
                    end < other_begin || other_end < begin
                }
                (None, _) | (_, None) => true,
            })
        };
        let owner = owners.iter_mut().find(|(owner, all)| fits(owner) && all.iter().all(apart));
        match owner.filter(|_| buffer.element == Element::Real) {
            Some((owner, all)) => {
                all.push(id);
                owner_of.insert(id, *owner);
            }
            None => owners.push((id, vec![id])),
        }
    }
    owner_of
}

fn lifetimes(list: &[Op]) -> HashMap<BufferId, Lifetime> {
    let mut lifetimes: HashMap<BufferId, Lifetime> = HashMap::new();
    for (place, op) in list.iter().enumerate() {
        op.each(&mut |_, id| {
            lifetimes.entry(id).or_insert([place, place])[1] = place;
        });
    }
    lifetimes
}
