//! The confusion matrix of a network, and its top-k accuracy.

use std::fmt::Write;

/// The classes of samples beside those that a network predicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// (class, prediction), row-major: numbers of samples.
    counts: Vec<u64>,
}

/// Classes from the most to the least probable, from the outputs of one sample; equal ones in their own
/// order. A single output is above ½ for class 1.
fn ranked(outputs: &[f64]) -> Vec<usize> {
    if let &[output] = outputs {
        return if output > 0.5 { vec![1, 0] } else { vec![0, 1] };
    }
    let mut classes: Vec<usize> = (0..outputs.len()).collect();
    classes.sort_by(|&a, &b| outputs[b].total_cmp(&outputs[a]));
    classes
}

/// The fraction of samples whose class is among the `k` most probable ones. `outputs` is (samples,
/// `width`), row-major.
pub fn top_k(outputs: &[f64], width: usize, labels: &[u32], k: usize) -> f64 {
    let samples = outputs.chunks_exact(width).zip(labels);
    let right = samples.filter(|(outputs, label)| {
        let first = ranked(outputs).into_iter().take(k);
        first.into_iter().any(|class| class == **label as usize)
    });
    right.count() as f64 / labels.len().max(1) as f64
}

impl Confusion {
    /// Counts the samples, whose `outputs` are (samples, `width`), row-major.
    pub fn new(outputs: &[f64], width: usize, labels: &[u32]) -> Self {
        let classes = width.max(2);
        let mut counts = vec![0; classes * classes];
        for (outputs, &label) in outputs.chunks_exact(width).zip(labels) {
            counts[label as usize * classes + ranked(outputs)[0]] += 1;
        }
        Self { classes, counts }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of samples of `class` that are taken for `prediction`.
    pub fn count(&self, class: usize, prediction: usize) -> u64 {
        self.counts[class * self.classes + prediction]
    }

    /// The fraction of the predictions of `class` that are right; none without a prediction.
    pub fn precision(&self, class: usize) -> Option<f64> {
        let predicted = (0..self.classes).map(|other| self.count(other, class));
        self.share(class, predicted.sum())
    }

    /// The fraction of the samples of `class` that are found; none without a sample.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let samples = (0..self.classes).map(|other| self.count(class, other));
        self.share(class, samples.sum())
    }

    fn share(&self, class: usize, of: u64) -> Option<f64> {
        (of > 0).then(|| self.count(class, class) as f64 / of as f64)
    }

    /// A line for each class: its number, the numbers of its samples by prediction, precision and recall.
    /// Missing values are empty.
    pub fn csv(&self) -> String {
        let cell = |share: Option<f64>| share.map_or(String::new(), |share| share.to_string());
        let mut text = "class".to_owned();
        for class in 0..self.classes {
            write!(text, ",predicted_{class}").expect("memory");
        }
        text += ",precision,recall\n";
        for class in 0..self.classes {
            write!(text, "{class}").expect("memory");
            for prediction in 0..self.classes {
                write!(text, ",{}", self.count(class, prediction)).expect("memory");
            }
            let [precision, recall] = [self.precision(class), self.recall(class)].map(cell);
            writeln!(text, ",{precision},{recall}").expect("memory");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six samples of three classes, counted by hand: class 2 has none, and is predicted once.
    #[test]
    fn samples_are_counted_by_class_and_prediction() {
        let outputs = [
            [3.0, 1.0, 2.0],
            [1.0, 3.0, 2.0],
            [5.0, 5.0, 4.0],
            [0.0, 1.0, 0.5],
            [0.0, 0.5, 1.0],
            [0.0, -1.0, -2.0],
        ];
        let labels = [0, 0, 0, 1, 1, 1];
        let outputs = outputs.concat();
        let confusion = Confusion::new(&outputs, 3, &labels);
        assert_eq!(confusion.counts, [2, 1, 0, 1, 1, 1, 0, 0, 0]);
        let precision = [0, 1, 2].map(|class| confusion.precision(class));
        assert_eq!(precision, [Some(2.0 / 3.0), Some(0.5), Some(0.0)]);
        let recall = [0, 1, 2].map(|class| confusion.recall(class));
        assert_eq!(recall, [Some(2.0 / 3.0), Some(1.0 / 3.0), None]);
        let tops = [1, 2, 3].map(|k| top_k(&outputs, 3, &labels, k));
        assert_eq!(tops, [0.5, 5.0 / 6.0, 1.0]);
        let text = confusion.csv();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "class,predicted_0,predicted_1,predicted_2,precision,recall"
        );
        assert_eq!(lines[3], "2,0,0,0,0,");
    }

    #[test]
    fn a_single_output_stands_for_two_classes() {
        let confusion = Confusion::new(&[0.4, 0.6, 0.5, 2.0], 1, &[0, 0, 1, 1]);
        assert_eq!(confusion.counts, [1, 1, 1, 1]);
        assert_eq!(top_k(&[0.4, 0.6], 1, &[1, 1], 1), 0.5);
    }
}
