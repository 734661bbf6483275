//! Axes: the positions of values, and the choice of ticks.

/// An axis laid over pixels.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// The values at the ends; positive if `log`.
    pub range: [f64; 2],
    pub log: bool,
    /// Whether ticks between whole numbers would be meaningless.
    pub whole: bool,
    /// The pixels at the ends.
    pub pixels: [f64; 2],
}

/// The ticks of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ticks {
    /// Values with their labels, in ascending order.
    pub labelled: Vec<(f64, String)>,
    /// Values with a short line alone.
    pub minor: Vec<f64>,
}

impl Scale {
    /// The pixel of `value`, which is beyond the ends for a value out of range, but never far.
    pub fn at(&self, value: f64) -> f64 {
        let place = |v: f64| if self.log { v.log10() } else { v };
        let [low, high] = self.range.map(place);
        let share = if self.log && value <= 0.0 {
            f64::NEG_INFINITY
        } else {
            (place(value) - low) / (high - low)
        };
        self.pixels[0] + share.clamp(-20.0, 20.0) * (self.pixels[1] - self.pixels[0])
    }

    /// Moves the lower or the upper end away by `share` of the axis, if that is positive.
    pub fn extend(&mut self, lower: bool, share: f64) {
        if share > 0.0 && share.is_finite() {
            let place = |v: f64| if self.log { v.log10() } else { v };
            let [low, high] = self.range.map(place);
            let moved = share * (high - low);
            let moved = if lower { low - moved } else { high + moved };
            let moved = if self.log { 10f64.powf(moved) } else { moved };
            self.range[usize::from(!lower)] = moved;
        }
    }

    /// Whether `value` is within the ends.
    pub fn contains(&self, value: f64) -> bool {
        (self.range[0]..=self.range[1]).contains(&value)
    }

    /// About `most` labelled ticks, and at most one more.
    pub fn ticks(&self, most: usize) -> Ticks {
        if self.log {
            logarithmic(self.range, most)
        } else {
            Ticks {
                labelled: linear(self.range, most, self.whole),
                minor: Vec::new(),
            }
        }
    }
}

/// The multiples of 1, 2 or 5 times a power of ten within `range`.
fn linear([low, high]: [f64; 2], most: usize, whole: bool) -> Vec<(f64, String)> {
    let least = (high - low) / most.max(1) as f64;
    let mut power = least.log10().floor() as i32;
    let mut factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * 10f64.powi(power) >= least * (1.0 - 1e-9))
        .unwrap_or(10.0);
    if factor == 10.0 {
        (factor, power) = (1.0, power + 1);
    }
    if whole && power < 0 {
        (factor, power) = (1.0, 0);
    }
    // Dividing by a power of ten that is a whole number is exact where multiplying by 0.1 is not.
    let value = |i: i64| match power {
        0.. => i as f64 * factor * 10f64.powi(power),
        _ => i as f64 * factor / 10f64.powi(-power),
    };
    let step = value(1);
    let slack = 1e-9 * (high - low) / step;
    let first = (low / step - slack).ceil() as i64;
    let last = (high / step + slack).floor() as i64;
    let largest = low.abs().max(high.abs());
    (first..=last)
        .map(|i| (value(i), decimal(value(i), power, largest)))
        .collect()
}

/// A multiple of 10^`power` on an axis of values up to `largest`.
fn decimal(value: f64, power: i32, largest: f64) -> String {
    if value == 0.0 && (power >= 0 || !(1e-3..1e6).contains(&largest)) {
        return "0".to_owned();
    }
    if !(1e-3..1e6).contains(&largest) {
        let exponent = largest.log10().floor() as i32;
        let mantissa = value / 10f64.powi(exponent);
        let digits = (exponent - power).max(0) as usize;
        let mantissa = minus(format!("{mantissa:.digits$}"));
        return format!("{mantissa} × {}", power_of_ten(exponent));
    }
    let digits = (-power).max(0) as usize;
    minus(thousands(&format!("{value:.digits$}"), largest >= 1e4))
}

/// A number with a true minus.
fn minus(text: String) -> String {
    text.replace('-', "−")
}

/// Commas between thousands of a whole number, if `grouped`.
fn thousands(text: &str, grouped: bool) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    if !grouped || digits.len() < 4 || digits.contains('.') {
        return text.to_owned();
    }
    let mut grouped = sign.to_owned();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// 10 to the power of `exponent`, with a superscript.
fn power_of_ten(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let mut text = "10".to_owned();
    for c in exponent.to_string().chars() {
        text.push(c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]));
    }
    text
}

/// `factor` · 10^`exponent`, the closest number to it.
fn times_power(factor: u32, exponent: i32) -> f64 {
    match exponent {
        0.. => f64::from(factor) * 10f64.powi(exponent),
        _ => f64::from(factor) / 10f64.powi(-exponent),
    }
}

