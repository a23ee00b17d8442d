/// A layout applied to a checkpoint's `config.json`: the numbers the decoder needs, or the reason
/// why it would be wrong.
extension Layout {
  /// The first of `layouts` that is for this configuration.
  package static func recognizing(
    _ configuration: JSONValue, among layouts: [Layout], file: String
  ) throws(StoreError) -> Layout {
    guard case .array(let names)? = configuration[path: "architectures"],
      let architecture = names.first?.string
    else {
      throw StoreError(
        .configuration, "does not say which architecture the model has", file: file,
        expected: "\"architectures\": [\"LlamaForCausalLM\"] for example")
    }
    let candidates = layouts.flatMap { layout in layout.recognizes.map { (layout, $0) } }
      .filter { $0.1.architecture == architecture }
    guard !candidates.isEmpty else {
      if let part = missingPart(of: architecture) {
        throw StoreError(
          .unsupportedModel, "this architecture needs what the decoder has not: \(part)",
          file: file, found: architecture)
      }
      let known = Set(layouts.flatMap { $0.recognizes.map(\.architecture) }).sorted()
      throw StoreError(
        .unsupportedModel,
        "no layout is for this architecture (layouts/README.md says how to add "
          + "one; --layout FILE uses it)", file: file,
        expected: known.joined(separator: ", "), found: architecture)
    }
    for (layout, recognition) in candidates {
      let has = { (key: String) in configuration[path: key] != nil }
      if recognition.present.allSatisfy(has), !recognition.absent.contains(where: has) {
        return layout
      }
    }
    let wishes = candidates.map { layout, recognition in
      let wanted =
        recognition.present.map { "with \($0)" } + recognition.absent.map { "without \($0)" }
      return "\(layout.name) (\(wanted.joined(separator: ", ")))"
    }
    throw StoreError(
      .unsupportedModel, "\(architecture) with these keys is not supported", file: file,
      expected: wishes.joined(separator: " or "))
  }

  /// The decoder's configuration, from `config.json`.
  ///
  /// Throws `unsupportedModel` where the model computes something the decoder does not, and
  /// `configuration` where numbers are missing or contradict each other.
  package func configuration(
    from json: JSONValue, file: String
  ) throws(StoreError) -> ModelConfiguration {
    let reader = ConfigurationReader(json: json, file: file)
    for requirement in requirements { try reader.check(requirement) }
    let read = Set(readKeys)
    // Only the metadata of a GGUF file has this key.
    let isGGUF = json[path: "general.architecture"] != nil
    for requirement in isGGUF ? Self.knownGGUFParts : Self.knownParts
    where !read.contains(requirement.key) {
      try reader.check(requirement)
    }
    let width = try reader.positive(decoder.width)
    let layerCount = try reader.positive(decoder.layerCount, limit: 4096)
    let queryHeads = try reader.perLayer(decoder.queryHeads, layerCount)
    let headDimension = try headDimension(
      reader, width: width, queryHeads: queryHeads.max() ?? 0)
    let maximumPositions = try reader.positive(decoder.maximumPositions, limit: 1 << 31)
    let positions = try positions(
      reader, headDimension: headDimension, maximumPositions: maximumPositions)
    var configuration = ModelConfiguration(
      architecture: json[path: "architectures"].flatMap {
        if case .array(let names) = $0 { names.first?.string } else { nil }
      } ?? name,
      width: width, vocabularySize: try reader.positive(decoder.vocabularySize),
      headDimension: headDimension,
      layers: try layers(reader, queryHeads: queryHeads, width: width),
      normalization: Normalization(
        kind: decoder.normalization.kind,
        epsilon: try reader.number(decoder.normalization.epsilon)),
      activation: try reader.activation(decoder.activation), isGated: decoder.isGated,
      positions: positions, maximumPositions: maximumPositions,
      hasTiedHead: try reader.bool(decoder.hasTiedHead),
      beginTokenID: try reader.tokens(decoder.beginToken).first,
      endTokenIDs: try reader.tokens(decoder.endTokens))
    if let threshold = decoder.activation.threshold {
      configuration.activationThreshold = try reader.number(threshold)
    }
    try addFamilyParts(reader, maximumPositions: maximumPositions, to: &configuration)
    try addExperts(reader, to: &configuration)
    try configuration.check(file: file)
    return configuration
  }

  /// The tensor patterns that count for this configuration.
  package func patterns(for json: JSONValue) -> [TensorPattern] {
    let reader = ConfigurationReader(json: json, file: "")
    return tensors.filter { $0.when.map(reader.holds) ?? true }
  }

  /// The roles that have a bias, in every layer alike.
  package func biases(for json: JSONValue) -> Set<TensorRole> {
    Set(patterns(for: json).filter(\.isBias).map(\.role))
  }

  /// Keys of `config.json` that neither this layout nor `inertKeys` knows: they are ignored, and
  /// said to be.
  package func unknownKeys(of json: JSONValue) -> [String] {
    let known = Set(readKeys.map { String($0.prefix { $0 != "." }) }).union(Self.inertKeys)
      .union(Self.knownParts.map(\.key))
    return (json.object ?? [:]).filter { $0.value != .null && !known.contains($0.key) }
      .keys.sorted()
  }

  /// Keys that are read or known to change nothing.
  var readKeys: [String] {
    let d = decoder
    var sources: [Source?] = [
      d.width, d.vocabularySize, d.layerCount, d.maximumPositions, d.queryHeads, d.keyValueHeads,
      d.feedForwardWidth, d.headDimension, d.blocks, d.normalization.epsilon, d.activation.source,
      d.activation.threshold, d.order, d.queryKeyNorm, d.hasTiedHead, d.beginToken, d.endTokens,
      d.caps?.attention, d.caps?.logits,
    ]
    var keys = ignoredKeys + requirements.flatMap { [$0.key] + ($0.unless.map { [$0.key] } ?? []) }
    if let rotary = d.positions.rotary {
      sources += [
        rotary.base, rotary.rotatedPart, rotary.dimension, rotary.originalPositions,
        rotary.local?.base, rotary.layers, rotary.interval,
      ]
      keys += rotary.scaling + (rotary.local?.scaling ?? [])
    }
    if let windows = d.windows {
      sources += [windows.length, windows.types, windows.interval, windows.first]
      if let key = windows.when?.key { keys.append(key) }
    }
    if let experts = d.experts { sources += experts.sources }
    if let scales = d.scales {
      sources += [
        scales.embedding, scales.embeddingRootType, scales.residual, scales.attention,
        scales.attentionNumber, scales.logits, scales.logitDivisor,
      ]
    }
    return keys + sources.flatMap { $0?.readKeys ?? [] } + tensors.compactMap { $0.when?.key }
  }

  /// Keys that transformers writes for every family and that do not change a forward pass.
  private static let inertKeys: Set<String> = [
    "_name_or_path", "architectures", "auto_map", "model_type", "transformers_version", "dtype",
    "torch_dtype", "use_cache", "initializer_range", "pad_token_id", "sep_token_id",
    "attention_dropout", "use_bfloat16", "pretraining_tp", "max_length", "max_sequence_length",
    "_attn_implementation", "rope_interleaved", "unk_token_id",
  ]
}

extension Layout.Source {
  fileprivate var readKeys: [String] {
    keys + (absentMultiple?.keys ?? []) + (cases ?? []).flatMap { $0.when.map(\.key) }
  }
}
