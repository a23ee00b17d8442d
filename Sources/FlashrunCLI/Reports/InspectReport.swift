internal import FlashIO
internal import FlashKernels
internal import FlashModel
internal import FlashWeights
internal import FoundationEssentials

/// A store's shapes and bytes, as tables and as JSON.
struct InspectReport: Encodable {
  /// One layer; heads and widths may differ from layer to layer.
  struct Layer: Encodable {
    var layer: Int
    var queryHeads: Int
    var keyValueHeads: Int
    var feedForwardWidth: Int
    /// Experts that the neurons belong to, and neurons of an expert that every token uses.
    var experts: Int?
    var sharedWidth: Int?
    /// Bytes of one neuron's parts, and of the stride that holds `neuronsPerStride` of them.
    var bundleBytes: Int
    var stride: Int
    var neuronsPerStride: Int
    /// Padding over payload of the layer's bundles.
    var padding: Double
    var bundlesBytes: Int
    var denseBytes: Int
    /// The layer's predictor, and what it was measured to do; nil for a store without any.
    var predictor: Predictor?
    /// Neurons that fire, and fire again some tokens later, as measured; nil where nothing was.
    var activity: ActivityReport.Layer?
  }

  /// A layer's predictor as `calibrate` chose it, and its price.
  struct Predictor: Encodable {
    var kind: String
    var input: String
    var rank: Int
    /// Of W1 and W2.
    var formats: [String]
    var bytes: Int
    var targetRecall: Double
    /// Above which a neuron is computed; nil where none was chosen.
    var threshold: Double?
    var measured: Certificate.Layer?
  }

  /// What reading the front of a bundle costs where reads are whole units: bytes read over bytes
  /// wanted.
  struct UnitCost: Encodable {
    var unit: Int
    var amplification: Double
  }

  struct Routing: Encodable {
    /// Experts of a token, in each layer that has any.
    var active: Int
    var scoring: String
    var normalized: Bool
    /// Whether the router reads the state before attention.
    var readsLayerInput: Bool
    /// Bytes of all experts of a token.
    var bytesPerToken: Int
    /// Bytes of all experts.
    var bytes: Int
    /// The exponent of popularity that a synthetic model was made for.
    var targetSkew: Double?
    /// How they were chosen while some tokens were decoded; nil where none were.
    var measured: RoutingReport?
  }

  /// Tensors used whole, or bundles, of one format.
  struct FormatTotal: Encodable {
    var part: String
    var format: String
    var bytes: Int
  }

  var store: String
  var architecture: String
  var layout: String
  var source: String
  var sourceDigest: String
  var modelDigest: String
  var generator: String
  var synthetic: Bool
  var syntheticShape: String?
  var parameters: Int
  var width: Int
  var headDimension: Int
  var vocabulary: Int
  var positions: Int
  var activation: String
  var gated: Bool
  var tiedHead: Bool
  /// How a token's experts are chosen, and what reading them takes; nil for a model without.
  var routing: Routing?
  var modelBytes: Int
  var fileBytes: Int
  /// Tokens over which activity was measured, and the distances in tokens of its reuse.
  var activityTokens: Int?
  var reuseLags: [Int]?
  var layers: [Layer]
  /// What the lossy mode costs; nil for a store without a certificate.
  var certificate: Certificate?
  var formats: [FormatTotal]
  var unitCosts: [UnitCost]
  var companions: [String]
  var notes: [String]

  init(_ store: WeightStore, activity: ActivityReport?) {
    self.init(
      store.manifest, calibration: store.calibration, path: store.path, activity: activity)
  }

  /// - Parameter path: of the store, or of the source that would become one.
  init(
    _ manifest: StoreManifest, calibration: Calibration? = nil, path: String,
    activity: ActivityReport?
  ) {
    let configuration = manifest.configuration
    store = path
    architecture = configuration.architecture
    layout = manifest.layout.name
    source = manifest.source.name
    sourceDigest = manifest.source.digest
    modelDigest = manifest.modelDigest
    generator = manifest.generator
    synthetic = manifest.synthetic != nil
    syntheticShape = manifest.synthetic?.shape
    parameters = manifest.parameterCount
    width = configuration.width
    headDimension = configuration.headDimension
    vocabulary = configuration.vocabularySize
    positions = configuration.maximumPositions
    activation = configuration.activation.rawValue
    gated = configuration.isGated
    tiedHead = configuration.hasTiedHead
    routing = Self.routing(manifest)
    routing?.measured = activity?.routing
    modelBytes = manifest.modelByteCount
    fileBytes = manifest.fileByteCount
    let neurons = activity.flatMap { $0.layers.isEmpty ? nil : $0 }
    activityTokens = neurons?.tokenCount
    reuseLags = neurons?.lags
    layers = configuration.layers.indices.map { index in
      Self.layer(
        index, manifest, predictor: Self.predictor(index, calibration),
        activity: neurons?.layers[index])
    }
    certificate = calibration?.certificate
    formats = Self.formats(manifest)
    unitCosts = [512, 4096].map { unit in
      UnitCost(unit: unit, amplification: Self.amplification(manifest.bundles, unit: unit))
    }
    companions = manifest.companions.map(\.name)
    notes = manifest.notes
  }

