package import FlashIO
package import FlashKernels

/// What a conversion reads: the folder of a checkpoint, or GGUF files. Opened and checked; only
/// weights are still to be read.
package protocol ModelSource: Sendable {
  /// As it was given, for messages.
  var path: String { get }
  /// `config.json`, or the metadata of a GGUF file (`GGUFSource`).
  var configuration: JSONValue { get }
  var configurationPath: String { get }
  /// Which of a layout's spellings the names follow.
  var spelling: Layout.Spelling { get }
  var files: [SourceFile] { get }
  var tensors: [String: SourceTensor] { get }
  /// Files that a store carries along: tokenizer and chat template.
  var companionNames: [String] { get }
  func companion(_ name: String) throws(StoreError) -> [UInt8]
  /// Predictors of what fires that come with the model; nil for most.
  var predictors: SourcePredictors? { get }
  /// SHA-256 over the configuration and the headers, hexadecimal.
  var digest: String { get }
  /// Remarks for the user.
  var notes: [String] { get }
}

extension ModelSource {
  package var predictors: SourcePredictors? { nil }

  func path(of tensor: SourceTensor) -> String { files[tensor.fileIndex].path }

  /// The length and the time of the last change of every file: with `digest` it tells whether work
  /// on this source can be taken up again.
  func changeMarks() throws(StoreError) -> [String] {
    var marks: [String] = []
    for file in files { marks.append(try file.changeMark()) }
    return marks
  }

  /// Whether two tensors hold the same bytes of the same type and shape.
  func areEqual(_ a: SourceTensor, _ b: SourceTensor) throws(StoreError) -> Bool {
    guard a.encoding == b.encoding, a.shape == b.shape else { return false }
    let byteCount = a.extent.byteCount
    for start in stride(from: 0, to: byteCount, by: 4 << 20) {
      let count = min(4 << 20, byteCount - start)
      let x = try files[a.fileIndex].file.bytes(at: a.extent.offset + start, byteCount: count)
      let y = try files[b.fileIndex].file.bytes(at: b.extent.offset + start, byteCount: count)
      if x != y { return false }
    }
    return true
  }
}

/// A tensor of a source, and how its rows become the model's.
package struct SourceTensor: Equatable, Sendable {
  /// Index into the source's files.
  package let fileIndex: Int
  package let name: String
  package let encoding: SourceEncoding
  /// Rows first.
  package let shape: [Int]
  package let extent: FileExtent
  /// Which of the tensor's rows is the model's row 0, 1, …
  var order = RowOrder.asStored
  /// What every value is multiplied with, and what is added then.
  var multiplier: Float = 1
  var offset: Float = 0
  /// Rows that are used; nil: all, or all values of a vector.
  var usedRowCount: Int?
  /// Whether the file holds the matrix column by column; `shape` is the model's all the same.
  var isTurned = false
  /// Where the scales of MXFP4 lie; the extent then holds the codes.
  var scales: ScaleExtent?

  package init(
    fileIndex: Int, name: String, encoding: SourceEncoding, shape: [Int], extent: FileExtent
  ) {
    self.fileIndex = fileIndex
    self.name = name
    self.encoding = encoding
    self.shape = shape
    self.extent = extent
  }
}

/// The scales of an MXFP4 matrix, one byte for 32 codes of 4 bits, where they lie in a tensor of
/// their own.
struct ScaleExtent: Equatable, Sendable {
  var fileIndex: Int
  var extent: FileExtent
}

/// How the values of a source's rows are written.
package enum SourceEncoding: Equatable, Sendable {
  /// One value after another, as the row format of this name has them: f32, f16 or bf16.
  case plain(RowFormat)
  /// Blocks of ggml, one after another.
  case blocks(GGUFType)
  /// What is not converted.
  case unknown(String)

  init(_ type: GGUFType) {
    switch type {
    case .f32: self = .plain(.f32)
    case .f16: self = .plain(.f16)
    case .bf16: self = .plain(.bf16)
    default: self = BlockDecoder.knows(type) ? .blocks(type) : .unknown(type.name)
    }
  }

  init(_ type: SafetensorsType) {
    switch type {
    case .f32: self = .plain(.f32)
    case .f16: self = .plain(.f16)
    case .bf16: self = .plain(.bf16)
    default: self = .unknown(type.rawValue)
    }
  }

  /// As the source's format spells it: `BF16`, `Q4_K`.
  package var name: String {
    switch self {
    case .plain(let format): format.rawValue.uppercased()
    case .blocks(let type): type.name
    case .unknown(let name): name
    }
  }

  /// The store's format that holds the same values without rounding; nil where it has none.
  package var keptFormat: RowFormat? {
    switch self {
    case .plain(let format): format
    case .blocks(.q8_0): .q8_0
    case .blocks(.q4_0): .q4_0
    case .blocks(.mxfp4): .mxfp4
    case .blocks(.q4_K): .q4_K
    case .blocks(.q6_K): .q6_K
    case .blocks, .unknown: nil
    }
  }

  /// The smallest format of the store that loses next to nothing. Blocks of ggml have steps of
  /// their own in every 16 or 32 values; q8_0 is the finest format with a scale for 32.
  package var nearestFormat: RowFormat { keptFormat ?? .q8_0 }

  var valuesPerBlock: Int {
    if case .blocks(let type) = self { type.block.valueCount } else { 1 }
  }

  /// Bytes of a row. Traps for an encoding that is not converted.
  func byteCount(width: Int) -> Int {
    switch self {
    case .plain(let format): format.byteCount(width: width)
    case .blocks(let type): type.byteCount(width: width)
    case .unknown(let name): preconditionFailure("rows of \(name) are not converted")
    }
  }
}

extension SourceTensor {
  /// Bytes of the rows, or of a vector's values, that are used.
  var usedByteCount: Int {
    let byteCount = extent.byteCount + (scales?.extent.byteCount ?? 0)
    guard let usedRowCount, let all = shape.first, all > 0 else { return byteCount }
    return byteCount / all * usedRowCount
  }

  /// Values of one of the file's rows.
  var fileWidth: Int { isTurned || shape.count == 1 ? shape[0] : shape[1] }

  /// The file's columns that hold some neurons, where a neuron is a column; those of the other
  /// roles with them, where the roles take turns.
  func columns(of neurons: Range<Int>) -> Range<Int> {
    guard case .runs(let count, let distance, _) = order else { return neurons }
    precondition(count == 1, "columns of several roles take turns")
    return neurons.lowerBound * distance..<neurons.upperBound * distance
  }
}

/// Which row of a source's matrix is which row of the model's.
enum RowOrder: Equatable, Sendable {
  case asStored
  /// Heads of `headDimension` rows whose first `rotated` rows are pairs of neighbours, as RoPE of
  /// kind NORM wants them in llama.cpp; the model wants the first of each pair, then the second.
  case neighbours(headDimension: Int, rotated: Int)
  /// Runs of `count` rows, each `distance` rows after the one before, the first at `start`: a part
  /// of a tensor that holds the rows of several.
  case runs(count: Int, distance: Int, start: Int)

  /// The source's row that is the model's row `row`.
  func source(of row: Int) -> Int {
    switch self {
    case .asStored: return row
    case .runs(let count, let distance, let start):
      return start + row / count * distance + row % count
    case .neighbours(let headDimension, let rotated):
      let (head, inside) = (row / headDimension, row % headDimension)
      guard inside < rotated else { return row }
      let half = rotated / 2
      return head * headDimension + 2 * (inside % half) + inside / half
    }
  }
}
