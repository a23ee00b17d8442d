internal import FlashModel

/// The report as people read it: what the model is, a table of layers, totals.
extension InspectReport {
  var text: String {
    var blocks = [header.text, layerTable.text]
    if layers.contains(where: { $0.predictor != nil }) { blocks.append(calibrationTable.text) }
    if let certificate { blocks.append(Self.price(certificate).text) }
    blocks.append(totals.text)
    if let note = activityNote { blocks.append(note) }
    if let measured = routing?.measured { blocks.append(Self.note(measured)) }
    if !notes.isEmpty { blocks.append(notes.map { "note: " + $0 }.joined(separator: "\n")) }
    return blocks.joined(separator: "\n\n")
  }

  private var header: TextTable {
    let kind = synthetic ? "synthetic weights of shape \(syntheticShape ?? "unknown")" : source
    return TextTable(
      rows: [
        ["store", store],
        ["model", "\(architecture), \(parameters) parameters, \(kind)"],
        ["made by", "\(generator), layout \(layout), source digest \(sourceDigest.prefix(16))"],
        [
          "shape",
          "\(layers.count) layers, width \(width), head dimension \(headDimension), vocabulary "
            + "\(vocabulary), \(positions) positions",
        ],
        [
          "FFN",
          "\(activation), \(gated ? "gated" : "ungated"), output head "
            + (tiedHead ? "tied to the embedding" : "its own"),
        ],
      ] + (routing.map { [["experts", Self.words($0)]] } ?? []) + [
        [
          "text",
          companions.contains("tokenizer.json") ? "tokenizer" : "no tokenizer: token ids only",
        ]
      ], alignment: [.leading, .leading])
  }

  private static func words(_ routing: Routing) -> String {
    var words = "\(routing.active) a token, \(routing.scoring)"
    if routing.normalized { words += ", normalized" }
    if routing.readsLayerInput { words += ", chosen before attention" }
    if let skew = routing.targetSkew {
      words += ", popularity rank^-\(Units.fixed(skew, decimals: 2))"
    }
    return words
  }

  /// `128 x 768` where the neurons are experts', `+ 512` for a shared one.
  private static func neurons(_ layer: Layer) -> String {
    var parts: [String] = []
    if let experts = layer.experts {
      parts.append("\(experts) x \(layer.feedForwardWidth / experts)")
    } else if layer.feedForwardWidth > 0 || layer.sharedWidth == nil {
      parts.append("\(layer.feedForwardWidth)")
    }
    if let shared = layer.sharedWidth { parts.append("\(shared) shared") }
    return parts.joined(separator: " + ")
  }

  var layerTable: TextTable {
    var titles = ["layer", "heads", "KV", "FFN", "neuron", "stride", "per stride", "padding"]
    titles += ["bundles", "dense"]
    if let reuseLags { titles += ["active"] + reuseLags.map { "reuse \($0)" } }
    let rows = layers.map { layer -> [String] in
      var cells = [layer.layer, layer.queryHeads, layer.keyValueHeads].map(String.init)
      cells.append(Self.neurons(layer))
      cells += [layer.bundleBytes, layer.stride, layer.neuronsPerStride].map(String.init)
      cells.append(Units.fixed(layer.padding * 100, decimals: 1) + "%")
      cells += [Units.bytes(layer.bundlesBytes), Units.bytes(layer.denseBytes)]
      if let activity = layer.activity {
        cells.append(Units.fixed(activity.activeFraction * 100, decimals: 1) + "%")
        cells += activity.reuse.map { Units.fixed($0, decimals: 2) }
      }
      return cells
    }
    return TextTable(
      rows: [titles] + rows, alignment: titles.map { _ in TextTable.Alignment.trailing })
  }

  private var totals: TextTable {
    var rows = formats.map { ["\($0.part), \($0.format)", Units.bytes($0.bytes)] }
    rows.append(["weights as stored", Units.bytes(modelBytes)])
    rows.append(["files, with padding", Units.bytes(fileBytes)])
    if let routing {
      rows.append(["experts of a token", Units.bytes(routing.bytesPerToken)])
      rows.append(["all experts", Units.bytes(routing.bytes)])
    }
    for cost in unitCosts {
      rows.append([
        "bytes read per byte wanted, unit \(cost.unit)",
        Units.fixed(cost.amplification, decimals: 2),
      ])
    }
    return TextTable(rows: rows, alignment: [.leading, .trailing])
  }

  /// Means over layers, each weighing the same.
  private var activityNote: String? {
    guard let activityTokens, let reuseLags else { return nil }
    let measured = layers.compactMap(\.activity)
    func mean(_ value: (ActivityReport.Layer) -> Double) -> Double {
      measured.map(value).reduce(0, +) / Double(max(1, measured.count))
    }
    let reuse = reuseLags.indices.map { index in mean { $0.reuse[index] } }
    return "measured over \(activityTokens) tokens: "
      + "\(Units.fixed(mean(\.activeFraction) * 100, decimals: 1))% of neurons active; "
      + Self.words(reuse, reuseLags)
  }

  private static func note(_ measured: RoutingReport) -> String {
    var text =
      "measured over \(measured.tokenCount) tokens: experts' popularity "
      + "rank^-\(Units.fixed(measured.skew, decimals: 2)); \(words(measured.reuse, measured.lags))"
    if let recall = measured.lookAheadRecall {
      text += "; \(Units.fixed(recall * 100, decimals: 1))% known a layer ahead"
    }
    return text
  }

  /// `reuse 0.82 at lag 1, 0.64 at lag 4`.
  private static func words(_ reuse: [Double], _ lags: [Int]) -> String {
    "reuse "
      + zip(reuse, lags).map { "\(Units.fixed($0, decimals: 2)) at lag \($1)" }
      .joined(separator: ", ")
  }
}
