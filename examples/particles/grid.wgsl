// A particle at rest at a place of the grid of arrows.
fn resting(i: u32) -> vec4<f32> {
    let place = (vec2<f32>(vec2<u32>(i % GRID, i / GRID)) + 0.5) / f32(GRID);
    return vec4<f32>(place, 0.0, 0.0);
}