  private static func layer(
    _ index: Int, _ manifest: StoreManifest, predictor: Predictor?,
    activity: ActivityReport.Layer?
  ) -> Layer {
    let layer = manifest.configuration.layers[index]
    let bundle = manifest.bundles[index]
    let bundleBytes = bundle.frontBytesPerNeuron + bundle.lastPartByteCount
    let payload = bundleBytes * bundle.neuronCount
    return Layer(
      layer: index, queryHeads: layer.queryHeads, keyValueHeads: layer.keyValueHeads,
      feedForwardWidth: layer.feedForwardWidth, experts: layer.expertCount,
      sharedWidth: layer.sharedWidth, bundleBytes: bundleBytes, stride: bundle.stride,
      neuronsPerStride: bundle.neuronsPerStride,
      padding: payload > 0 ? Double(bundle.extent.byteCount - payload) / Double(payload) : 0,
      bundlesBytes: bundle.extent.byteCount,
      denseBytes: manifest.tensors.reduce(0) { $0 + ($1.layer == index ? $1.extent.byteCount : 0) },
      predictor: predictor, activity: activity)
  }

  private static func routing(_ manifest: StoreManifest) -> Routing? {
    guard let routing = manifest.configuration.routing else { return nil }
    let bundles = manifest.bundles.filter { $0.expertCount != nil }
    return Routing(
      active: routing.activeCount, scoring: routing.scoring.rawValue,
      normalized: routing.isNormalized, readsLayerInput: routing.readsLayerInput == true,
      bytesPerToken: bundles.reduce(0) {
        $0 + routing.activeCount * $1.extent(ofExpert: 0).byteCount
      },
      bytes: bundles.reduce(0) { $0 + $1.extent.byteCount },
      targetSkew: manifest.synthetic?.routingSkew)
  }

  private static func predictor(_ index: Int, _ calibration: Calibration?) -> Predictor? {
    guard let calibration else { return nil }
    let layer = calibration.layers[index]
    let matrices = [layer.reduction, layer.expansion].compactMap(\.self)
    return Predictor(
      kind: layer.kind.rawValue, input: layer.input.rawValue, rank: layer.rank,
      formats: matrices.map(\.format.rawValue), bytes: layer.predictorByteCount,
      targetRecall: layer.targetRecall, threshold: layer.threshold,
      measured: calibration.certificate?.layers[index])
  }

  private static func formats(_ manifest: StoreManifest) -> [FormatTotal] {
    var totals: [[String]: Int] = [:]
    for tensor in manifest.tensors {
      totals[["used whole", tensor.format.rawValue], default: 0] += tensor.extent.byteCount
    }
    for bundle in manifest.bundles {
      for part in bundle.parts {
        totals[["bundles", part.format.rawValue], default: 0] +=
          part.format.byteCount(width: bundle.width) * bundle.neuronCount
      }
    }
    return totals.map { FormatTotal(part: $0.key[0], format: $0.key[1], bytes: $0.value) }
      .sorted { ($0.part, $0.format) > ($1.part, $1.format) }
  }

  /// Bytes read over bytes wanted when the front of every stride is read in whole units.
  static func amplification(_ bundles: [BundleLayout], unit: Int) -> Double {
    var (read, wanted) = (0, 0)
    for bundle in bundles where bundle.frontByteCount > 0 {
      for stride in 0..<bundle.strideCount {
        let start = bundle.extent.offset + stride * bundle.stride
        let end = start + bundle.frontByteCount
        read += (end + unit - 1) / unit * unit - start / unit * unit
        wanted += bundle.frontByteCount
      }
    }
    return wanted > 0 ? Double(read) / Double(wanted) : 1
  }

  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(self) else { preconditionFailure("a report encodes") }
    return String(decoding: data, as: UTF8.self)
  }
}
