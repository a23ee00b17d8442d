/// e to a power that is not positive, by one fixed chain of multiplications and additions.
///
/// The C library's `exp` may differ in the last bit between CPUs (it takes another path where there
/// is FMA), and one bit can move a draw to the next token. This one has the same bits everywhere
/// and is within 4e-16 relative of the true value. `-infinity` and anything under -708 give 0.
/// Traps when `power` is positive or NaN.
package func portableExponential(_ power: Double) -> Double {
  precondition(power <= 0, "portableExponential takes no positive power")
  guard power >= -708 else { return 0 }
  // power = steps · ln 2 + rest, |rest| <= ln 2 / 2; ln 2 is split so that the product is exact.
  let steps = (power * 1.442_695_040_888_963_4).rounded(.toNearestOrEven)
  let rest = (power - steps * 0x1.62e42fee00000p-1) - steps * 0x1.a39ef35793c76p-33
  var sum = 1.0
  for divisor in stride(from: 13.0, through: 1, by: -1) {
    sum = 1 + rest / divisor * sum
  }
  return sum * Double(sign: .plus, exponent: Int(steps), significand: 1)
}
