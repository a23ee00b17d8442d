internal import CFlashKernels

/// The vector parts of a layer, all f32. In every function the output may be the input.
extension Kernels {
  var vectors: CFlashKernels_Vectors { unsafe table.pointee.vectors }

  /// `output[i] = x[i] / sqrt(mean(x²) + epsilon) * weight[i]`; all [width]
  /// (Zhang & Sennrich 2019, arXiv:1910.07467).
  package func rmsNorm(
    _ x: UnsafePointer<Float>, width: Int, weight: UnsafePointer<Float>, epsilon: Float,
    into output: UnsafeMutablePointer<Float>
  ) {
    unsafe vectors.rmsNorm(x, width, weight, epsilon, output)
  }

  /// `output[i] = (x[i] - mean) / sqrt(variance + epsilon) * weight[i] + bias[i]`; all [width]
  /// (Ba et al. 2016, arXiv:1607.06450). No bias where nil.
  package func layerNorm(
    _ x: UnsafePointer<Float>, width: Int, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, epsilon: Float, into output: UnsafeMutablePointer<Float>
  ) {
    unsafe vectors.layerNorm(x, width, weight, bias, epsilon, output)
  }

  /// `y[i] += x[i]`.
  package func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    unsafe vectors.add(x, y, count)
  }

  /// `x[i] *= factor`.
  package func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
    unsafe vectors.scale(x, factor, count)
  }

  /// `x[i] = limit * tanh(x[i] / limit)`, in place.
  package func cap(_ x: UnsafeMutablePointer<Float>, at limit: Float, count: Int) {
    unsafe vectors.cap(x, limit, count)
  }

  /// Rotate-half position embedding of one head, in place (Su et al. 2021, arXiv:2104.09864): the
  /// partner of `x[i]` is `x[i + half]`. `x`: at least [2 * half]; `cosine`, `sine`: [half].
  package func rotate(
    _ x: UnsafeMutablePointer<Float>, cosine: UnsafePointer<Float>, sine: UnsafePointer<Float>,
    half: Int
  ) {
    unsafe vectors.rotate(x, cosine, sine, half)
  }

  /// How many of `x`: [count] are NaN or infinite.
  package func nonFiniteCount(_ x: UnsafePointer<Float>, count: Int) -> Int {
    unsafe vectors.countNonFinite(x, count)
  }

  /// e^x by the polynomial that `softmaxPart` uses, so that parts are joined consistently.
  package func exponential(_ x: Float) -> Float { vectors.exponential(x) }

  /// Turns scores into `exp(score - maximum)`, in place, and returns the maximum and the sum of the
  /// exponentials: a part of a softmax. `scores`: [count], count > 0.
  package func softmaxPart(
    _ scores: UnsafeMutablePointer<Float>, count: Int
  ) -> (maximum: Float, sum: Float) {
    precondition(count > 0, "a softmax over no scores")
    var maximum: Float = 0
    let sum = unsafe vectors.softmaxPart(scores, count, &maximum)
    return (maximum, sum)
  }
}
