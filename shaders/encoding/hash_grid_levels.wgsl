override DIMENSIONS: u32;
override FEATURES: u32;

// The levels of a hash grid, made once; `units` columns hold the features of all levels.
struct Grid {
    levels: array<Level, 32>,
    units: u32,
}

@group(0) @binding(1) var<uniform> shape: Grid;
