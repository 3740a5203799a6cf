// Adam. The bias corrections come from the host, which computes them in f64.
struct Constants {
    length: u32,
    one_minus_beta_1: f32,
    one_minus_beta_2: f32,
    epsilon: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(4) var<storage, read_write> moment_1: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> moment_2: array<vec4<f32>>;

fn learn(index: u32, g: vec4<f32>) {
    let m_before = moment_1[index];
    let v_before = moment_2[index];
    let m = m_before + (g - m_before) * constants.one_minus_beta_1;
    let v = v_before + (g * g - v_before) * constants.one_minus_beta_2;
    moment_1[index] = m;
    moment_2[index] = v;
    let root = sqrt(v) * step.root_scale + vec4<f32>(constants.epsilon);
    update(index, step.step_size * m / root);
}
