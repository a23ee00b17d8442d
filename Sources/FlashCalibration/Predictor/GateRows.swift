internal import FlashKernels

/// The rows of a layer that decide which neurons fire, packed as in the store, and products with
/// them: rows are unpacked a block at a time.
struct GateRows {
  let neuronCount: Int
  let width: Int
  private let format: RowFormat
  private let bytes: [UInt8]
  private let kernels: Kernels

  /// Rows unpacked at a time: 16 MiB at width 4096, enough for BLAS to run at its rate.
  private static let blockRowCount = 1024

  /// - Parameter bytes: rows of `format` one after another.
  init(format: RowFormat, width: Int, bytes: [UInt8], kernels: Kernels) {
    let rowByteCount = format.byteCount(width: width)
    precondition(bytes.count % rowByteCount == 0, "gate rows are whole")
    self.format = format
    self.width = width
    self.bytes = bytes
    self.kernels = kernels
    neuronCount = bytes.count / rowByteCount
  }

  /// Calls `body` with each block of rows and its first neuron, ascending.
  private func forEachBlock(_ body: (Int, FloatMatrix) -> Void) {
    let rowByteCount = format.byteCount(width: width)
    for first in stride(from: 0, to: neuronCount, by: Self.blockRowCount) {
      let block = FloatMatrix(min(Self.blockRowCount, neuronCount - first), width)
      unsafe bytes.withUnsafeBytes { bytes in
        for row in 0..<block.rowCount {
          unsafe kernels.decodeRow(
            format, width: width, row: bytes.baseAddress! + (first + row) * rowByteCount,
            into: block.row(row))
        }
      }
      body(first, block)
    }
  }

  /// `states · Gᵀ · D`, `[states, neurons]`; D is one where nil.
  func answers(to states: FloatMatrix, weights: [Float]?) -> FloatMatrix {
    let answers = FloatMatrix(states.rowCount, neuronCount)
    forEachBlock { first, block in
      unsafe BLAS.sgemm(
        m: states.rowCount, n: block.rowCount, k: width, a: states.values, aStride: width,
        b: block.values, bStride: width, transposeB: true, c: answers.values + first,
        cStride: neuronCount)
    }
    guard let weights else { return answers }
    for row in 0..<states.rowCount {
      let values = unsafe answers.row(row)
      for neuron in 0..<neuronCount { unsafe values[neuron] *= weights[neuron] }
    }
    return answers
  }

  /// `vectors · D · G`, `[vectors, width]`.
  func combined(_ vectors: FloatMatrix, weights: [Float]) -> FloatMatrix {
    let result = FloatMatrix(vectors.rowCount, width)
    forEachBlock { first, block in
      let part = FloatMatrix(vectors.rowCount, block.rowCount)
      for row in 0..<part.rowCount {
        for column in 0..<part.columnCount {
          part[row, column] = vectors[row, first + column] * weights[first + column]
        }
      }
      result.setProduct(part, block, isAdded: true)
    }
    return result
  }

  /// `result = states · Gᵀ · D² · G`, `[states, width]`.
  func multiplyBackAndForth(
    _ states: FloatMatrix, weights: [Float], into result: FloatMatrix
  ) {
    result.fill(0)
    forEachBlock { first, block in
      let answers = FloatMatrix(states.rowCount, block.rowCount)
      answers.setProduct(states, block, transposeB: true)
      for row in 0..<answers.rowCount {
        let values = unsafe answers.row(row)
        for column in 0..<answers.columnCount {
          unsafe values[column] *= weights[first + column] * weights[first + column]
        }
      }
      result.setProduct(answers, block, isAdded: true)
    }
  }
}
