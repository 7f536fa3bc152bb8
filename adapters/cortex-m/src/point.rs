//! Points of a curve whose `a` is -3, in Jacobian coordinates: `(x / z², y / z³)`, at infinity where `z` is 0.

use crate::field::Field;

/// A point other than the one at infinity, by its coordinates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine<F> {
    pub(crate) x: F,
    pub(crate) y: F,
}

/// Any point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<F> {
    x: F,
    y: F,
    z: F,
}

/// A point that is added more than once: with the powers of its `z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared<F> {
    point: Point<F>,
    z_squared: F,
    z_cubed: F,
}

impl<F: Field> Prepared<F> {
    /// The point at infinity: what is not yet computed.
    pub(crate) const NONE: Self = Self {
        point: Point::INFINITY,
        z_squared: F::ZERO,
        z_cubed: F::ZERO,
    };
}

impl<F: Field> Affine<F> {
    /// Whether the point is on the curve with this `b`: `y² = x³ - 3 x + b`.
    pub(crate) fn is_on_curve(&self, b: &F) -> bool {
        let x_cubed = self.x.square().multiply(&self.x);
        let three_x = self.x.add(&self.x).add(&self.x);
        let right = x_cubed.subtract(&three_x).add(b);
        self.y.square().equals(&right)
    }
}

impl<F: Field> From<Affine<F>> for Point<F> {
    fn from(Affine { x, y }: Affine<F>) -> Self {
        Self { x, y, z: F::ONE }
    }
}

impl<F: Field> Point<F> {
    pub(crate) const INFINITY: Self = Self {
        x: F::ONE,
        y: F::ONE,
        z: F::ZERO,
    };

    pub(crate) fn is_infinite(&self) -> bool {
        self.z.is_zero()
    }

    /// Whether `x` is its first coordinate.
    pub(crate) fn has_x(&self, x: &F) -> bool {
        !self.is_infinite() && x.multiply(&self.z.square()).equals(&self.x)
    }

    /// Doubles the point (Cohen, Miyaji and Ono 1998, for `a = -3`).
    pub(crate) fn double(&mut self) {
        let z_squared = self.z.square();
        let sum = self.x.add(&z_squared);
        let product = self.x.subtract(&z_squared).multiply(&sum);
        let slope = product.add(&product).add(&product);
        let two_y = self.y.add(&self.y);
        self.z = two_y.multiply(&self.z);
        let y_squared = self.y.square();
        let two_y_squared = y_squared.add(&y_squared);
        // 4 x y² and 8 y⁴
        let two = two_y_squared.multiply(&self.x);
        let four = two.add(&two);
        let fourth = two_y_squared.square();
        self.x = slope.square().subtract(&four.add(&four));
        let rise = four.subtract(&self.x).multiply(&slope);
        self.y = rise.subtract(&fourth.add(&fourth));
    }

    /// Adds a point, or its negative.
    pub(crate) fn add_affine(&mut self, other: &Affine<F>, is_negative: bool) {
        let y = signed(&other.y, is_negative);
        if self.is_infinite() {
            *self = Self::from(Affine { x: other.x, y });
            return;
        }
        let z_squared = self.z.square();
        let z_cubed = z_squared.multiply(&self.z);
        let (x1, y1) = (self.x, self.y);
        let (x2, y2) = (other.x.multiply(&z_squared), y.multiply(&z_cubed));
        self.join(&x1, &y1, &x2, &y2);
    }

    /// Adds a point, or its negative.
    pub(crate) fn add(&mut self, other: &Prepared<F>, is_negative: bool) {
        let y = signed(&other.point.y, is_negative);
        if self.is_infinite() {
            *self = Self { y, ..other.point };
            return;
        }
        if other.point.is_infinite() {
            return;
        }
        let z_squared = self.z.square();
        let z_cubed = z_squared.multiply(&self.z);
        let x1 = self.x.multiply(&other.z_squared);
        let y1 = self.y.multiply(&other.z_cubed);
        let (x2, y2) = (other.point.x.multiply(&z_squared), y.multiply(&z_cubed));
        self.z = self.z.multiply(&other.point.z);
        self.join(&x1, &y1, &x2, &y2);
    }

    /// The sum of two points whose common `z` is ours.
    fn join(&mut self, x1: &F, y1: &F, x2: &F, y2: &F) {
        let run = x2.subtract(x1);
        let rise = y2.subtract(y1);
        if run.is_zero() {
            if rise.is_zero() {
                (self.x, self.y) = (*x1, *y1);
                self.double();
            } else {
                *self = Self::INFINITY;
            }
            return;
        }
        let run_squared = run.square();
        let run_cubed = run_squared.multiply(&run);
        let base = run_squared.multiply(x1);
        self.z = self.z.multiply(&run);
        self.x = rise
            .square()
            .subtract(&run_cubed)
            .subtract(&base.add(&base));
        let risen = base.subtract(&self.x).multiply(&rise);
        self.y = risen.subtract(&run_cubed.multiply(y1));
    }

