//! JSON values with the digits of what they are made from.

use serde::Serialize;
use serde_json::Value;

/// `value` as JSON with the digits that it has as text: `serde_json::to_value` and `json!` make 64-bit
/// floats of 32-bit ones, and 0.1 becomes 0.10000000149011612. A number that is not finite is null.
pub fn value(value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).expect("numbers and strings serialize");
    serde_json::from_str(&text).expect("it was just written")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn floats_keep_their_digits() {
        assert_eq!(value(&0.1_f32).to_string(), "0.1");
        assert_eq!(json!(0.1_f32).to_string(), "0.10000000149011612");
        assert_eq!(
            value(&[1e-3_f32, 3.0, f32::NAN]).to_string(),
            "[0.001,3.0,null]"
        );
        assert_eq!(value(&0.1_f64), json!(0.1));
    }
}
