//! No branch of a kernel depends on uniforms alone. Mesa's lavapipe may take such a uniform for a constant; it
//! then compiles the kernel anew for each dispatch, and keeps what it compiled.

#[path = "support/kernels.rs"]
mod kernels;

use kernels::{kernels, place_kernels};
use minibatch::gpu::gather_kernel;
use minibatch::operation::Kernel;
use naga::{AddressSpace, Block, Expression, Function, Handle, Module, Statement};

/// What a value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MadeOf {
    Constants,
    Uniforms,
    /// Anything else, such as the invocation's number.
    More,
}

fn made_of(module: &Module, function: &Function, value: Handle<Expression>) -> MadeOf {
    let of = |value: Handle<Expression>| made_of(module, function, value);
    let of_all = |values: &[Handle<Expression>]| {
        values.iter().map(|&value| of(value)).max().unwrap_or(MadeOf::Constants)
    };
    match function.expressions[value] {
        Expression::Literal(_)
        | Expression::Constant(_)
        | Expression::Override(_)
        | Expression::ZeroValue(_) => MadeOf::Constants,
        Expression::GlobalVariable(variable) => match module.global_variables[variable].space {
            AddressSpace::Uniform => MadeOf::Uniforms,
            _ => MadeOf::More,
        },
        Expression::Load { pointer } => of(pointer),
        Expression::AccessIndex { base, .. } => of(base),
        Expression::Splat { value, .. } => of(value),
        Expression::Swizzle { vector, .. } => of(vector),
        Expression::Unary { expr, .. } | Expression::As { expr, .. } => of(expr),
        Expression::Relational { argument, .. } => of(argument),
        Expression::Access { base, index } => of_all(&[base, index]),
        Expression::Binary { left, right, .. } => of_all(&[left, right]),
        Expression::Select { condition, accept, reject } => of_all(&[condition, accept, reject]),
        Expression::Compose { ref components, .. } => of_all(components),
        Expression::Math { arg, arg1, arg2, arg3, .. } => {
            let more: Vec<_> = [arg1, arg2, arg3].into_iter().flatten().collect();
            of(arg).max(of_all(&more))
        }
        _ => MadeOf::More,
    }
}

/// How many branches of `block`, and of the blocks in it, depend on uniforms alone.
fn uniform_branches(module: &Module, function: &Function, block: &Block) -> usize {
    let within = |block: &Block| uniform_branches(module, function, block);
    let is_uniform = |value| made_of(module, function, value) == MadeOf::Uniforms;
    let of = |statement: &Statement| match statement {
        Statement::If { condition, accept, reject } => {
            usize::from(is_uniform(*condition)) + within(accept) + within(reject)
        }
        Statement::Switch { selector, cases } => {
            let inner: usize = cases.iter().map(|case| within(&case.body)).sum();
            usize::from(is_uniform(*selector)) + inner
        }
        Statement::Loop { body, continuing, break_if } => {
            let at_the_end = break_if.is_some_and(is_uniform);
            usize::from(at_the_end) + within(body) + within(continuing)
        }
        Statement::Block(inner) => within(inner),
        _ => 0,
    };
    block.iter().map(of).sum()
}

fn count(source: &str) -> usize {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let functions = module.functions.iter().map(|(_, function)| function);
    let entries = module.entry_points.iter().map(|entry| &entry.function);
    functions.chain(entries).map(|of| uniform_branches(&module, of, &of.body)).sum()
}

#[test]
fn no_branch_depends_on_uniforms_alone() {
    let of_programs = kernels().into_keys();
    let kernels: Vec<Kernel> =
        of_programs.chain([gather_kernel()]).chain(place_kernels()).collect();
    assert!(kernels.len() > 100, "only {} kernels", kernels.len());
    for kernel in kernels {
        assert_eq!(count(&kernel.source()), 0, "branches of {kernel:?} on uniforms alone");
    }
}

#[test]
fn branches_on_uniforms_are_found() {
    let text = |condition: &str| {
        format!(
            "struct Sizes {{ a: u32, b: u32 }}
            override ONE: bool = false;
            @group(0) @binding(0) var<uniform> sizes: Sizes;
            @group(0) @binding(1) var<storage, read_write> out: array<u32>;
            fn write(place: u32) {{ if ({condition}) {{ out[place] = 1u; }} }}
            @compute @workgroup_size(1)
            fn main(@builtin(global_invocation_id) id: vec3<u32>) {{ write(id.x); }}"
        )
    };
    for found in ["sizes.a > 0u", "min(sizes.a, sizes.b) == 3u", "(sizes.a & 1u) == 0u"] {
        assert_eq!(count(&text(found)), 1, "{found}");
    }
    for fine in ["place < sizes.a", "ONE", "out[sizes.a] > 0u", "out[0] == sizes.b"] {
        assert_eq!(count(&text(fine)), 0, "{fine}");
    }
    // A switch in a branch that is fine.
    let switch = text("place > 0u")
        .replace("out[place] = 1u;", "switch sizes.a { case 1u: { } default: { } }");
    assert_eq!(count(&switch), 1);
}
