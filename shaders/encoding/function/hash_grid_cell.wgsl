// Where a position lies in one level of a multiresolution hash grid. A level cuts the unit cube into cells,
// `resolution` along each side. Each corner of a cell has an entry in the table of features, and what lies in
// the cell is interpolated linearly between its corners.
struct Level {
    // Cells along a side.
    resolution: u32,
    // The entry where those of this level begin, and how many they are.
    first: u32,
    entries: u32,
    // 1 if there are more corners than entries, so that a hash tells the entry of a corner.
    is_hashed: u32,
}

// The lowest corner of the cell of a position, and how far the position is from there, in cells. Dimensions
// that the grid has not are 0.
struct Cell {
    corner: vec4<u32>,
    offset: vec4<f32>,
}

// Of a position beyond the unit cube, the nearest one within. The upper end belongs to the last cell.
fn cell_of(position: vec4<f32>, level: Level) -> Cell {
    let scaled = clamp(position, vec4<f32>(), vec4<f32>(1.0)) * f32(level.resolution);
    let corner = min(vec4<u32>(scaled), vec4<u32>(level.resolution - 1u));
    return Cell(corner, scaled - vec4<f32>(corner));
}

// On which side of its cell a corner lies in each dimension: the digits of its number.
fn sides_of(number: u32) -> vec4<u32> {
    return (vec4<u32>(number) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u);
}

// Instant NGP's hash, equation 4; the fourth prime is that of tiny-cuda-nn.
fn entry_of(corner: vec4<u32>, level: Level) -> u32 {
    let side = level.resolution + 1u;
    let place = corner.x + side * (corner.y + side * (corner.z + side * corner.w));
    let mixed = corner * vec4<u32>(1u, 2654435761u, 805459861u, 3674653429u);
    let hash = (mixed.x ^ mixed.y ^ mixed.z ^ mixed.w) & (level.entries - 1u);
    return level.first + select(place, hash, level.is_hashed == 1u);
}

// What a corner counts in each dimension.
fn shares_of(offset: vec4<f32>, sides: vec4<u32>) -> vec4<f32> {
    return select(1.0 - offset, offset, sides == vec4<u32>(1u));
}

// What a corner counts. Dimensions that the grid has not count 1.
fn share_of(offset: vec4<f32>, sides: vec4<u32>) -> f32 {
    let shares = shares_of(offset, sides);
    return (shares.x * shares.y) * (shares.z * shares.w);
}
