internal import Crypto
internal import FlashKernels

/// SHA-256 over a model's configuration, formats and weights as the checkpoint orders them, so that
/// it names the model and not the order in which its neurons lie.
struct ModelDigest {
  private var lines: [String]

  init(_ configuration: ModelConfiguration) {
    lines = [
      SHA256.digest(lines: [String(decoding: JSONText.encode(configuration), as: UTF8.self)])
    ]
  }

  /// Takes the next tensor in the order of the manifest, and the digest of its rows.
  mutating func add(_ tensor: StoredTensor, digest: String) {
    lines.append("\(tensor.name) \(tensor.format.rawValue) \(digest)")
  }

  /// Takes the next layer's bundles, and the digest of its neurons in the checkpoint's order.
  mutating func add(_ bundle: BundleLayout, layer: Int, digest: String) {
    let formats = bundle.parts.sorted { $0.role.rawValue < $1.role.rawValue }
      .map(\.format.rawValue).joined(separator: " ")
    lines.append("layers.\(layer).bundles \(formats) \(digest)")
  }

  var text: String { SHA256.digest(lines: lines) }

  /// The digest of a bias over the neurons as if they lay in the checkpoint's order.
  static func canonicalDigest(ofBias bytes: [UInt8], order: [Int]) -> String {
    let size = bytes.count / order.count
    var sorted = bytes
    for (place, original) in order.enumerated() {
      sorted.replaceSubrange(
        original * size..<(original + 1) * size, with: bytes[place * size..<(place + 1) * size])
    }
    return SHA256.hash(data: Array(SHA256.hash(data: sorted))).hexadecimal
  }
}

extension StoredTensor {
  /// Whether its values run along the layer's neurons, so that it is reordered with them.
  var runsAlongNeurons: Bool { isBias && (role == .up || role == .gate) }
}
