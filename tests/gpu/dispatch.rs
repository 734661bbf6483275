//! Dispatches of awkward extents.

use bregman::gpu::ops::bench::copy;
use bregman::gpu::ops::product::matmul;
use bregman::gpu::tile::{Layout, Product, Tile};
use bregman::selftest::dispatch::{Run, UNWRITTEN, random};

use crate::{Test, gpu};

pub fn tests() -> Vec<Test> {
    vec![
        ("dispatch::copies_of_any_length_are_whole", copies),
        (
            "dispatch::a_product_of_more_workgroups_than_a_dimension_has",
            folded_product,
        ),
    ]
}

/// Around whole workgroups, a vector of 4 numbers more or less, and nothing behind the end.
fn copies() {
    let mut gpu = gpu();
    for vectors in [1, 255, 1023, 1024, 1025, 3 * 1024 + 769] {
        let numbers = random(vectors as u32, 4 * (vectors + 2), -1.0, 1.0);
        let mut run = Run::default();
        let (input, output) = (run.input(&numbers), run.output(numbers.len()));
        run.op(copy::copy(vectors, input, output));
        let read = run.read(&mut gpu, &[output]);
        let read = read.unwrap_or_else(|e| panic!("{e}")).remove(0);
        let (whole, rest) = read.split_at(4 * vectors);
        assert!(whole == &numbers[..4 * vectors], "{vectors} vectors");
        assert_eq!(rest, [UNWRITTEN; 8], "{vectors} vectors");
    }
}

/// 65,537 workgroups of the smallest tile, one with a single row, folded to twice 32,769.
fn folded_product() {
    let area = |tile: &Tile| tile.sizes().m * tile.sizes().n;
    let tile = Tile::ALL.into_iter().min_by_key(area).expect("a tile");
    let product = Product {
        m: 65_536 * tile.sizes().m as usize + 1,
        n: 1,
        k: 1,
    };
    assert_eq!(tile.tiles(product.m, product.n), 65_537);
    let numbers = random(0, product.m, -1.0, 1.0);
    let mut run = Run::default();
    let (lhs, rhs) = (run.input(&numbers), run.input(&[0.75]));
    let output = run.output(product.m);
    run.op(matmul::matmul(
        Layout::Nt,
        tile,
        1,
        product,
        lhs,
        rhs,
        output,
    ));
    let read = run.read(&mut gpu(), &[output]);
    let read = read.unwrap_or_else(|e| panic!("{e}")).remove(0);
    // A sum of one product is rounded once.
    let wrong = (0..product.m).find(|&i| read[i] != 0.75 * numbers[i]);
    let first = wrong.map(|i| (i, read[i], numbers[i]));
    assert_eq!(first, None, "index, found, factor");
}
