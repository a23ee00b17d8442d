internal import FlashKernels

/// The parts of a configuration that only some families have.
extension Layout {
  func headDimension(
    _ reader: ConfigurationReader, width: Int, queryHeads: Int
  ) throws(StoreError) -> Int {
    if let source = decoder.headDimension, reader.value(source) != nil {
      return try reader.positive(source)
    }
    guard queryHeads > 0, width % queryHeads == 0 else {
      throw StoreError(
        .configuration,
        "the width is no multiple of the query heads and no head dimension is "
          + "given", file: reader.file, found: "\(width) and \(queryHeads)")
    }
    return width / queryHeads
  }

  func positions(
    _ reader: ConfigurationReader, headDimension: Int, maximumPositions: Int
  ) throws(StoreError) -> PositionEncoding {
    guard let rotary = decoder.positions.rotary else {
      return .learned(offset: decoder.positions.learned?.offset ?? 0)
    }
    var result = RotaryConfiguration(
      base: try reader.number(rotary.base),
      dimension: try rotatedDimension(rotary, reader, headDimension: headDimension),
      scaling: .none)
    let original =
      try rotary.originalPositions.flatMap { source throws(StoreError) in
        try reader.optionalPositive(source, limit: 1 << 31)
      } ?? maximumPositions
    result.scaling = try reader.scaling(
      rotary.scaling, pairCount: result.dimension / 2, maximumPositions: maximumPositions,
      originalPositions: original)
    return .rotary(result)
  }

  private func rotatedDimension(
    _ rotary: RotarySwitch, _ reader: ConfigurationReader, headDimension: Int
  ) throws(StoreError) -> Int {
    if let source = rotary.dimension, reader.value(source) != nil {
      return try reader.positive(source, limit: headDimension)
    }
    let part = try reader.number(rotary.rotatedPart)
    guard part > 0, part <= 1 else {
      throw StoreError(
        .configuration, "the rotated part of a head is out of bounds", file: reader.file,
        expected: "more than 0, at most 1", found: "\(part)")
    }
    // Decimal parts are not exact: 0.29 of 100 is 28.999…
    let exact = Double(headDimension) * part
    let dimension = Int(exact.rounded())
    guard abs(exact - Double(dimension)) <= 1e-6, dimension > 0, dimension % 2 == 0 else {
      throw StoreError(
        .configuration,
        "the rotated part of a head (\(rotary.rotatedPart.keys.joined(separator: " or "))) must be "
          + "a whole, even number of dimensions", file: reader.file,
        found: "\(part) of \(headDimension), \(exact)")
    }
    return dimension
  }

  /// The layers' shapes, windows and RoPE.
  func layers(
    _ reader: ConfigurationReader, queryHeads: [Int], width: Int
  ) throws(StoreError) -> [LayerConfiguration] {
    let count = queryHeads.count
    var layers: [LayerConfiguration]
    if let source = decoder.blocks, reader.value(source) != nil {
      layers = try reader.blocks(source, queryHeads: queryHeads, width: width)
    } else {
      let keyValueHeads = try reader.perLayer(decoder.keyValueHeads, count)
      let feedForwardWidths = try reader.perLayer(decoder.feedForwardWidth, count)
      layers = (0..<count).map {
        LayerConfiguration(
          queryHeads: queryHeads[$0], keyValueHeads: keyValueHeads[$0],
          feedForwardWidth: feedForwardWidths[$0])
      }
      if decoder.hasLinearAttentionWithoutKeys == true {
        for index in layers.indices
        where layers[index].queryHeads > 0 && layers[index].keyValueHeads == 0 {
          layers[index].queryHeads = 0
          layers[index].hasLinearAttention = true
        }
      }
    }
    if let windows = decoder.windows {
      for (index, window) in try reader.windows(windows, count).enumerated() {
        layers[index].window = window
        if window != nil, decoder.positions.rotary?.local != nil { layers[index].rotary = .local }
      }
    }
    if let rotary = decoder.positions.rotary {
      let hasRotary = try reader.layersWithRotary(rotary, count)
      for index in layers.indices where !hasRotary[index] {
        layers[index].rotary = LayerRotary.none
      }
    }
    return layers
  }

  /// Adds what is nil in a plain model.
  func addFamilyParts(
    _ reader: ConfigurationReader, maximumPositions: Int,
    to configuration: inout ModelConfiguration
  ) throws(StoreError) {
    if let local = decoder.positions.rotary?.local,
      case .rotary(let rotary) = configuration.positions,
      configuration.layers.contains(where: { $0.rotary == .local })
    {
      configuration.localRotary = RotaryConfiguration(
        base: try reader.number(local.base), dimension: rotary.dimension,
        scaling: try reader.scaling(
          local.scaling, pairCount: rotary.dimension / 2, maximumPositions: maximumPositions,
          originalPositions: maximumPositions))
    }
    if let source = decoder.order {
      let order: LayerOrder = try reader.choice(source)
      configuration.order = order == .preNorm ? nil : order
    }
    if let source = decoder.queryKeyNorm {
      configuration.queryKeyNorm = try reader.choice(source) as QueryKeyNorm
    }
    if let caps = decoder.caps {
      let found = ModelCaps(
        attention: try reader.optionalNumber(caps.attention, unless: 0),
        logits: try reader.optionalNumber(caps.logits, unless: 0))
      configuration.caps = found.isEmpty ? nil : found
    }
    if let scales = decoder.scales {
      let found = try self.scales(scales, reader, width: configuration.width)
      configuration.scales = found.isEmpty ? nil : found
    }
  }

  private func scales(
    _ scales: ScaleSwitch, _ reader: ConfigurationReader, width: Int
  ) throws(StoreError) -> ModelScales {
    var found = ModelScales(
      embedding: try reader.optionalNumber(scales.embedding, unless: 1),
      residual: try reader.optionalNumber(scales.residual, unless: 1),
      attention: try reader.optionalNumber(scales.attention, unless: 0),
      logits: try reader.optionalNumber(scales.logits, unless: 1))
    if let type = scales.embeddingRootType {
      found.embedding = Double(try reader.root(of: width, typed: type))
    }
    if let number = try reader.optionalNumber(scales.attentionNumber, unless: 0) {
      found.attention = 1 / number.squareRoot()
    }
    if let divisor = try reader.optionalNumber(scales.logitDivisor, unless: 1) {
      found.logits = 1 / divisor
    }
    return found
  }
}
