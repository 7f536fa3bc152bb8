//! The odd multiples of the curves' generators, for the flash: tables that a test writes and compares.

mod p256;
mod p384;
mod p521;

pub(crate) use p256::MULTIPLES as P256;
pub(crate) use p384::MULTIPLES as P384;
pub(crate) use p521::MULTIPLES as P521;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;
    use std::string::String;
    use std::{env, format, fs};

    use ::p256::elliptic_curve::sec1::ToSec1Point as _;

    use crate::field::{Field as _, P256, P384, P521};

    /// Compares a table with what the library computes; writes it where `WRITE_TABLES` is set.
    #[track_caller]
    fn check(curve: &str, constructor: [&str; 2], count: usize, rows: &[[std::vec::Vec<u32>; 2]]) {
        let [open, close] = constructor;
        let type_name = curve.replace('p', "P");
        let mut text = format!(
            "//! Written by a test, which says how: see `generator.rs`.\n\n\
             {}use crate::field::{type_name};\nuse crate::point::Affine;\n\n\
             #[rustfmt::skip]\npub(crate) const MULTIPLES: [Affine<{type_name}>; {count}] = [\n",
            if open.contains("Words") {
                "use crate::arithmetic::Words;\n"
            } else {
                ""
            }
        );
        for [x, y] in rows {
            let words = |row: &[u32]| {
                row.iter().fold(String::new(), |mut out, word| {
                    let _ = write!(out, "0x{:04x}_{:04x}, ", word >> 16, word & 0xffff);
                    out
                })
            };
            let (x, y) = (words(x), words(y));
            let (x, y) = (x.trim_end_matches(", "), y.trim_end_matches(", "));
            let _ = write!(
                text,
                "    Affine {{\n        x: {type_name}({open}{x}{close}),\n        y: {type_name}({open}{y}{close}),\n    }},\n"
            );
        }
        text.push_str("];\n");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/generator/{curve}.rs"));
        if env::var_os("WRITE_TABLES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(path).unwrap(), text);
    }

    macro_rules! rows {
        ($library:ident, $field:ident, $count:expr, $words:expr) => {
            (0..$count)
                .map(|index: u64| {
                    let scalar = $library::Scalar::from(2 * index + 1);
                    let point = $library::ProjectivePoint::GENERATOR * scalar;
                    let sec1 = point.to_affine().to_sec1_point(false);
                    [sec1.x().unwrap(), sec1.y().unwrap()]
                        .map(|bytes| $words($field::from_bytes(bytes).unwrap()).to_vec())
                })
                .collect::<std::vec::Vec<_>>()
        };
    }

    // WRITE_TABLES=1 cargo test -p gatepost-cortex-m tables
    #[test]
    fn tables_are_the_odd_multiples_of_the_generators() {
        let rows = rows!(p256, P256, 32, |field: P256| field.canonical());
        check("p256", ["Words([", "])"], 32, &rows);
        let rows = rows!(p384, P384, 16, |field: P384| field.0);
        check("p384", ["[", "]"], 16, &rows);
        let rows = rows!(p521, P521, 16, |field: P521| field.0);
        check("p521", ["[", "]"], 16, &rows);
    }
}
