internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import Flashrun

/// What results say of the model and the machine, whatever was measured.
struct ModelLabel: Sendable {
  var file: String
  /// `deci 5.7B q4_0`.
  var name: String
  var byteCount: Int
  var parameterCount: Int
  var processor: String

  init(_ store: WeightStore) {
    file = store.path
    byteCount = store.modelByteCount
    parameterCount = store.manifest.parameterCount
    processor = WorkerPool.processorName ?? "unknown"
    let format = store.manifest.bundles.first?.parts.first?.format.rawValue ?? ""
    name = "\(store.manifest.layout.name) \(Self.short(parameterCount)) \(format)"
  }

  var fields: [BenchRecord.Field] {
    [
      .init("build_commit", .text(Version.number)), .init("cpu_info", .text(processor)),
      .init("gpu_info", .text("")), .init("backends", .text("CPU")),
      .init("model_filename", .text(file)), .init("model_type", .text(name)),
      .init("model_size", .integer(byteCount)), .init("model_n_params", .integer(parameterCount)),
    ]
  }

  /// The table's first columns: model, size and parameters.
  var cells: [BenchRecord.Cell] {
    [
      .init("model", name, width: 18, isNumber: false),
      .init("size", Units.bytes(byteCount), width: 9),
      .init("params", Self.short(parameterCount), width: 7),
    ]
  }

  /// `5.72B`, `13.1M`.
  private static func short(_ count: Int) -> String {
    switch Double(count) {
    case 1e9...: Units.threeDigits(Double(count) / 1e9) + "B"
    default: Units.threeDigits(Double(count) / 1e6) + "M"
    }
  }
}

/// What results say of an opened model.
struct OpenModelLabel: Sendable {
  var instructionSet: String
  var threadCount: Int
  var prefillChunk: Int
  var keyFormat: String
  var valueFormat: String
  var engine: String
  var mode: String

  init(_ decoder: Decoder) {
    instructionSet = decoder.instructionSet.rawValue
    threadCount = decoder.threadCount
    prefillChunk = decoder.prefillChunk
    keyFormat = decoder.keyFormat.rawValue
    valueFormat = decoder.valueFormat.rawValue
    engine = decoder.readEngine.kind.rawValue
    mode = decoder.mode.rawValue
  }
}
