package import FlashWeights
package import FlashWindow

/// The plan of a store that is not there yet.
extension Decoder {
  /// The plan that opening a store with this manifest would follow, on a device of the given
  /// direct-I/O unit; no file is looked at.
  ///
  /// - Throws: `DecoderError.unsupported` for options the model cannot have, `MemoryPlanError` when
  ///   the limit is below the floor.
  package static func plan(
    manifest: StoreManifest, unit: Int, options: DecoderOptions
  ) throws -> (plan: MemoryPlan, mode: SparsityMode) {
    var settings = try DecoderSettings(manifest: manifest, calibration: nil, options: options)
    let plan = try settings.plan(unit: unit)
    return (plan, settings.mode(for: plan))
  }
}
