//! What one invocation of a subgroup tells the others.

use super::contract::{Check, Judged, Need, Probe, RulesOut, trial, unwritten, words};
use crate::gpu::Tried;
use crate::operation::kernel::shader;
use crate::operation::{Access, KernelForm, MatrixForm};

/// Broadcasts from the first four lanes, in workgroups of 8 and of 64.
pub(super) const PROBE: Probe = Probe {
    name: "subgroup-broadcast",
    checks: "every invocation of a subgroup gets what its first four lanes hold, and 8 lanes are 8",
    known: "AMD RDNA1 through MoltenVK (llama.cpp#15846); Intel 32.0.101.8974 (Dawn's workarounds)",
    needs: Need::Subgroups,
    rules_out: RulesOut::Forms(&[KernelForm::Matrix(MatrixForm::Subgroup)]),
    mistake: ("another lane", "subgroupBroadcast(own, 3u)", "subgroupBroadcast(own, 2u)"),
    check: Check::Kernels(kernels),
};

const GROUPS: u32 = 16;

fn kernels() -> Vec<Judged> {
    [8, 64].into_iter().map(judged).collect()
}

fn judged(threads: u32) -> Judged {
    let text = vec![
        format!("const THREADS: u32 = {threads}u;\n").into(),
        shader!("shared/step"),
        shader!("probe/subgroup_broadcast"),
    ];
    let output = (Access::Write, unwritten(12 * (GROUPS * threads) as usize));
    let mut trial = trial(PROBE.name, text, vec![output], [GROUPS, 1, 1]);
    trial.kernel.subgroups = true;
    Judged::by(trial, move |tried| fault(tried, threads as usize))
}

/// What an invocation has told: lane, size, its own number and its workgroup's, then the numbers that the
/// first four lanes broadcast, then the values of lane 3.
fn fault(tried: &Tried, threads: usize) -> Option<String> {
    let words = words(tried, 0);
    let (told, _) = words.as_chunks::<12>();
    let groups = told.chunks_exact(threads);
    groups.enumerate().find_map(|(number, group)| fault_of(number, group))
}

fn fault_of(number: usize, group: &[[u32; 12]]) -> Option<String> {
    let mut lanes = Vec::new();
    for (place, &[lane, size, local, of_group, first, second, third, fourth, ref values @ ..]) in
        group.iter().enumerate()
    {
        let at = || format!("invocation {place} of workgroup {number}");
        if [local as usize, of_group as usize] != [place, number] || lane >= size {
            return Some(format!("{} is lane {lane} of {size}, number {local}", at()));
        }
        let firsts = [first, second, third, fourth];
        // A subgroup that is not full may have fewer lanes.
        let most = firsts.len().min(group.len());
        for (expected_lane, &teller) in (0..).zip(&firsts).take(most) {
            let told = group.get(teller as usize);
            let agrees = told.is_some_and(|told| told[0] == expected_lane && told[4..8] == firsts);
            if !agrees {
                return Some(format!("{} was told {teller} by lane {expected_lane}", at()));
            }
        }
        let expected = [0.0, 0.25, 0.5, 0.75].map(|part| (fourth as f32 + part).to_bits());
        if *values != expected {
            let values = values.map(f32::from_bits);
            return Some(format!("{} was told {values:?} by invocation {fourth}", at()));
        }
        lanes.push((lane, size));
    }
    // The matrix kernels take it for granted.
    lanes.sort_unstable();
    let eight = (0..8).map(|lane| (lane, 8));
    let is_of_eight = lanes.len() == 8 && lanes.iter().all(|&(_, size)| size == 8);
    (is_of_eight && !lanes.iter().copied().eq(eight))
        .then(|| format!("workgroup {number} has the lanes and sizes {lanes:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a workgroup of 8 tells whose subgroups have `size` lanes.
    fn group(size: u32) -> Vec<[u32; 12]> {
        let told = |local: u32| {
            let first = local / size * size;
            let [a, b, c, d] =
                [0.0, 0.25, 0.5, 0.75].map(|part| ((first + 3) as f32 + part).to_bits());
            let lane = local % size;
            [lane, size, local, 0, first, first + 1, first + 2, first + 3, a, b, c, d]
        };
        (0..8).map(told).collect()
    }

    #[test]
    fn what_a_right_workgroup_tells_has_no_fault() {
        for size in [4, 8] {
            assert_eq!(fault_of(0, &group(size)), None, "{size}");
        }
    }

    #[test]
    fn each_word_that_is_wrong_is_a_fault() {
        for size in [4, 8] {
            for place in 0..8 {
                for word in [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] {
                    let mut group = group(size);
                    group[place][word] ^= 1;
                    assert!(fault_of(0, &group).is_some(), "word {word} of {place}, {size} lanes");
                }
            }
        }
    }
}
