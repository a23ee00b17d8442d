internal import FlashIO
internal import FlashKernels
internal import Glibc

/// RoPE's scaling as GGUF files say it: `rope.scaling.*`; divisors of the frequencies in
/// `rope_freqs.weight`, which mostly stand for Llama 3's scaling by wavelength; or LongRoPE's two
/// lists in `rope_factors_short.weight` and `rope_factors_long.weight`.
enum GGUFRotary {
  private static let divisorsName = "rope_freqs.weight"
  private static let shortName = "rope_factors_short.weight"
  private static let longName = "rope_factors_long.weight"
  /// The tensors that say something of RoPE.
  static let tensorNames = [divisorsName, shortName, longName]

  /// The scaling in the spelling of checkpoints (`ConfigurationReader.scaling`); nil for none.
  static func scaling(
    _ json: JSONValue, tensors: [String: SourceTensor], files: [SourceFile]
  ) throws(StoreError) -> JSONValue? {
    let type = json[path: "rope.scaling.type"]?.string ?? "linear"
    if type == "longrope" || tensors[shortName] != nil || tensors[longName] != nil {
      return try longRope(json, tensors: tensors, files: files)
    }
    var scaling: JSONValue?
    // Zero stands for one in files that llama.cpp writes.
    let factor =
      json[path: "rope.scaling.factor"]?.number ?? json[path: "rope.scale_linear"]?.number ?? 0
    switch type {
    case "none": break
    case "linear":
      if factor != 0, factor != 1 {
        scaling = .object(["type": .string("linear"), "factor": .number(factor)])
      }
    case "yarn": scaling = try yarn(json, factor: factor, file: files.first?.path ?? "")
    default: scaling = .object(["type": .string(type)])
    }
    guard let tensor = tensors[divisorsName] else { return scaling }
    let divisors = try values(of: tensor, files: files)
    if divisors.allSatisfy({ $0 == 1 }) { return scaling }
    let base = json[path: "rope.freq_base"]?.number ?? 10000
    guard scaling == nil, divisors.allSatisfy({ $0.isFinite && $0 != 0 }) else {
      throw StoreError(
        .unsupportedModel, "RoPE with these divisors is not supported",
        file: files[tensor.fileIndex].path, offset: tensor.extent.offset, tensor: tensor.name,
        found: divisors.prefix(4).map { "\($0)" }.joined(separator: ", "))
    }
    if let fitted = Llama3Fit(divisors: divisors, base: base) { return fitted.json }
    return .object([
      "type": .string("divisors"), "divisors": .array(divisors.map { .number(Double($0)) }),
    ])
  }

  /// A number of `rope.scaling.` where it says something: neither absent nor zero.
  private static func number(_ name: String, _ json: JSONValue) -> Double? {
    json[path: "rope.scaling.\(name)"]?.number.flatMap { $0 == 0 ? nil : $0 }
  }

  /// YaRN. llama.cpp multiplies cosines and sines by 1 + ln(factor) / 10, and by `attn_factor` and
  /// `yarn_attn_factor` where the file has them.
  private static func yarn(
    _ json: JSONValue, factor: Double, file: String
  ) throws(StoreError) -> JSONValue {
    if let part = number("yarn_ext_factor", json), part != 1 {
      throw StoreError(
        .unsupportedModel, "a part of YaRN is not supported", file: file,
        key: "rope.scaling.yarn_ext_factor", expected: "1", found: "\(part)")
    }
    var object: [String: JSONValue] = ["type": .string("yarn"), "factor": .number(factor)]
    let extra = (number("attn_factor", json) ?? 1) * (number("yarn_attn_factor", json) ?? 1)
    if extra != 1 {
      object["attention_factor"] = .number(extra * (1 + 0.1 * log(max(factor, 1))))
    }
    object["beta_fast"] = number("yarn_beta_fast", json).map { .number($0) }
    object["beta_slow"] = number("yarn_beta_slow", json).map { .number($0) }
    object["original_max_position_embeddings"] = number("original_context_length", json)
      .map { .integer(Int($0)) }
    return .object(object)
  }

