//! ECDSA on the NIST curves (RFC 7518 section 3.4): one type a curve, each bound to its one algorithm.
//!
//! Signatures are `r || s` of fixed length (RFC 7518 section 3.4, IEEE P1363), never DER; both
//! numbers are in `1..n`. A high `s` is accepted, as JWS allows it: what identifies a token is not
//! its signature.
//!
//! Points, scalars and their multiples are the libraries' own. Only the equation is written out here: theirs
//! has its tables three times over on the stack, 17 KB on P-521, of which a device has less.

use core::ops::Mul as _;

use p256::elliptic_curve::consts::U5;
use p256::elliptic_curve::group::{Curve as _, Group};
use p256::elliptic_curve::ops::{Invert as _, Reduce};
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::{CurveArithmetic, FieldBytes, NonZeroScalar};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use wnaf::{WnafBase, WnafScalar, WnafSize};

use super::{
    Algorithm, AlgorithmSet, Curve, EcPublicKey, InvalidSignature, Unsupported, VerifyingKey,
};

macro_rules! ecdsa_key {
    ($(#[$doc:meta])* $key:ident, $library:ident, $type:ident, $curve:expr, $hash:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $key($library::AffinePoint);

        impl $key {
            /// Prepares `key`.
            ///
            /// # Errors
            /// [`Unsupported::NoAlgorithm`] when the key is on another curve, [`Unsupported::Point`]
            /// when the point is not on its curve.
            pub fn new(key: &EcPublicKey<'_>) -> Result<Self, Unsupported> {
                if key.curve() != $curve {
                    return Err(Unsupported::NoAlgorithm);
                }
                let point = point::<$library::AffinePoint>(key.sec1());
                point.map(Self).ok_or(Unsupported::Point)
            }
        }

        impl VerifyingKey for $key {
            fn algorithms(&self) -> AlgorithmSet {
                AlgorithmSet::of(&[$curve.algorithm()])
            }

            fn verify(
                &self,
                algorithm: Algorithm,
                signing_input: &[u8],
                signature: &[u8],
            ) -> Result<(), InvalidSignature> {
                if algorithm != $curve.algorithm() {
                    return Err(InvalidSignature);
                }
                // Refuses any other length, and `r` or `s` outside `1..n`.
                let signature = $library::ecdsa::Signature::from_slice(signature)
                    .map_err(|_| InvalidSignature)?;
                let hash = $hash::digest(signing_input);
                let (r, s) = signature.split_scalars();
                if holds::<$library::$type>(&self.0, &hash, r, s) {
                    Ok(())
                } else {
                    Err(InvalidSignature)
                }
            }
        }
    };
}

ecdsa_key!(
    /// A point on P-256, for ES256.
    P256Key, p256, NistP256, Curve::P256, Sha256
);
ecdsa_key!(
    /// A point on P-384, for ES384.
    P384Key, p384, NistP384, Curve::P384, Sha384
);
ecdsa_key!(
    /// A point on P-521, for ES512.
    P521Key, p521, NistP521, Curve::P521, Sha512
);

/// The point of `04 || x || y`, where it is on its curve.
fn point<P>(sec1: &[u8]) -> Option<P>
where
    P: AffineCoordinates<FieldRepr: for<'f> TryFrom<&'f [u8]>>,
{
    let (_, coordinates) = sec1.split_first()?;
    let (x, y) = coordinates.split_at_checked(coordinates.len().div_ceil(2))?;
    let (x, y) = (x.try_into().ok()?, y.try_into().ok()?);
    P::from_coordinates(&x, &y).into_option()
}

/// Whether `r` and `s` are of `key` and `hash` (FIPS 186-5 section 6.4.2).
fn holds<C>(key: &C::AffinePoint, hash: &[u8], r: NonZeroScalar<C>, s: NonZeroScalar<C>) -> bool
where
    C: CurveArithmetic<Scalar: WnafSize>,
{
    let mut padded = FieldBytes::<C>::default();
    for (byte, of_hash) in padded.iter_mut().rev().zip(hash.iter().rev()) {
        *byte = *of_hash;
    }
    let inverse = *s.invert_vartime();
    let u1 = inverse.mul(C::Scalar::reduce(&padded));
    let u2 = inverse.mul(*r);
    let sum = sum(&u1, &C::ProjectivePoint::from(*key), &u2).to_affine();
    C::Scalar::reduce(&sum.x()) == *r
}

/// `u1 G + u2 point`, in variable time: all of it is public.
#[inline(never)] // Its tables are not to lie beside what else a verification needs.
fn sum<G>(u1: &G::Scalar, point: &G, u2: &G::Scalar) -> G
where
    G: Group<Scalar: WnafSize>,
{
    let (digits, of_point) = (WnafScalar::<_, U5>::new(u1), WnafScalar::new(u2));
    let (mut table, mut table_of_point) = (empty(), empty());
    fill(&mut table, &G::generator());
    fill(&mut table_of_point, point);
    let terms = [(&table, &digits), (&table_of_point, &of_point)];
    WnafBase::multiscalar_mul(terms.into_iter())
}

// Neither is inlined: what they need beside the table is off the stack again when it is used.

#[inline(never)]
fn empty<G: Group>() -> WnafBase<G, U5> {
    WnafBase::default()
}

#[inline(never)]
fn fill<G: Group>(table: &mut WnafBase<G, U5>, point: &G) {
    table.init_from_base(point);
}
