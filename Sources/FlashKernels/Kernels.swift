internal import CFlashKernels

/// The row maths of one instruction set: rows of weights against activations.
///
/// Everything is batch-invariant (`design.md` §3): an output element is one fixed chain of
/// operations, whatever the number of rows or tokens in the call, the row's place, and how callers
/// split rows, tokens or columns among threads. No state, no allocation; call from any thread.
/// Rows, prepared activations and key-value entries may start at any address.
@safe
package struct Kernels: Sendable {
  package let instructionSet: InstructionSet
  /// Constant data of the C target.
  nonisolated(unsafe) let table: UnsafePointer<CFlashKernels_Table>

  /// Traps unless `InstructionSet.supported` contains `instructionSet`.
  package init(_ instructionSet: InstructionSet) {
    guard let table = unsafe instructionSet.table else {
      preconditionFailure("this CPU has no \(instructionSet)")
    }
    unsafe self.init(instructionSet, table: table)
  }

  private init(
    _ instructionSet: InstructionSet, table: UnsafePointer<CFlashKernels_Table>
  ) {
    self.instructionSet = instructionSet
    unsafe self.table = table
  }

  /// `amx` over tiles in plain C, for tests of its arithmetic on a CPU that has none; nil without
  /// AVX-512. Far slower than any other.
  package static var emulatedAMX: Kernels? {
    unsafe CFlashKernels_emulatedAMXTable().map { unsafe Kernels(.amx, table: $0) }
  }

  func rows(_ format: RowFormat) -> CFlashKernels_Rows {
    switch format {
    case .f32: unsafe table.pointee.f32
    case .f16: unsafe table.pointee.f16
    case .bf16: unsafe table.pointee.bf16
    case .q8_0: unsafe table.pointee.q8_0
    case .q4_0: unsafe table.pointee.q4_0
    case .mxfp4: unsafe table.pointee.mxfp4
    case .q4_K: unsafe table.pointee.q4_K
    case .q6_K: unsafe table.pointee.q6_K
    }
  }

  // MARK: Activations

  /// Bytes of an activation of `width` values prepared for rows of `format`.
  package func activationByteCount(_ format: RowFormat, width: Int) -> Int {
    requireFit(format, width)
    return switch format {
    case .f32, .f16, .bf16: 4 * width
    case .q8_0, .q4_0, .mxfp4, .q4_K: width / 32 * (4 + 4 + 32)
    case .q6_K: width / 32 * (4 + 8 + 32)
    }
  }

  /// Rounds an activation once, as `dot` with rows of `format` takes it: unchanged for f32, f16 and
  /// bf16; for the quantized formats to 8 bits per block of 32 with an f32 scale of the largest
  /// magnitude over 127, to nearest even. `x`: [width]; `activation`: `activationByteCount` bytes.
  package func prepareActivation(
    _ x: UnsafePointer<Float>, width: Int, _ format: RowFormat,
    into activation: UnsafeMutableRawPointer
  ) {
    requireFit(format, width)
    unsafe rows(format).prepareActivation(x, width, activation)
  }

  // MARK: Rows times activations

  /// `output[t * outputStride + r] = row r · activation t`, rows `rowStride` bytes apart.
  ///
  /// - Parameters:
  ///   - width: values in a row.
  ///   - activations: [tokenCount] prepared for `format`, `activationStride` bytes apart.
  ///   - output: [tokenCount, outputStride], `outputStride` floats; only rowCount of each are
  /// written.
  package func dot(
    _ format: RowFormat, width: Int, rows: UnsafeRawPointer, rowStride: Int, rowCount: Int,
    activations: UnsafeRawPointer, activationStride: Int, tokenCount: Int,
    output: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    requireFit(format, width)
    var job = unsafe CFlashKernels_Dot(
      width: width, rows: rows, rowStride: rowStride, scattered: nil, rowCount: rowCount,
      activations: activations, activationStride: activationStride, tokenCount: tokenCount,
      output: output, outputStride: outputStride, ahead: nil)
    unsafe self.rows(format).dot(&job)
  }

  /// The same with row r at `scatteredRows[r]`.
  ///
  /// - Parameter ahead: bytes that are wanted afterwards, as many as the rows have: they are
  ///   brought closer meanwhile. nil: the rows themselves are, some ahead of their turn.
  package func dot(
    _ format: RowFormat, width: Int, scatteredRows: UnsafePointer<UnsafeRawPointer>, rowCount: Int,
    activations: UnsafeRawPointer, activationStride: Int, tokenCount: Int,
    output: UnsafeMutablePointer<Float>, outputStride: Int, ahead: UnsafeRawPointer? = nil
  ) {
    requireFit(format, width)
    unsafe scatteredRows.withMemoryRebound(to: UnsafeRawPointer?.self, capacity: rowCount) {
      var job = unsafe CFlashKernels_Dot(
        width: width, rows: nil, rowStride: 0, scattered: $0, rowCount: rowCount,
        activations: activations, activationStride: activationStride, tokenCount: tokenCount,
        output: output, outputStride: outputStride, ahead: ahead)
      unsafe rows(format).dot(&job)
    }
  }

  /// The same with rows that `SideBySide` arranged: groups of 16, and those after the last whole
  /// group one after another.
  package func dot(
    _ format: RowFormat, width: Int, besideRows rows: UnsafeRawPointer, rowCount: Int,
    activations: UnsafeRawPointer, activationStride: Int, tokenCount: Int,
    output: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    requireFit(format, width)
    precondition(SideBySide.arranges(format), "\(format) rows do not lie side by side")
    let inGroups = rowCount / SideBySide.groupLength * SideBySide.groupLength
    var job = unsafe CFlashKernels_Dot(
      width: width, rows: rows, rowStride: 0, scattered: nil, rowCount: inGroups,
      activations: activations, activationStride: activationStride, tokenCount: tokenCount,
      output: output, outputStride: outputStride, ahead: nil)
    unsafe self.rows(format).dotBeside(&job)
    let rowByteCount = format.byteCount(width: width)
    unsafe dot(
      format, width: width, rows: rows + inGroups * rowByteCount, rowStride: rowByteCount,
      rowCount: rowCount - inGroups, activations: activations, activationStride: activationStride,
      tokenCount: tokenCount, output: output + inGroups, outputStride: outputStride)
  }

  /// The values of one row, exactly. `row`: `format.byteCount(width:)` bytes; `values`: [width].
  /// With a plain format also the way to f32 of a whole F16 or BF16 tensor.
  package func decodeRow(
    _ format: RowFormat, width: Int, row: UnsafeRawPointer, into values: UnsafeMutablePointer<Float>
  ) {
    requireFit(format, width)
    unsafe rows(format).decodeRow(width, row, values)
  }

  func requireFit(_ format: RowFormat, _ width: Int) {
    precondition(
      width >= 0 && format.fits(width: width),
      "width \(width) is no multiple of the \(format) block")
  }
}
