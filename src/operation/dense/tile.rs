//! The text of the tile kernels.

use std::borrow::Cow;

use crate::operation::kernel::{shader, wgsl};
use crate::operation::matrix_form::Tile;

/// The text of the kernel with such tiles for `product`, the file that says what it multiplies.
pub(super) fn tile_text(tile: Tile, product: Cow<'static, str>) -> Vec<Cow<'static, str>> {
    let mut text = wgsl!["shared/dense"];
    text.push(numbers(tile).into());
    text.push(shader!("dense/tile"));
    text.push(if tile.side() == 4 { shader!("dense/side_4") } else { shader!("dense/side_8") });
    text.push(if tile.depth_parts == 1 { shader!("dense/whole") } else { shader!("dense/parts") });
    text.push(product);
    text
}

/// What `dense/tile.wgsl` has to know of the tile. Lengths of workgroup memory cannot be override
/// constants: naga refuses them.
fn numbers(tile: Tile) -> String {
    let numbers = [
        ("ROW_QUADS", tile.rows / 4),
        ("COLUMN_QUADS", tile.columns / 4),
        ("THREADS", tile.threads),
        ("PARTS", tile.depth_parts),
        ("CHUNK", tile.chunk() / 4),
    ];
    numbers.map(|(name, value)| format!("const {name}: u32 = {value}u;\n")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{AdapterClass, MatrixForm};

    /// What `dense/tile.wgsl` takes for granted of its numbers.
    #[test]
    fn tiles_are_what_the_kernels_take_for_granted() {
        let forms = MatrixForm::ALL.into_iter();
        for form in forms.filter(|form| form.class() == AdapterClass::Hardware) {
            let tile = form.tile();
            let (side, quads) = (tile.side(), tile.chunk() / 4);
            let Tile { rows, columns, threads, depth_parts, .. } = tile;
            assert!(
                [rows, columns, threads, depth_parts, quads].iter().all(|n| n.is_power_of_two())
            );
            assert!(side == 4 || side == 8, "{form:?}");
            let all = rows * columns / (side * side) * depth_parts;
            assert_eq!(all, threads, "{form:?}: each thread computes one square");
            assert!(quads * (rows + columns) / 4 <= threads, "{form:?}: a block each to copy");
            assert!(quads.is_multiple_of(depth_parts), "{form:?}: quads of a chunk for each part");
            assert!(quads >= 4, "{form:?}: eight threads meet eight banks");
            assert!(threads <= 256 && threads * 64 <= 16_384, "{form:?}: WebGPU's limits");
        }
    }
}
