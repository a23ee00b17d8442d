internal import Crypto
package import FlashKernels

/// Writes a store of a real shape with random weights: what `synth` does, without its words on the
/// terminal. The same shape, type, activity and seed give the same bytes, whatever the threads (but
/// `activity` rounds sums as the instruction set does).
package struct Synthesizer: Sendable {
  package let shape: SynthShape
  package let type: RowFormat
  /// The fraction of neurons that is to fire; nil for the shape's own activation and random gates.
  package let activity: Double?
  /// The exponent of the experts' popularity; 0 for equal ones.
  package let routingSkew: Double
  package let seed: UInt64
  package let plan: StorePlan
  let model: SyntheticModel

  /// With an activity the feed-forward part becomes ReLU. Traps unless it is above 0 and below 1.
  ///
  /// The configuration's own first and last tokens mean nothing to a byte tokenizer and are left
  /// out, so that generation goes on as long as it is asked to.
  ///
  /// With a skew routers have biases, whether the shape's have or not. Traps where it is negative,
  /// or not 0 in a model without experts.
  package init(
    shape: SynthShape, type: RowFormat, activity: Double? = nil, routingSkew: Double = 0,
    seed: UInt64 = 1
  ) {
    precondition(activity.map { $0 > 0 && $0 < 1 } ?? true, "an activity is between 0 and 1")
    precondition(
      routingSkew >= 0 && (routingSkew == 0 || shape.configuration.routing != nil),
      "a skew is not negative, and of experts")
    self.shape = shape
    self.type = type
    self.activity = activity
    self.routingSkew = routingSkew
    self.seed = seed
    var configuration = shape.configuration
    if activity != nil { configuration.activation = .relu }
    configuration.beginTokenID = nil
    configuration.endTokenIDs = []
    plan = StorePlan(
      configuration: configuration, formats: StoreFormats(type),
      biases: shape.biases.union(routingSkew > 0 ? [.router] : []))
    model = SyntheticModel(
      configuration, activity: activity, routingSkew: routingSkew, seed: seed)
  }

  /// Bytes the store will take.
  package var requiredByteCount: Int { plan.byteCount }

  /// Writes the store, or takes up what a killed writer left, and returns the manifest.
  ///
  /// - Parameters:
  ///   - tokenizer: the contents of `tokenizer.json`; nil for a store without one.
  ///   - progress: gets the bytes written so far and of all, after each tensor and layer.
  /// - Throws: every error of `StoreWriter`; nothing is left then, except after an interruption.
  package func write(
    to target: String, tokenizer: [UInt8]?, overwrite: Bool = false, threadCount: Int = 1,
    generator: String = "flashrun",
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }, fault: StoreFault? = nil
  ) throws(StoreError) -> StoreManifest {
    let origin = SyntheticOrigin(
      shape: shape.name, seed: seed, targetActivity: activity,
      routingSkew: shape.configuration.routing.map { _ in routingSkew })
    let fingerprint = SHA256.digest(
      lines: [
        generator, shape.digest, String(decoding: JSONText.encode(origin), as: UTF8.self),
        String(decoding: JSONText.encode(plan.configuration), as: UTF8.self), type.rawValue,
      ])
    let writer = try StoreWriter(
      target: target, plan: plan, fingerprint: fingerprint, overwrite: overwrite, fault: fault)
    do {
      try SynthesisRun(model, writer, threadCount: threadCount).run(progress: progress)
      if let tokenizer { try writer.addCompanion("tokenizer.json", bytes: tokenizer) }
      return try writer.finish(
        StoreOrigin(
          generator: generator, layout: shape.layout,
          source: SourceRecord(name: shape.name, digest: shape.digest), synthetic: origin,
          notes: ["synthetic: the weights are random"]))
    } catch {
      writer.discard(after: error)
      throw error
    }
  }
}
