internal import FlashIO
package import FlashKernels
internal import FlashModel
package import FlashWeights
internal import FlashWindow

/// Makes a store's predictors, or the thresholds of a model without silent neurons, orders its
/// neurons, and prices what that does.
///
/// The model runs over the text; layer by layer predictors are made of what was recorded; the new
/// store is written beside the old one, priced through the mode as it decodes, and exchanged. One
/// thread calls it, start to end.
package struct Calibrator {
  /// What came out.
  package struct Outcome: Sendable {
    package var certificate: Certificate
    package var layers: [LayerOutcome]
    package var modelByteCount: Int
  }

  /// A layer's predictor or threshold in words, for the table.
  package struct LayerOutcome: Sendable {
    package var kind: PredictorKind
    package var rank: Int
    package var format: RowFormat?
    package var threshold: Float?
    package var order: NeuronOrderKind
    /// For windows 1...16: of the neurons that fire for a token, the part that none of that many
    /// tokens before it had.
    package var trueNewFractionPerWindow: [Double]
  }

  let store: WeightStore
  let text: CalibrationText
  let options: CalibrationOptions
  /// Nil where no neuron is ever silent: those are given thresholds.
  let rule: FiringRule?
  let kernels: Kernels
  let threadCount: Int

  package init(store: WeightStore, text: CalibrationText, options: CalibrationOptions) {
    self.store = store
    self.text = text
    self.options = options
    rule = FiringRule(store.configuration)
    kernels = Kernels(options.decoder.instructionSet ?? .best)
    threadCount = max(1, options.decoder.threadCount ?? WorkerPool.physicalCoreCount)
  }

  /// The lossy mode that is priced.
  var mode: Certificate.Mode { rule == nil ? .threshold : .predicted }

  /// Bytes that predictors may take.
  var budget: Int {
    mode == .threshold ? 0 : Int(options.budgetFraction * Double(store.modelByteCount))
  }

  /// The most bytes of one layer's predictor: four times its share.
  var byteLimit: Int { min(budget, 4 * budget / max(1, store.configuration.layers.count)) }

  var folder: String { StoreParent.folder(of: store.path) }

  /// Calibrates.
  ///
  /// - Parameters:
  ///   - isInstalled: false prices and leaves the store as it was.
  ///   - progress: stage, done, of all.
  ///   - isCancelled: asked often; the store is then as it was.
  /// - Throws: `CalibrationError`, `MemoryPlanError` with the sum, `StoreError`, and what a decoder
  ///   throws. Nothing stays on disk of a calibration that threw.
  package func run(
    isInstalled: Bool = true,
    progress: (CalibrationStage, Int, Int) -> Void = { _, _, _ in },
    isCancelled: () -> Bool = { false }
  ) throws -> Outcome {
    BLAS.setThreadCount(threadCount)
    do {
      let recording = try record(progress: progress, isCancelled: isCancelled)
      let layers =
        try mode == .threshold
        ? arrangeLayers(recording, progress: progress, isCancelled: isCancelled)
        : makePredictors(recording, progress: progress, isCancelled: isCancelled)
      let draft = CalibrationDraft(
        layers: layers.map(\.draft), countedTokens: recording.training.positionCount,
        generator: options.generator)
      let certificate = try install(
        draft, layers: layers, isInstalled: isInstalled, progress: progress,
        isCancelled: isCancelled)
      return Outcome(
        certificate: certificate, layers: layers.map(\.priced.outcome),
        modelByteCount: store.modelByteCount)
    } catch DecoderError.cancelled {
      throw CalibrationError.cancelled
    }
  }

  /// Writes the new store beside the old one, prices it, and exchanges the two where `isInstalled`.
  ///
  /// Nothing is on disk before: a process that is killed while it samples or trains leaves nothing.
  private func install(
    _ draft: CalibrationDraft, layers: [CalibratedLayer], isInstalled: Bool,
    progress: (CalibrationStage, Int, Int) -> Void, isCancelled: () -> Bool
  ) throws -> Certificate {
    let installer = try CalibrationInstaller(store: store)
    do {
      let staged = try installer.stage(draft) { progress(.store, $0, $1) }
      if isCancelled() { throw CalibrationError.cancelled }
      let priced = layers.map(\.priced)
      let certificate = try price(
        staged, layers: priced, heldByteCount: priced.reduce(0) { $0 + $1.byteCount },
        progress: progress, isCancelled: isCancelled)
      if isInstalled {
        _ = try installer.publish(certificate)
      } else {
        installer.discard()
      }
      return certificate
    } catch {
      installer.discard()
      throw error
    }
  }
}

/// Where a store lies.
enum StoreParent {
  static func folder(of path: String) -> String {
    var text = Substring(path)
    while text.count > 1, text.hasSuffix("/") { text.removeLast() }
    guard let slash = text.lastIndex(of: "/") else { return "." }
    return slash == text.startIndex ? "/" : String(text[..<slash])
  }
}
