//! Connected parts of the ink, and the choice of those that make up the drawing.

use super::plane::{Area, Plane};

/// Connected pixels.
#[derive(Clone, Debug)]
pub struct Part {
    /// The box around them.
    pub area: Area,
    /// Their indices.
    pub pixels: Vec<usize>,
    /// Its weight as a drawing, within (0, 1]: a frame or the edge of a table
    /// runs along the picture's edge.
    pub weight: f32,
}

/// The parts of pixels above `low`, connected by sides or corners, that have a pixel above `high`; the
/// largest first.
pub fn of(plane: &Plane, low: f32, high: f32) -> Vec<Part> {
    let mut is_new: Vec<bool> = plane.values.iter().map(|&value| value > low).collect();
    let mut parts = Vec::new();
    let edge = plane.ring(plane.area()).len() as f32;
    for start in 0..is_new.len() {
        if !is_new[start] || plane.values[start] <= high {
            continue;
        }
        is_new[start] = false;
        let mut pixels = vec![start];
        let mut next = 0;
        let mut area: Option<Area> = None;
        let mut at_edge = 0;
        while let Some(&pixel) = pixels.get(next) {
            next += 1;
            let [x, y] = [pixel % plane.width, pixel / plane.width];
            let own = Area {
                left: x,
                top: y,
                right: x + 1,
                bottom: y + 1,
            };
            area = Some(area.map_or(own, |area| area.union(own)));
            let near = own.grown(1, plane.area());
            at_edge += usize::from(near.width() * near.height() < 9);
            for y in near.top..near.bottom {
                for x in near.left..near.right {
                    let neighbour = y * plane.width + x;
                    if std::mem::take(&mut is_new[neighbour]) {
                        pixels.push(neighbour);
                    }
                }
            }
        }
        parts.extend(area.map(|area| Part {
            area,
            pixels,
            weight: 1.0 / (1.0 + 20.0 * at_edge as f32 / edge),
        }));
    }
    parts.sort_by(|a, b| b.importance().total_cmp(&a.importance()));
    parts
}

impl Part {
    fn importance(&self) -> f32 {
        self.weight * self.pixels.len() as f32
    }
}

/// The number of the parts that make up one drawing with the first, and the number of others that
/// might be drawings of their own. The first parts are put in front.
pub fn joined(parts: &mut [Part]) -> (usize, usize) {
    let main = parts[0].area;
    let size = main.longest() as f32;
    let mut whole = main;
    let mut number = 1;
    let pixels = parts[0].pixels.len() as f32;
    loop {
        let next = parts[number..].iter().position(|part| {
            let counts = part.area.longest() as f32 >= 0.15 * size
                || part.pixels.len() as f32 >= 0.03 * pixels;
            let grown = whole.union(part.area).longest() as f32;
            let is_inside = grown <= whole.longest() as f32;
            counts && (is_inside || whole.gap(part.area) as f32 <= 0.15 * size && part.weight > 0.5)
        });
        let Some(next) = next else { break };
        whole = whole.union(parts[number + next].area);
        parts.swap(number, number + next);
        number += 1;
    }
    let others = parts[number..]
        .iter()
        .filter(|part| part.weight > 0.5 && part.area.longest() as f32 >= 0.5 * size);
    (number, others.count())
}
