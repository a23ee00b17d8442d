internal import FlashIO
internal import FlashModel
internal import FlashWeights
internal import FlashWindow
internal import FoundationEssentials

/// What a checkpoint or a GGUF file holds, and the store it would become without `--type`.
struct SourceReport: Encodable {
  struct Encoding: Encodable {
    var encoding: String
    var tensors: Int
    var bytes: Int
  }

  struct Metadata: Encodable {
    var key: String
    var type: String
    /// Shortened.
    var value: String
  }

  /// The store as it would be.
  struct Conversion: Encodable {
    var store: InspectReport
    /// The smallest limit, and the limit under which everything is resident.
    var minimumBytes: Int
    var residentBytes: Int
    /// What stays in memory under the smallest limit, and what is read for every token then.
    var pinnedBytes: Int
    var streamedBytesPerToken: Int
  }

  var path: String
  var format: String
  var version: Int?
  var alignment: Int?
  var parts: Int
  var hasData: Bool
  var tensors: Int
  var parameters: Int
  var encodings: [Encoding]
  var metadata: [Metadata]
  var conversion: Conversion?
  /// Why it cannot be converted.
  var refusal: String?

  /// - Throws: `StoreError` for a file that is not what it says.
  init(gguf path: String) throws(StoreError) {
    let model = try GGUFModel(path: path)
    self.path = path
    format = model.metadata.isPowerInfer ? "PowerInfer GGUF" : "GGUF"
    version = model.metadata.version
    alignment = model.metadata.alignment
    parts = model.files.count
    hasData = model.files.allSatisfy(\.hasData)
    let all = model.files.flatMap(\.tensors)
    tensors = all.count
    parameters = all.reduce(0) { $0 &+ $1.valueCount }
    encodings = Self.encodings(all.map { ($0.type.name, $0.byteCount) })
    metadata = try model.metadata.keys.map { (key) throws(StoreError) in
      try Self.metadata(key, model.metadata)
    }
    do throws(StoreError) {
      conversion = try Conversion(path)
    } catch {
      refusal = error.description
    }
  }

  /// - Throws: `StoreError` for a checkpoint that cannot be converted.
  init(checkpoint path: String) throws(StoreError) {
    let checkpoint = try Checkpoint(folder: path)
    self.path = path
    format = "safetensors"
    parts = checkpoint.files.count
    hasData = true
    let all = checkpoint.tensors.values
    tensors = all.count
    parameters = all.reduce(0) { $0 &+ $1.shape.reduce(1, &*) }
    encodings = Self.encodings(all.map { ($0.encoding.name, $0.extent.byteCount) })
    metadata = []
    conversion = try Conversion(path)
  }

  private static func encodings(_ tensors: [(name: String, byteCount: Int)]) -> [Encoding] {
    var sums: [String: Encoding] = [:]
    for (name, byteCount) in tensors {
      sums[name, default: Encoding(encoding: name, tensors: 0, bytes: 0)].tensors += 1
      sums[name]?.bytes += byteCount
    }
    return sums.values.sorted { ($0.bytes, $0.encoding) > ($1.bytes, $1.encoding) }
  }

  private static func metadata(_ key: String, _ file: GGUFFile) throws(StoreError) -> Metadata {
    guard let entry = file.entries[key] else { preconditionFailure("a key has an entry") }
    var value: String
    switch entry.type {
    case .string:
      value = entry.count > 1 << 16 ? "\(entry.count) bytes" : try file.string(key) ?? ""
      let isLong = value.count > 60
      value = String(value.prefix(60).map { $0.isNewline ? " " : $0 }) + (isLong ? "…" : "")
    case .array:
      value = "\(entry.count) of \(entry.elementType.map { "\($0)" } ?? "")"
    case .bool: value = "\(entry.bool ?? false)"
    default: value = entry.integer.map(String.init) ?? entry.number.map { "\($0)" } ?? ""
    }
    return Metadata(key: key, type: "\(entry.type)", value: value)
  }

  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(self) else { preconditionFailure("a report encodes") }
    return String(decoding: data, as: UTF8.self)
  }
}

extension SourceReport.Conversion {
  init(_ path: String) throws(StoreError) {
    let converter = try Converter(
      readingOnly: path,
      options: ConversionOptions(formats: StoreFormats(), generator: Version.generator))
    let manifest = converter.manifest
    store = InspectReport(manifest, path: path, activity: nil)
    let embedding = manifest.tensors.first { $0.role == .tokenEmbedding }
    let whole = manifest.tensors.filter { $0.rows > 1 && $0.role != .positionEmbedding }
      .filter { $0.role != .tokenEmbedding || manifest.configuration.hasTiedHead }
    streamedBytesPerToken =
      whole.reduce(0) { $0 + $1.extent.byteCount }
      + manifest.bundles.reduce(0) { $0 + $1.extent.byteCount }
      + (manifest.configuration.hasTiedHead ? 0 : embedding?.rowByteCount ?? 0)
    pinnedBytes = manifest.tensors.reduce(0) { $0 + ($1.rows == 1 ? $1.extent.byteCount : 0) }
    // With no options that a model could refuse and no limit a plan is always found.
    let plan = try? Decoder.plan(manifest: manifest, unit: 512, options: DecoderOptions()).plan
    minimumBytes = plan?.minimumByteCount ?? 0
    residentBytes = plan?.residentByteCount ?? 0
  }
}

/// The report as people read it.
extension SourceReport {
  var text: String {
    var blocks = [header.text]
    if !metadata.isEmpty {
      blocks.append(
        TextTable(
          rows: metadata.map { [$0.key, $0.type, $0.value] },
          alignment: [.leading, .leading, .leading]
        ).text)
    }
    blocks.append(
      TextTable(
        rows: [["encoding", "tensors", "bytes"]]
          + encodings.map { [$0.encoding, String($0.tensors), Units.bytes($0.bytes)] },
        alignment: [.leading, .trailing, .trailing]
      ).text)
    if let conversion {
      blocks.append("as a store:\n" + conversion.store.text)
      blocks.append(Self.sums(conversion).text)
    }
    if let refusal { blocks.append("cannot be converted: " + refusal) }
    return blocks.joined(separator: "\n\n")
  }

  private var header: TextTable {
    var kind = format + (version.map { " version \($0)" } ?? "")
    if parts > 1 { kind += ", \(parts) files" }
    if let alignment { kind += ", alignment \(alignment)" }
    return TextTable(
      rows: [
        ["source", path], ["format", kind + (hasData ? "" : ", metadata without weights")],
        ["holds", "\(tensors) tensors, \(parameters) values"],
      ], alignment: [.leading, .leading])
  }

  private static func sums(_ conversion: Conversion) -> TextTable {
    TextTable(
      rows: [
        ["smallest limit", Units.bytes(conversion.minimumBytes)],
        ["there resident", Units.bytes(conversion.pinnedBytes)],
        ["there read per token", Units.bytes(conversion.streamedBytesPerToken)],
        ["limit with everything resident", Units.bytes(conversion.residentBytes)],
      ], alignment: [.leading, .trailing])
  }
}