  /// LongRoPE. Which list counts follows from the length of the text, as in transformers; llama.cpp
  /// goes by the context's size.
  private static func longRope(
    _ json: JSONValue, tensors: [String: SourceTensor], files: [SourceFile]
  ) throws(StoreError) -> JSONValue {
    func list(_ name: String) throws(StoreError) -> JSONValue {
      guard let tensor = tensors[name] else {
        throw StoreError(
          .missingTensor, "LongRoPE needs this tensor", file: files.first?.path ?? "",
          tensor: name)
      }
      return .array(try values(of: tensor, files: files).map { .number(Double($0)) })
    }
    var object: [String: JSONValue] = [
      "type": .string("longrope"), "short_factor": try list(shortName),
      "long_factor": try list(longName),
      "attention_factor": .number(number("attn_factor", json) ?? 1),
    ]
    object["original_max_position_embeddings"] = number("original_context_length", json)
      .map { .integer(Int($0)) }
    return .object(object)
  }

  /// The values of a short tensor.
  static func values(
    of tensor: SourceTensor, files: [SourceFile]
  ) throws(StoreError) -> [Float] {
    let file = files[tensor.fileIndex]
    let count = tensor.shape.reduce(1, *)
    guard tensor.encoding == .plain(.f32), count <= 1 << 16 else {
      throw StoreError(
        .tensorShape, "is of another type or size than expected", file: file.path,
        offset: tensor.extent.offset, tensor: tensor.name, expected: "F32, at most 65536 values",
        found: "\(tensor.encoding.name) \(tensor.shape)")
    }
    let bytes = try file.file.bytes(at: tensor.extent.offset, byteCount: 4 * count)
    return unsafe bytes.withUnsafeBytes { bytes in
      (0..<count).map { unsafe bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }
}

/// The numbers of Llama 3's scaling that give certain divisors.
///
/// A frequency f is divided by 1 where it turns fast, by the factor where it turns slowly, and in
/// between by 1 / ((1 - s) / factor + s), where s grows linearly with f: two of those values give
/// the line, and all divisors must lie on it.
struct Llama3Fit {
  private let factor: Double
  private let low: Double
  private let high: Double
  private let original: Int

  /// - Parameters:
  ///   - divisors: one for each pair of a head.
  ///   - base: RoPE's base.
  init?(divisors: [Float], base: Double) {
    guard divisors.allSatisfy({ $0.isFinite && $0 >= 1 }), let factor = divisors.max(), factor > 1
    else { return nil }
    self.factor = Double(factor)
    let frequencies = divisors.indices.map { pow(base, -Double($0) / Double(divisors.count)) }
    let between = divisors.indices.filter { divisors[$0] > 1 && divisors[$0] < factor }
    func smooth(_ index: Int) -> Double {
      (1 / Double(divisors[index]) - 1 / Double(factor)) / (1 - 1 / Double(factor))
    }
    // What Meta's models have; otherwise the line through the outermost values.
    var candidates: [(low: Double, high: Double, original: Int)] = [(1, 4, 8192)]
    if let first = between.first, let last = between.last, first < last {
      let slope = (smooth(first) - smooth(last)) / (frequencies[first] - frequencies[last])
      let offset = smooth(first) - slope * frequencies[first]
      let width = 8192 / (2 * Double.pi * slope)
      candidates.append((-offset * width, (1 - offset) * width, 8192))
    }
    for candidate in candidates where candidate.low > 0 && candidate.high > candidate.low {
      let holds = divisors.indices.allSatisfy { index in
        let turns = Double(candidate.original) * frequencies[index] / (2 * Double.pi)
        let s = min(max((turns - candidate.low) / (candidate.high - candidate.low), 0), 1)
        let divisor = 1 / ((1 - s) / Double(factor) + s)
        return abs(divisor - Double(divisors[index])) <= 1e-5 * divisor
      }
      if holds {
        (low, high, original) = (candidate.low, candidate.high, candidate.original)
        return
      }
    }
    return nil
  }

  var json: JSONValue {
    .object([
      "type": .string("llama3"), "factor": .number(factor), "low_freq_factor": .number(low),
      "high_freq_factor": .number(high), "original_max_position_embeddings": .integer(original),
    ])
  }
}
