internal import Glibc

/// One axis of a chart: its title, its scale, and how its ticks are written.
package struct ChartAxis: Sendable {
  package enum Scale: Sendable, Equatable {
    case linear
    /// Ticks at powers of the base, such as 10, or 2 for sizes and depths.
    case logarithmic(base: Int)
  }

  package var title: String
  package var scale: Scale
  package var label: @Sendable (Double) -> String
  /// The range shown; nil is that of the data, and of a linear axis from zero.
  package var range: ClosedRange<Double>?

  package init(
    _ title: String, scale: Scale = .linear, range: ClosedRange<Double>? = nil,
    label: @escaping @Sendable (Double) -> String = { Quantity.number($0) }
  ) {
    self.title = title
    self.scale = scale
    self.range = range
    self.label = label
  }

  /// The axis for data: its range widened to ticks, and the ticks.
  func fitted(to values: some Sequence<Double>) -> FittedAxis {
    let shown = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
    var low = range?.lowerBound ?? shown.min() ?? 1
    var high = range?.upperBound ?? shown.max() ?? 1
    switch scale {
    case .linear:
      if range == nil { low = min(low, 0) }
      if high <= low { high = low + 1 }
      let step = Self.niceStep(for: (high - low) / 5)
      if range == nil { high = (high / step - 1e-9).rounded(.up) * step }
      let first = Int((low / step - 1e-9).rounded(.up))
      let last = Int((high / step + 1e-9).rounded(.down))
      return FittedAxis(
        axis: self, low: low, high: high, ticks: (first...last).map { Double($0) * step })
    case .logarithmic(let base):
      return fittedLogarithmically(low: max(low, 1e-9), high: high, base: Double(base))
    }
  }

  private func fittedLogarithmically(low: Double, high: Double, base: Double) -> FittedAxis {
    var (low, high) = (low, max(low, high))
    var first = Int((log(low) / log(base) + 1e-9).rounded(.down))
    var last = max(first + 1, Int((log(high) / log(base) - 1e-9).rounded(.up)))
    if range == nil {
      (low, high) = (pow(base, Double(first)), pow(base, Double(last)))
    } else {
      // Ticks inside a range that was given.
      if pow(base, Double(first)) < low * 0.999 { first += 1 }
      if pow(base, Double(last)) > high * 1.001 { last -= 1 }
    }
    // Eight labels fit a narrow chart.
    let powers = stride(from: first, through: last, by: max(1, (last - first + 7) / 8))
    return FittedAxis(axis: self, low: low, high: high, ticks: powers.map { pow(base, Double($0)) })
  }

  /// 1, 2 or 5 times a power of ten, at least `step`.
  private static func niceStep(for step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    return ([1, 2, 5, 10].first { $0 * power >= step * 0.999 } ?? 10) * power
  }
}

/// An axis with its range and ticks.
struct FittedAxis {
  var axis: ChartAxis
  var low: Double
  var high: Double
  var ticks: [Double]

  /// Where a value lies, from 0 to 1; outside values at the ends.
  func position(_ value: Double) -> Double {
    let position =
      switch axis.scale {
      case .linear: (value - low) / (high - low)
      case .logarithmic:
        value <= 0 || high <= low ? 0 : log(value / low) / log(high / low)
      }
    return min(1, max(0, position))
  }
}
