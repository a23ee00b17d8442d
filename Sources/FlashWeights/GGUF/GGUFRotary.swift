internal import FlashIO
internal import FlashKernels
internal import Glibc

/// RoPE's scaling as GGUF files say it: `rope.scaling.*`, or divisors of the frequencies in
/// `rope_freqs.weight`, which mostly stand for Llama 3's scaling by wavelength.
enum GGUFRotary {
  /// The scaling in the spelling of checkpoints (`ConfigurationReader.scaling`); nil for none.
  static func scaling(
    _ json: JSONValue, divisors tensor: SourceTensor?, files: [SourceFile]
  ) throws(StoreError) -> JSONValue? {
    var scaling: JSONValue?
    let type = json[path: "rope.scaling.type"]?.string ?? "linear"
    // Zero stands for one in files that llama.cpp writes.
    let factor =
      json[path: "rope.scaling.factor"]?.number ?? json[path: "rope.scale_linear"]?.number ?? 0
    switch type {
    case "none": break
    case "linear":
      if factor != 0, factor != 1 {
        scaling = .object(["type": .string("linear"), "factor": .number(factor)])
      }
    default: scaling = .object(["type": .string(type)])
    }
    guard let tensor else { return scaling }
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
