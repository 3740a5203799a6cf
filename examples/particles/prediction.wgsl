// What the network expects: where it moves particles, and how it would accelerate resting ones.

@group(0) @binding(0) var<storage, read_write> followers: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> arrows: array<vec2<f32>>;

fn predicted_change(state: vec4<f32>) -> vec4<f32> {
    let input = as_input(state);
    let change = network(array<f32, 4>(input.x, input.y, input.z, input.w));
    return vec4<f32>(change[0], change[1], change[2], change[3]);
}

@compute @workgroup_size(64)
fn follow(@builtin(global_invocation_id) id: vec3<u32>) {
    let state = followers[id.x];
    let after = state + predicted_change(state) * CHANGE;
    // What the network has not learned yet must not throw them out of the world.
    followers[id.x] = joined(clamp(after, vec4<f32>(-2.0), vec4<f32>(2.0)));
}

@compute @workgroup_size(64)
fn draw_arrows(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < GRID * GRID {
        arrows[id.x] = predicted_change(resting(id.x)).zw;
    }
}
