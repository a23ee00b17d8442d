internal import CFlashKernels

/// Attention of one query head over the keys and values of its key-value head.
extension Kernels {
  private func keyValue(_ format: KeyValueFormat) -> CFlashKernels_KeyValue {
    switch format {
    case .f32: unsafe table.pointee.keyValueF32
    case .f16: unsafe table.pointee.keyValueF16
    case .q8_0: unsafe table.pointee.keyValueQ8_0
    }
  }

  /// Writes `values`: [count] as a cache entry of `format.byteCount(count)` bytes.
  package func storeKeyValue(
    _ format: KeyValueFormat, _ values: UnsafePointer<Float>, count: Int,
    into entry: UnsafeMutableRawPointer
  ) {
    precondition(format.fits(headDimension: count), "\(count) is no multiple of the block")
    unsafe keyValue(format).store(values, count, entry)
  }

  /// `output[p] = scale * (query · key p)` for p in 0..<count.
  /// `query`: [headDimension]; key p at `keys + p * stride` bytes; `output`: [count].
  package func scores(
    _ format: KeyValueFormat, query: UnsafePointer<Float>, headDimension: Int,
    keys: UnsafeRawPointer, stride: Int, count: Int, scale: Float,
    into output: UnsafeMutablePointer<Float>
  ) {
    precondition(format.fits(headDimension: headDimension), "no multiple of the block")
    unsafe keyValue(format).scores(query, headDimension, keys, stride, count, scale, output)
  }

  /// `output[d] += Σ weights[p] * value p [d]`, p ascending, one multiply-add per element.
  /// `weights`: [count]; value p at `values + p * stride` bytes; `output`: [headDimension].
  package func addValues(
    _ format: KeyValueFormat, weights: UnsafePointer<Float>, count: Int,
    values: UnsafeRawPointer, stride: Int, headDimension: Int,
    to output: UnsafeMutablePointer<Float>
  ) {
    precondition(format.fits(headDimension: headDimension), "no multiple of the block")
    unsafe keyValue(format).values(weights, count, values, stride, headDimension, output)
  }
}