/// Powers of ten where there are at least two, else their multiples.
fn logarithmic([low, high]: [f64; 2], most: usize) -> Ticks {
    let within = |value: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value);
    let [first, last] = [low, high].map(|v| v.log10().floor() as i32);
    let powers: Vec<i32> = (first..=last)
        .filter(|&e| within(&times_power(1, e)))
        .collect();
    let multiples = |factors: &[u32]| -> Vec<(u32, i32)> {
        let all = (first..=last).flat_map(|e| factors.iter().map(move |&f| (f, e)));
        all.filter(|&(f, e)| within(&times_power(f, e))).collect()
    };
    if powers.len() >= 2 {
        let stride = powers.len().div_ceil(most.max(1));
        let shown = powers
            .iter()
            .filter(|&&e| e.rem_euclid(stride as i32) == 0)
            .map(|&e| (times_power(1, e), power_of_ten(e)));
        let minor = if stride == 1 {
            multiples(&[2, 3, 4, 5, 6, 7, 8, 9])
        } else {
            powers.iter().map(|&e| (1, e)).collect()
        };
        return Ticks {
            labelled: shown.collect(),
            minor: minor.iter().map(|&(f, e)| times_power(f, e)).collect(),
        };
    }
    let candidates = [&[1, 2, 5][..], &[1, 2, 3, 4, 5, 6, 7, 8, 9]];
    match candidates
        .map(multiples)
        .into_iter()
        .find(|ticks| ticks.len() >= 2)
    {
        Some(ticks) => Ticks {
            labelled: ticks
                .into_iter()
                .map(|(f, e)| {
                    let value = times_power(f, e);
                    (value, decimal(value, e, value))
                })
                .collect(),
            minor: Vec::new(),
        },
        None => Ticks {
            labelled: linear([low, high], most, false),
            minor: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(range: [f64; 2], log: bool, whole: bool) -> Vec<String> {
        let scale = Scale {
            range,
            log,
            whole,
            pixels: [0.0, 400.0],
        };
        let labelled = scale.ticks(6).labelled.into_iter();
        labelled.map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_are_short_and_of_one_kind() {
        for (range, expected) in [
            ([-0.1, 0.32], vec!["−0.1", "0.0", "0.1", "0.2", "0.3"]),
            (
                [0.0, 0.25],
                vec!["0.00", "0.05", "0.10", "0.15", "0.20", "0.25"],
            ),
            (
                [0.0, 10_000.0],
                vec!["0", "2,000", "4,000", "6,000", "8,000", "10,000"],
            ),
            (
                [0.0, 5e-4],
                vec![
                    "0",
                    "1 × 10⁻⁴",
                    "2 × 10⁻⁴",
                    "3 × 10⁻⁴",
                    "4 × 10⁻⁴",
                    "5 × 10⁻⁴",
                ],
            ),
            ([98.41, 99.52], vec!["98.6", "98.8", "99.0", "99.2", "99.4"]),
            (
                [-2e6, 1e6],
                vec![
                    "−2.0 × 10⁶",
                    "−1.5 × 10⁶",
                    "−1.0 × 10⁶",
                    "−0.5 × 10⁶",
                    "0",
                    "0.5 × 10⁶",
                    "1.0 × 10⁶",
                ],
            ),
        ] {
            assert_eq!(labels(range, false, false), expected, "{range:?}");
        }
        assert_eq!(labels([0.9, 3.1], false, true), ["1", "2", "3"]);
    }

    #[test]
    fn logarithmic_labels_are_powers_or_multiples() {
        assert_eq!(
            labels([0.9e-3, 2.0], true, false),
            ["10⁻³", "10⁻²", "10⁻¹", "10⁰"]
        );
        assert_eq!(
            labels([0.15, 7.0], true, false),
            ["0.2", "0.5", "1", "2", "5"]
        );
        assert_eq!(labels([2.5, 4.5], true, false), ["3", "4"]);
        assert_eq!(labels([1e-16, 1e2], true, false).len(), 5);
        assert_eq!(labels([2.2, 2.8], true, false).len(), 7);
    }

    #[test]
    fn values_are_where_they_belong() {
        let mut scale = Scale {
            range: [1.0, 5.0],
            log: false,
            whole: false,
            pixels: [300.0, 100.0],
        };
        assert_eq!([1.0, 2.0, 5.0].map(|v| scale.at(v)), [300.0, 250.0, 100.0]);
        (scale.range, scale.log) = ([0.01, 100.0], true);
        assert_eq!(
            [0.01, 0.1, 100.0].map(|v| scale.at(v)),
            [300.0, 250.0, 100.0]
        );
        scale.extend(true, 0.5);
        assert!((scale.range[0] / 1e-4 - 1.0).abs() < 1e-9 && scale.range[1] == 100.0);
        scale.extend(false, -1.0);
        assert_eq!(scale.range[1], 100.0);
        for far in [0.0, -1.0, 1e300] {
            assert!(scale.at(far).is_finite() && !scale.contains(far), "{far}");
        }
    }
}