    /// Prepares the point for being added.
    pub(crate) fn prepare(self) -> Prepared<F> {
        let z_squared = self.z.square();
        Prepared {
            point: self,
            z_squared,
            z_cubed: z_squared.multiply(&self.z),
        }
    }
}

fn signed<F: Field>(y: &F, is_negative: bool) -> F {
    if is_negative { F::ZERO.subtract(y) } else { *y }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ::p256::elliptic_curve::sec1::{FromSec1Point as _, ToSec1Point as _};
    use ::p256::{AffinePoint, ProjectivePoint, Scalar, Sec1Point};

    use super::*;
    use crate::field::P256;

    /// `scalar G` by the library.
    fn multiple(scalar: u64) -> ProjectivePoint {
        ProjectivePoint::GENERATOR * Scalar::from(scalar)
    }

    fn affine(point: &ProjectivePoint) -> Affine<P256> {
        let sec1 = point.to_affine().to_sec1_point(false);
        let read = |bytes: &[u8]| P256::from_bytes(bytes).unwrap();
        Affine {
            x: read(sec1.x().unwrap()),
            y: read(sec1.y().unwrap()),
        }
    }

    /// The same point with another `z`.
    fn stretched(point: &ProjectivePoint, by: u8) -> Point<P256> {
        let mut bytes = [0; 32];
        bytes[31] = by;
        let z = P256::from_bytes(&bytes).unwrap();
        let Affine { x, y } = affine(point);
        Point {
            x: x.multiply(&z.square()),
            y: y.multiply(&z.square().multiply(&z)),
            z,
        }
    }

    #[track_caller]
    fn check(found: &Point<P256>, expected: &ProjectivePoint) {
        if *expected == ProjectivePoint::IDENTITY {
            assert!(found.is_infinite());
            return;
        }
        let Affine { x, y } = affine(expected);
        assert!(found.has_x(&x));
        let z_cubed = found.z.square().multiply(&found.z);
        assert!(y.multiply(&z_cubed).equals(&found.y));
    }

    #[test]
    fn sums_are_those_of_the_library() {
        // Equal ones, opposite ones, and others; each at infinity or not.
        for (a, b) in [(1, 2), (7, 7), (5, 13), (99, 100), (3, 0)] {
            for is_negative in [false, true] {
                let (left, right) = (multiple(a), multiple(b));
                let expected = if is_negative {
                    left - right
                } else {
                    left + right
                };
                for (by_left, by_right) in [(1, 1), (3, 1), (1, 5), (9, 7)] {
                    let prepared = if b == 0 {
                        Point::INFINITY
                    } else {
                        stretched(&right, by_right)
                    };
                    let mut sum = stretched(&left, by_left);
                    sum.add(&prepared.prepare(), is_negative);
                    check(&sum, &expected);
                    let mut sum = Point::INFINITY;
                    sum.add(&stretched(&left, by_left).prepare(), is_negative);
                    check(&sum, &if is_negative { -left } else { left });
                }
                if b != 0 {
                    let mut sum = stretched(&left, 11);
                    sum.add_affine(&affine(&right), is_negative);
                    check(&sum, &expected);
                    let mut sum = Point::INFINITY;
                    sum.add_affine(&affine(&right), is_negative);
                    check(&sum, &if is_negative { -right } else { right });
                }
            }
        }
    }

    #[test]
    fn doubles_are_those_of_the_library() {
        for scalar in [1, 2, 3, 1000] {
            let mut point = stretched(&multiple(scalar), 17);
            point.double();
            check(&point, &multiple(2 * scalar));
        }
        let mut infinite = Point::<P256>::INFINITY;
        infinite.double();
        assert!(infinite.is_infinite());
        assert!(!infinite.has_x(&P256::ONE));
    }

    #[test]
    fn a_point_beside_the_curve_is_told() {
        let mut point = affine(&multiple(77));
        assert!(point.is_on_curve(&P256::B));
        point.y = point.y.add(&P256::ONE);
        assert!(!point.is_on_curve(&P256::B));
        let nought = Affine {
            x: P256::ZERO,
            y: P256::ZERO,
        };
        assert!(!nought.is_on_curve(&P256::B));
        // The library agrees that such a point is none.
        let sec1 = Sec1Point::from_affine_coordinates(&[0; 32].into(), &[0; 32].into(), false);
        assert!(bool::from(AffinePoint::from_sec1_point(&sec1).is_none()));
    }
}
