//! The shapes of the ten handwritten digits.

/// A point in hundredths of the unit square: x to the right, y down.
pub(super) type Point = (i8, i8);

/// A line drawn without lifting the pen: smooth runs, each of which begins, at an angle, where the
/// previous one ended. Only the first run has its starting point.
pub(super) type Stroke = &'static [&'static [Point]];

/// One way to write a digit.
pub(super) type Glyph = &'static [Stroke];

/// A stroke through points "x y": the pen passes smoothly through a point followed by a comma, and
/// turns sharply at a point followed by a semicolon.
macro_rules! stroke {
    ($($($x:literal $y:literal),+);+) => { &[$(&[$(($x, $y)),+]),+] };
}

/// The ways to write each digit.
pub(super) const GLYPHS: [&[Glyph]; 10] =
    [ZERO, ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE];

const ZERO: &[Glyph] = &[
    // Round, the pen overlapping its start.
    &[stroke![60 1, 42 1, 20 16, 9 50, 21 84, 50 100, 79 85, 91 50, 80 16, 58 1, 42 2]],
    // Narrow.
    &[stroke![56 0, 44 1, 30 17, 23 50, 30 84, 50 100, 70 84, 77 50, 69 16, 54 1, 42 3]],
    // Begun at the right, and left open or crossed there.
    &[stroke![74 9, 50 0, 22 14, 10 48, 21 84, 50 100, 79 86, 90 50, 80 18, 62 4]],
];

const ONE: &[Glyph] = &[
    // A bar.
    &[stroke![50 0, 50 50, 50 100]],
    // With a flag.
    &[stroke![30 22, 42 13; 54 0; 53 50, 52 100]],
    // With a flag and a foot.
    &[
        stroke![30 23, 41 14; 52 0; 52 50, 51 98],
        stroke![24 99, 50 98, 80 98],
    ],
];

const TWO: &[Glyph] = &[
    // With a straight foot.
    &[stroke![12 24, 28 5, 56 0, 80 17, 76 42, 48 70; 8 99; 50 97, 94 98]],
    // With a loop at the foot.
    &[stroke![14 22, 34 2, 64 3, 80 24, 70 52, 44 80, 18 97, 6 88, 18 77, 42 85, 68 98, 95 90]],
    // With a curved foot and a hooked head.
    &[stroke![20 34, 16 14, 44 0, 76 10, 80 34, 58 62, 30 84; 6 97; 34 91, 64 98, 96 93]],
];

const THREE: &[Glyph] = &[
    // Two bowls that meet at an angle.
    &[stroke![12 14, 36 0, 70 5, 80 24, 64 42; 34 47; 66 50, 88 68, 78 92, 46 101, 8 89]],
    // With a flat head.
    &[stroke![12 3; 48 2, 82 3; 62 22, 42 41; 70 46, 90 68, 74 94, 40 101, 8 90]],
    // With a loop at the waist.
    &[stroke![14 12, 42 0, 74 8, 76 30, 54 47, 38 50, 42 43, 62 48, 84 64, 82 88, 50 101, 10 91]],
];

const FOUR: &[Glyph] = &[
    // Open.
    &[
        stroke![24 2, 16 30; 8 58; 48 58, 94 55],
        stroke![72 6, 69 50, 66 100],
    ],
    // Closed.
    &[
        stroke![66 2, 38 30; 5 64; 50 65, 96 63],
        stroke![67 0, 67 50, 66 100],
    ],
    // Round, as a nine that is open at the top.
    &[stroke![16 3, 10 30, 20 52, 48 56, 76 44; 84 2; 81 50, 78 100]],
    // In one stroke, closed.
    &[stroke![96 66, 50 66; 6 66; 36 34, 68 0; 66 50, 64 100]],
];

const FIVE: &[Glyph] = &[
    // The head last.
    &[
        stroke![22 3, 20 24; 16 45; 46 35, 76 44, 88 68, 72 94, 40 101, 8 90],
        stroke![22 3, 54 3, 88 1],
    ],
    // In one stroke, with angles.
    &[stroke![88 2, 56 3; 26 4; 22 24; 18 46; 50 38, 82 52, 84 80, 56 100, 12 93]],
    // In one stroke, rounded as an S.
    &[stroke![86 8, 58 1, 30 6, 18 26, 34 43, 64 52, 84 70, 74 93, 44 101, 10 88]],
];

const SIX: &[Glyph] = &[
    // Curved.
    &[stroke![74 2, 42 18, 18 48, 14 80, 40 100, 74 92, 84 70, 62 54, 34 60, 16 78]],
    // With a straight stem and a small bowl.
    &[stroke![46 0, 30 34, 20 68, 28 93, 52 101, 76 88, 74 68, 50 60, 22 74]],
    // With a wide bowl and a hooked head.
    &[stroke![80 14, 58 0, 28 16, 10 52, 18 88, 50 101, 82 86, 86 60, 62 44, 32 50, 14 68]],
];

const SEVEN: &[Glyph] = &[
    // Plain.
    &[stroke![8 5, 50 4; 90 3; 64 48, 44 100]],
    // With a bar.
    &[
        stroke![10 4, 50 3; 88 3; 62 50, 46 100],
        stroke![28 53, 52 51, 80 49],
    ],
    // With a serif and a curved stem.
    &[stroke![10 20; 11 3; 50 6, 90 2; 62 34, 48 66, 44 100]],
    // With a rounded shoulder.
    &[stroke![10 14, 32 3, 62 4, 84 8, 80 30, 60 62, 46 100]],
];

const EIGHT: &[Glyph] = &[
    // In one stroke, begun at the top right.
    &[stroke![
        76 10, 50 0, 24 10, 24 32, 50 48, 80 68, 78 92,
        48 101, 18 90, 20 68, 50 48, 74 30, 80 14, 60 1
    ]],
    // Two rings.
    &[
        stroke![56 0, 30 8, 24 28, 48 46, 74 30, 72 8, 48 0],
        stroke![52 46, 24 58, 14 80, 46 101, 82 84, 76 58, 46 46],
    ],
    // In one stroke, left open at the top.
    &[stroke![84 8, 56 0, 26 10, 26 32, 52 49, 78 70, 70 94, 44 101, 20 90, 26 66, 54 46, 88 20]],
];

const NINE: &[Glyph] = &[
    // With a straight stem.
    &[stroke![80 14, 54 0, 22 10, 14 34, 38 50, 70 38; 82 10; 80 50, 76 100]],
    // With a curved tail.
    &[stroke![80 20, 58 0, 24 6, 14 32, 36 50, 70 40, 83 16, 84 50, 70 86, 42 101, 14 91]],
    // In one stroke, the small bowl turning into a slanting stem.
    &[stroke![82 12, 52 0, 26 12, 26 34, 52 42, 74 28, 82 10, 72 44, 58 74, 46 100]],
];
