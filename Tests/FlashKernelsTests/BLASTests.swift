import FlashKernels
import Testing

struct BLASTests {
  @Test func dotAgreesWithMatrixMultiplication() {
    var generator = SeededGenerator(seed: 16)
    let (rowCount, width, tokenCount) = (7, 96, 5)
    let rows = RowBuffer(
      .f32, width: width,
      rows: (0..<rowCount).map { _ in randomRow(.f32, width: width, using: &generator) })
    let xs = (0..<tokenCount).map { _ in generator.floats(width) }
    let weights = (0..<rowCount).flatMap {
      Reference.values(.f32, width: width, row: rows.row($0)).map { Float($0) }
    }
    var product = [Float](repeating: .nan, count: tokenCount * rowCount)
    unsafe BLAS.sgemm(
      m: tokenCount, n: rowCount, k: width, a: xs.flatMap { $0 }, aStride: width, b: weights,
      bStride: width, transposeB: true, c: &product, cStride: rowCount)
    for isa in InstructionSet.supported {
      let kernels = Kernels(isa)
      let dots = kernels.dot(
        rows, kernels.prepared(xs, .f32, width: width), tokenCount: tokenCount)
      for (a, b) in zip(dots.flatMap { $0 }, product) { #expect(abs(a - b) < 2e-5) }
    }
  }
}
