package import FlashKernels
internal import FoundationEssentials

/// How a model family spells its configuration and its tensors (`layouts/NAME.json`).
///
/// A layout is data: it says where each number of `ModelConfiguration` comes from, what must hold
/// for the decoder to be right, and which tensor of the checkpoint plays which role. A new family
/// of the same build is a new file and no code. `layouts/README.md` explains it by an example.
package struct Layout: Codable, Equatable, Sendable {
  package var name: String
  /// The checkpoints this layout is for; any of them.
  package var recognizes: [Recognition]
  package var decoder: DecoderSwitches
  /// What else the configuration must say; a checkpoint that says otherwise is refused.
  package var requirements: [Requirement]
  /// What may stand for `{prefix}` in tensor names; the first under which the checkpoint has the
  /// token embedding is used for all.
  package var prefixes: [String]
  package var tensors: [TensorPattern]
  /// Names of tensors that carry nothing the decoder needs.
  package var ignoredTensors: [String]
  /// Keys of the configuration that change nothing in the arithmetic of this family.
  package var ignoredKeys: [String]
  /// The same for GGUF files; absent: the family is not read from them.
  package var gguf: GGUFSection?

  /// A checkpoint is recognized by `architectures[0]` and by keys it has or has not; never by
  /// `model_type`, which re-saved checkpoints get wrong.
  package struct Recognition: Codable, Equatable, Sendable {
    package var architecture: String
    package var present: [String]
    package var absent: [String]
  }

  /// A number or text of the configuration: the first of `keys` that is there and not null (a key
  /// may be a dotted path), otherwise `absent`; without either the checkpoint is refused.
  package struct Source: Codable, Equatable, Sendable {
    package var keys: [String]
    package var absent: JSONValue?
  }

  package struct DecoderSwitches: Codable, Equatable, Sendable {
    package var width: Source
    package var vocabularySize: Source
    package var layerCount: Source
    package var maximumPositions: Source
    /// Per layer, as every one of the next three: a list of the layers' numbers, or one for all.
    package var queryHeads: Source
    package var keyValueHeads: Source
    package var feedForwardWidth: Source
    /// Absent: width divided by the query heads.
    package var headDimension: Source?
    package var normalization: NormalizationSwitch
    package var activation: ActivationSwitch
    package var isGated: Bool
    package var positions: PositionSwitch
    package var hasTiedHead: Source
    package var beginToken: Source
    package var endTokens: Source
  }

  package struct NormalizationSwitch: Codable, Equatable, Sendable {
    package var kind: Normalization.Kind
    package var epsilon: Source
  }

  package struct ActivationSwitch: Codable, Equatable, Sendable {
    package var source: Source
    /// What the configuration may say, and what is computed then.
    package var allowed: [String: Activation]
    /// Above which a neuron fires (FATReLU).
    package var threshold: Source?
  }

  /// Exactly one of the two is set.
  package struct PositionSwitch: Codable, Equatable, Sendable {
    package var rotary: RotarySwitch?
    package var learned: LearnedSwitch?
  }

  package struct RotarySwitch: Codable, Equatable, Sendable {
    package var base: Source
    /// The part of a head that is rotated, from 0 to 1.
    package var rotatedPart: Source
    /// The rotated dimensions as a number, which wins over the part where it is there.
    package var dimension: Source?
    /// Keys of the object that holds the scaling's type and numbers; the first that is there.
    package var scaling: [String]
  }

  package struct LearnedSwitch: Codable, Equatable, Sendable {
    package var offset: Int
  }

  /// A key that must have one of the allowed values, because another value changes the arithmetic
  /// in a way the decoder does not know.
  package struct Requirement: Codable, Equatable, Sendable {
    package var key: String
    /// Null stands for an absent key. Of a list every element must be allowed.
    package var allowed: [JSONValue]
    /// A key whose value is allowed as well.
    package var orSameAs: String?
    /// The requirement does not hold where this does.
    package var unless: Condition?
    /// What the decoder lacks, for the message.
    package var part: String
  }

  package struct Condition: Codable, Equatable, Sendable {
    package var key: String
    package var equals: JSONValue
  }

  /// Which tensor plays a role. `name` may hold `{prefix}` and, inside the layers, `{layer}`.
  package struct TensorPattern: Codable, Equatable, Sendable {
    package var role: TensorRole
    package var isBias: Bool
    package var name: String
    /// The checkpoint has the tensor only where this holds; absent: always.
    package var when: Condition?
    /// A tensor of one value that every value of this one is multiplied with, where it is there.
    package var scale: String?

    package var isPerLayer: Bool { name.contains("{layer}") }

    /// The tensor's name in a checkpoint.
    package func name(prefix: String, layer: Int?) -> String {
      Self.fill(name, prefix: prefix, layer: layer)
    }

    /// The name of the tensor that scales it; nil where the pattern names none.
    func scaleName(prefix: String, layer: Int?) -> String? {
      scale.map { Self.fill($0, prefix: prefix, layer: layer) }
    }

    private static func fill(_ pattern: String, prefix: String, layer: Int?) -> String {
      var text = pattern.replacing("{prefix}", with: prefix)
      if let layer { text = text.replacing("{layer}", with: "\(layer)") }
      return text
    }
  }

  /// The layouts inside the binary. Traps where one is wrong, which a test excludes.
  package static let builtIn: [Layout] = BuiltInLayouts.texts.map { name, text in
    do {
      return try Layout(text: Array(text.utf8), file: "layouts/\(name).json")
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// Reads a layout. Throws `layout` or `noSuchFile`, naming what is wrong and where.
  package init(contentsOf path: String) throws(StoreError) {
    let file = try File.reading(path)
    let byteCount = try file.byteCount()
    guard byteCount <= 1 << 20 else {
      throw StoreError(
        .layout, "is too long for a layout", file: path, expected: "at most 1048576 bytes",
        found: "\(byteCount)")
    }
    try self.init(text: try file.bytes(at: 0, byteCount: byteCount), file: path)
  }

  init(text: [UInt8], file: String) throws(StoreError) {
    self = try JSONText.decode(Layout.self, from: text, kind: .layout, file: file)
    if let (key, offset) = DuplicateKeys.first(in: text) {
      throw StoreError(.layout, "holds the key \"\(key)\" twice", file: file, offset: offset)
    }
    try refuseUnknownKeys(in: text, file: file)
    try check(file: file)
    try spelled(.gguf)?.check(file: file)
  }

  private func refuseUnknownKeys(in text: [UInt8], file: String) throws(StoreError) {
    func value(_ text: [UInt8]) throws(StoreError) -> JSONValue {
      try JSONText.decode(JSONValue.self, from: text, kind: .layout, file: file)
    }
    if let (key, place) = UnknownKeys.first(
      in: try value(text), butNotIn: try value(JSONText.encode(self)))
    {
      throw StoreError(
        .layout, "unknown key \"\(key)\" at \(place.isEmpty ? "the top" : place)", file: file)
    }
  }

  /// Whether the layout makes sense in itself.
  private func check(file: String) throws(StoreError) {
    func fail(_ problem: String) -> StoreError { StoreError(.layout, problem, file: file) }
    let hasRotary = decoder.positions.rotary != nil
    guard hasRotary != (decoder.positions.learned != nil) else {
      throw fail("decoder.positions must hold either \"rotary\" or \"learned\"")
    }
    guard !prefixes.isEmpty else { throw fail("\"prefixes\" must hold at least one text") }
    var seen: Set<String> = []
    for pattern in tensors {
      let label = pattern.role.rawValue + (pattern.isBias ? " bias" : "")
      guard seen.insert(label).inserted else { throw fail("two tensors for \(label)") }
      guard pattern.isPerLayer == pattern.role.isPerLayer else {
        throw fail(
          "the name of \(label) must \(pattern.role.isPerLayer ? "" : "not ")hold {layer}")
      }
    }
    var needed: [TensorRole] = TensorRole.allCases.filter {
      $0 != .positionEmbedding && $0 != .gate
    }
    if !hasRotary { needed.append(.positionEmbedding) }
    if decoder.isGated { needed.append(.gate) }
    for role in needed where !seen.contains(role.rawValue) {
      throw fail("no tensor for \(role.rawValue)")
    }
  }
}

extension TensorRole {
  /// Whether every layer has its own.
  package var isPerLayer: Bool {
    switch self {
    case .tokenEmbedding, .positionEmbedding, .outputNorm, .outputHead: false
    default: true
    }
  }

  /// Whether the weight belongs to the neurons, and so lies in `bundles.bin`.
  package var isBundled: Bool {
    switch self {
    case .gate, .up, .down: true
    default: false
    }
  }

  package var isNorm: Bool {
    switch self {
    case .attentionNorm, .feedForwardNorm, .outputNorm: true
    default: false
    }
  }
}
